#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>

#include "beluga/agent/session.hpp"
#include "beluga/app/commands.hpp"
#include "beluga/app/internal/turn.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/store/database.hpp"

namespace beluga::app {
namespace {

constexpr std::size_t kMaxQuestion = std::size_t{16} << 20;

std::string question_text(const std::string& given) {
  if (given != "-") return given;
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (text.size() > kMaxQuestion)
    throw Error(ErrorCode::resource_exhausted,
                fmt::format("the question on stdin has {} bytes; the most is {}", text.size(), kMaxQuestion));
  return text;
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
    if (!console.alive()) return 1;
  }
  return console.exit_code();
}

int run(const Settings& settings, const RunOptions& options, Interrupt& interrupt) {
  std::string question = sanitize_utf8(question_text(options.question));
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
