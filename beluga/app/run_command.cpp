#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "beluga/agent/session.hpp"
#include "beluga/app/commands.hpp"
#include "beluga/app/internal/turn.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/store/database.hpp"

namespace beluga::app {
namespace {

/// All of stdin. Nothing when a signal came meanwhile: half a question is not asked.
std::optional<std::string> read_stdin(const Interrupt& interrupt) {
  std::string text;
  std::array<char, 65536> block;
  for (;;) {
    if (!interrupt.wait_readable(STDIN_FILENO)) return std::nullopt;
    const auto got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("cannot read stdin: {}", std::strerror(errno)));
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxQuestion)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the question on stdin is too long: the most is {}; give a document as a file "
                              "below --root",
                              format_bytes(kMaxQuestion)));
  }
}

}  // namespace

std::shared_ptr<SessionStore> stored_sessions() {
  return open_sessions(Database::open({.path = default_database_path()}));
}

int turn(const Agent& agent, RunInput input, Console& console, Interrupt& interrupt) {
  const CancelSource cancel;
  Interrupt::Target target(interrupt, cancel);
  // The stream keeps the context it was made in; this thread stays outside, so that it still gets the last
  // event.
  auto stream = [&] {
    ContextScope scope(Context::current().with_cancel(cancel.token()));
    return agent.stream(std::move(input));
  }();
  for (const Event& event : stream) {
    console.show(event);
    if (!console.alive()) return interrupt.leaving() ? interrupt.exit_code() : 1;
  }
  // 130 stands for all that cancels; which signal it was, the signal knows.
  return console.exit_code() == 130 && interrupt.exit_code() != 0 ? interrupt.exit_code()
                                                                  : console.exit_code();
}

int run(const Settings& settings, const RunOptions& options, Interrupt& interrupt) {
  std::string question = options.question;
  if (question == "-") {
    std::optional<std::string> read = read_stdin(interrupt);
    if (!read) return interrupt.exit_code();
    question = std::move(*read);
  }
  question = sanitize_utf8(question);
  if (question.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error(ErrorCode::invalid_argument, "the question is empty; write: beluga run \"your question\"");
  const Agent agent = make_agent(settings, options.session.empty() ? nullptr : stored_sessions());
  Console console({.json = options.json,
                   .session = options.session,
                   .priced = !agent.model().provider.starts_with("offline")});
  RunInput input(question);
  input.session = options.session;
  return turn(agent, std::move(input), console, interrupt);
}

}  // namespace beluga::app
