#include <fcntl.h>
#include <fmt/format.h>
#include <histedit.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cwchar>
#include <filesystem>
#include <optional>
#include <utility>

#include "beluga/agent/session.hpp"
#include "beluga/app/commands.hpp"
#include "beluga/app/internal/turn.hpp"
#include "beluga/app/output.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/store/database.hpp"

namespace beluga::app {
namespace {

const char* prompt(EditLine*) {
  return "you> ";
}

/// Keeps Ctrl-D an ordinary character between two prompts. There the terminal is in canonical mode, in which
/// the kernel would take it as an end of input and hand it to the next prompt as a NUL: typed while an answer
/// is written, it would be lost.
class EndOfFileKey {
 public:
  EndOfFileKey() : known_(::tcgetattr(STDIN_FILENO, &before_) == 0) {}
  ~EndOfFileKey() {
    if (known_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  EndOfFileKey(const EndOfFileKey&) = delete;
  EndOfFileKey& operator=(const EndOfFileKey&) = delete;

  /// To be called whenever the editor has given the terminal back, in the mode it found.
  void make_ordinary() const {
    termios mode;
    if (!known_ || ::tcgetattr(STDIN_FILENO, &mode) != 0) return;
    mode.c_cc[VEOF] = _POSIX_VDISABLE;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &mode);
  }

 private:
  termios before_{};
  bool known_;
};

/// Reads lines: edited and with history on a terminal, plain otherwise.
class LineReader {
 public:
  explicit LineReader(const Interrupt& interrupt) : interrupt_(interrupt) {
    if (::isatty(STDIN_FILENO) != 1) return;
    // The editor wants a terminal for what it shows: stderr where stdout goes to a file.
    FILE* const shown = ::isatty(STDOUT_FILENO) == 1 ? stdout : stderr;
    if (::isatty(::fileno(shown)) != 1) return;
    end_of_file_.emplace();
    history_ = ::history_init();
    edit_ = ::el_init("beluga", stdin, shown, stderr);
    if (history_ == nullptr || edit_ == nullptr) return;
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, 1000);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(edit_, EL_PROMPT, &prompt);
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_HIST, &::history, history_);
    ::el_set(edit_, EL_SIGNAL, 0);
    ::el_set(edit_, EL_CLIENTDATA, this);
    ::el_set(edit_, EL_GETCFN, &read_character);
    const auto path = attempt([] { return default_database_path(); });
    if (path.ok()) {
      history_file_ = std::filesystem::path(*path).replace_filename("chat_history").string();
      ::history(history_, &event, H_LOAD, history_file_.c_str());
    }
  }
  ~LineReader() {
    if (edit_ != nullptr) ::el_end(edit_);
    if (history_ == nullptr) return;
    HistEvent event;
    if (!history_file_.empty()) {
      const auto mask = ::umask(0077);
      std::error_code ignored;
      std::filesystem::create_directories(std::filesystem::path(history_file_).parent_path(), ignored);
      ::history(history_, &event, H_SAVE, history_file_.c_str());
      ::umask(mask);
    }
    ::history_end(history_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// nullopt at the end of the input, and where no terminal is read at a signal, too; empty when a signal
  /// came while a line was edited.
  std::optional<std::string> read() {
    if (edit_ == nullptr) return read_plain();
    int count = 0;
    // The editor would show its prompt first and take the terminal after: what is typed in between would be
    // read by other rules than what comes later.
    ::el_set(edit_, EL_PREP_TERM, 1);
    errno = 0;
    const char* line = ::el_gets(edit_, &count);
    const int failure = errno;
    end_of_file_->make_ordinary();
    if (line == nullptr || count <= 0) {
      if (failure == EINTR) {
        ::el_reset(edit_);
        print_error("\n");
        return std::string();
      }
      return std::nullopt;
    }
    std::string text(line, static_cast<std::size_t>(count));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    HistEvent event;
    if (!text.empty()) ::history(history_, &event, H_ENTER, text.c_str());
    return text;
  }

 private:
  /// The next byte of stdin. nullopt at its end (errno 0), at an error, and at a signal (EINTR).
  std::optional<char> read_byte() const {
    for (;;) {
      errno = EINTR;
      if (!interrupt_.wait_readable(STDIN_FILENO)) return std::nullopt;
      char byte = 0;
      errno = 0;
      const auto got = ::read(STDIN_FILENO, &byte, 1);
      if (got == 1) return byte;
      if (got == 0 || (errno != EINTR && errno != EAGAIN)) return std::nullopt;
    }
  }

  /// Of the line editor: 1 and a character, 0 at the end, -1 at an error or signal.
  static int read_character(EditLine* edit, wchar_t* character) {
    LineReader* self = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &self);
    std::mbstate_t state{};
    for (;;) {
      const auto byte = self->read_byte();
      if (!byte) return errno == 0 ? 0 : -1;
      const bool begun = std::mbsinit(&state) == 0;
      std::size_t used = std::mbrtowc(character, &*byte, 1, &state);
      if (used == static_cast<std::size_t>(-1)) {  // no UTF-8: left out, but not what follows it
        state = {};
        if (begun) used = std::mbrtowc(character, &*byte, 1, &state);
        if (used == static_cast<std::size_t>(-1)) state = {};
      }
      if (used <= 1) return 1;
    }
  }

  std::optional<std::string> read_plain() {
    for (;;) {
      if (interrupt_.exit_code() != 0) return std::nullopt;
      if (ahead_.size() > kMaxQuestion)
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("a question on stdin is too long: the most is {}", format_bytes(kMaxQuestion)));
      if (const auto end = ahead_.find('\n'); end != std::string::npos) {
        std::string line = ahead_.substr(0, end);
        ahead_.erase(0, end + 1);
        return line;
      }
      if (!interrupt_.wait_readable(STDIN_FILENO)) return std::nullopt;
      std::array<char, 65536> block;
      const auto got = ::read(STDIN_FILENO, block.data(), block.size());
      if (got > 0) {
        ahead_.append(block.data(), static_cast<std::size_t>(got));
      } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        if (ahead_.empty()) return std::nullopt;
        return std::exchange(ahead_, {});  // a last line without its end
      }
    }
  }

