#include "beluga/app/console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "beluga/app/output.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga::app {
namespace {

constexpr std::size_t kShownArguments = 200;
constexpr std::size_t kShownLine = 240;  // where there is no terminal that tells its width

/// One line of at most `limit` bytes, safe for a terminal, with secrets masked.
std::string one_line(std::string_view text, std::size_t limit) {
  const bool cut = text.size() > limit;
  std::string safe = redact(strip_terminal_controls(truncate_utf8(text, limit)));
  for (char& c : safe)
    if (c == '\n' || c == '\t') c = ' ';
  if (cut) safe += "...";
  return safe;
}

/// An error of the library as the user of the binary can act on it: with the names of the flags and keys.
std::string in_words_of_the_binary(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"Budget::max_steps", "--max-steps"},
      {"Budget::max_time", "--timeout"},
      {"Budget::max_tokens", "max_tokens in the configuration"},
      {"Budget::max_cost", "max_cost in the configuration"},
  };
  for (const auto& [field, name] : kNames)
    for (std::size_t at = 0; (at = text.find(field, at)) != std::string::npos; at += name.size())
      text.replace(at, field.size(), name);
  return text;
}

bool shows_colour() {
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr && terminal != nullptr &&
         *terminal != '\0' && std::string_view(terminal) != "dumb";
}

/// Columns of the terminal that shows stderr; kShownLine if it is none or does not say.
std::size_t columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kShownLine;
  return std::max<std::size_t>(size.ws_col, 40);  // less is not readable either way
}

std::string thousands(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

}  // namespace

Console::Console(Options options)
    : options_(std::move(options)), colour_(shows_colour()), hold_(::isatty(STDOUT_FILENO) != 1) {}

void Console::answer(std::string_view text) {
  buffer_.clear();
  stripper_.feed(text, buffer_);
  if (hold_)
    held_ += buffer_;
  else
    write(buffer_);
}

void Console::write(std::string_view text) {
  if (text.empty()) return;
  if (!print(text)) alive_ = false;
  at_line_start_ = text.back() == '\n';
}

/// The turn is complete, or nothing will complete it.
void Console::release() {
  write(held_);
  held_.clear();
}

void Console::finish_line() {
  buffer_.clear();
  stripper_.finish(buffer_);
  if (!at_line_start_) buffer_ += '\n';
  write(buffer_);
  at_line_start_ = true;
}

void Console::note(std::string_view line) {
  finish_line();
  print_error(fmt::format("{}{}{}\n", colour_ ? "\033[2m" : "", line, colour_ ? "\033[0m" : ""));
}

void Console::error(std::string_view line) {
  finish_line();
  notice(in_words_of_the_binary(std::string(line)));
}

void Console::call_note(std::string line) {
  // A line of its own for each call and each result, whatever the width: dozens of them pass by, and lines
  // that run over would hide which belongs to which. A character is taken for a column.
  std::size_t shown = 0;
  const std::size_t width = columns();
  for (std::size_t at = 0; at < line.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(line[at]) & 0xC0U) != 0x80U;
    if (begins && ++shown > width) {
      // As many characters as the dots need are taken back.
      for (int dots = 3; dots > 0 && at > 0;)
        if ((static_cast<unsigned char>(line[--at]) & 0xC0U) != 0x80U) --dots;
      line.resize(at);
      line += "...";
      break;
    }
  }
  note(line);
}

std::size_t Console::number_of(const std::string& call_id) const {
  const auto found = std::find_if(open_calls_.begin(), open_calls_.end(),
                                  [&](const OpenCall& call) { return call.id == call_id; });
  return found == open_calls_.end() ? 0 : found->number;
}

void Console::summary(const RunSummary& s) {
  std::string cost;
  if (s.cost)
    cost = fmt::format(", ${}", s.cost->text());
  else if (options_.priced)
    cost = ", cost unknown";
  const std::int64_t in = s.usage.input + s.usage.cache_read + s.usage.cache_write;
  std::string tokens = "tokens unknown";  // not every server counts them, and none before its last chunk
  if (s.usage.total() > 0 || s.steps == 0)
    tokens = fmt::format("{} tokens ({} in, {} out)", thousands(s.usage.total()), thousands(in),
                         thousands(s.usage.output + s.usage.reasoning));
  note(fmt::format("{}, {} tool call{}, {} step{}, {}{}", tokens, s.tool_calls, s.tool_calls == 1 ? "" : "s",
                   s.steps, s.steps == 1 ? "" : "s", format_duration(s.elapsed), cost));
}

void Console::show(const Event& event) {
  if (const auto* done = event.get_if<RunCompleted>(); done != nullptr) exit_code_ = 0;
  if (event.get_if<RunCancelled>() != nullptr) exit_code_ = 130;
  if (const auto* failed = event.get_if<RunFailed>(); failed != nullptr)
    exit_code_ = failed->error.code() == ErrorCode::deadline_exceeded ? 124 : 1;

  if (options_.json) {
    buffer_ = to_json(event).dump();
    buffer_ += '\n';
    if (!print(buffer_)) alive_ = false;
    return;
  }
  if (event.terminal() || event.get_if<StepFinished>() != nullptr ||
      event.get_if<ToolCallStarted>() != nullptr)
    release();
  if (const auto* text = event.get_if<TextDelta>()) {
    answer(text->text);
  } else if (const auto* restart = event.get_if<ResponseRestart>()) {
    held_.clear();
    note(fmt::format("[the answer starts again: {}]", one_line(restart->reason, kShownArguments)));
  } else if (const auto* started = event.get_if<ToolCallStarted>()) {
    open_calls_.push_back({started->call.id, ++calls_});
    call_note(fmt::format("> {} {} {}", calls_, one_line(started->call.name, 64),
                          one_line(started->call.arguments, kShownLine)));
  } else if (const auto* finished = event.get_if<ToolCallFinished>()) {
    ++tool_results_;
    call_note(fmt::format("< {} {}{} ({}, {}) {}", number_of(finished->result.call_id),
                          one_line(finished->result.name, 64), finished->result.is_error ? " failed" : "",
                          format_bytes(finished->result.content.size()), format_duration(finished->elapsed),
                          one_line(finished->result.content, kShownLine)));
    std::erase_if(open_calls_, [&](const OpenCall& call) { return call.id == finished->result.call_id; });
  } else if (const auto* completed = event.get_if<RunCompleted>()) {
    finish_line();
    if (completed->reason == StopReason::max_tokens) note("[cut: the model reached its output limit]");
    summary(completed->summary);
  } else if (const auto* failed = event.get_if<RunFailed>()) {
    summary(failed->summary);
    error(failed->error.what());
  } else if (const auto* cancelled = event.get_if<RunCancelled>()) {
    std::string kept =
        fmt::format("{} characters of the answer and {} tool result{}", cancelled->partial_text.size(),
                    tool_results_, tool_results_ == 1 ? "" : "s");
    if (options_.session.empty())
      kept += " were shown above; nothing is stored";
    else
      kept += fmt::format(" are kept in session '{}'", options_.session);
    note(fmt::format("{}: {}", one_line(cancelled->cause.message(), kShownArguments), kept));
    summary(cancelled->summary);
  } else if (const auto* paused = event.get_if<RunPaused>()) {
    note(fmt::format("paused: {}", one_line(paused->reason, kShownArguments)));
    summary(paused->summary);
  }
}

}  // namespace beluga::app