  const Interrupt& interrupt_;
  std::string ahead_;                        // read and not yet handed out, where no terminal is
  std::optional<EndOfFileKey> end_of_file_;  // outlives the editor, which puts back the mode it found
  History* history_ = nullptr;
  EditLine* edit_ = nullptr;
  std::string history_file_;
};

/// "/tols", but not "/etc/passwd: what is in it?"
bool is_command(std::string_view question) {
  return question.size() > 1 && question.front() == '/' &&
         std::all_of(question.begin() + 1, question.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

constexpr std::string_view kHelp =
    "Write a question and press Enter. Ctrl-C stops an answer; Ctrl-D or /exit leaves.\n"
    "/help   this text\n/tools  the tools of this conversation\n/exit   leave (or /quit)\n";

}  // namespace

int chat(const Settings& settings, const RunOptions& options, Interrupt& interrupt) {
  const auto sessions = options.session.empty() ? memory_sessions() : stored_sessions();
  const std::string name = options.session.empty() ? "conversation" : options.session;
  const Agent agent = make_agent(settings, sessions);
  const bool talking = ::isatty(STDIN_FILENO) == 1;
  if (!options.session.empty()) notice(session_state(*sessions, name));
  if (talking && !options.json) {
    const ModelInfo& model = agent.model();
    notice(fmt::format("{}{}{}, files below {}; /help tells more", model.provider,
                       model.provider == model.model || model.model.empty() ? "" : "/",
                       model.provider == model.model ? "" : model.model, settings.root));
  }
  LineReader lines(interrupt);
  int code = 0;
  while (!interrupt.leaving()) {
    const auto line = lines.read();
    if (!line) {
      // A terminal's line was ended by Ctrl-D, or a pipe by its end; or a signal ended the waiting.
      if (!talking && interrupt.exit_code() != 0) return interrupt.exit_code();
      if (talking && !interrupt.leaving()) print_error("\n");
      break;
    }
    interrupt.clear();
    const std::string question = sanitize_utf8(*line);
    if (question.find_first_not_of(" \t") == std::string::npos) continue;
    if (question == "/exit" || question == "/quit") break;
    if (question == "/help") {
      print_error(kHelp);
      continue;
    }
    if (question == "/tools") {
      print_error(describe_tools(settings));
      continue;
    }
    if (is_command(question)) {
      notice(fmt::format("there is no command {}; /help lists them", question));
      continue;
    }
    Console console({.json = options.json,
                     .session = options.session,
                     .priced = !agent.model().provider.starts_with("offline")});
    RunInput input(question);
    input.session = name;
    code = turn(agent, std::move(input), console, interrupt);
    if (talking) interrupt.clear();
    if (!console.alive()) return interrupt.leaving() ? interrupt.exit_code() : 1;
  }
  if (interrupt.leaving()) return interrupt.exit_code();
  return talking ? 0 : code;  // whoever talks has seen each answer's end; a script sees the last one's here
}

}  // namespace beluga::app
