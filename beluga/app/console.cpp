#include "beluga/app/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "beluga/base/human.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga::app {
namespace {

constexpr std::size_t kShownArguments = 200;
constexpr std::size_t kShownResult = 160;

/// One line of at most `limit` bytes, safe for a terminal, with secrets masked.
std::string one_line(std::string_view text, std::size_t limit) {
  const bool cut = text.size() > limit;
  std::string safe = redact(strip_terminal_controls(truncate_utf8(text, limit)));
  for (char& c : safe)
    if (c == '\n' || c == '\t') c = ' ';
  if (cut) safe += "...";
  return safe;
}

std::string thousands(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

}  // namespace

Console::Console(Options options) : options_(std::move(options)) {
  colour_ = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
}

void Console::answer(std::string_view text) {
  buffer_.clear();
  stripper_.feed(text, buffer_);
  if (buffer_.empty()) return;
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) != buffer_.size() || std::fflush(stdout) != 0)
    alive_ = false;
  at_line_start_ = buffer_.back() == '\n';
}

void Console::finish_line() {
  buffer_.clear();
  stripper_.finish(buffer_);
  if (!at_line_start_) buffer_ += '\n';
  std::fwrite(buffer_.data(), 1, buffer_.size(), stdout);
  std::fflush(stdout);
  at_line_start_ = true;
}

void Console::note(std::string_view line) {
  finish_line();
  fmt::print(stderr, "{}{}{}\n", colour_ ? "\033[2m" : "", line, colour_ ? "\033[0m" : "");
}

void Console::summary(const RunSummary& s) {
  std::string cost;
  if (s.cost)
    cost = fmt::format(", ${}", s.cost->text());
  else if (options_.priced)
    cost = ", cost unknown";
  const std::int64_t in = s.usage.input + s.usage.cache_read + s.usage.cache_write;
  note(fmt::format("{} tokens ({} in, {} out), {} tool call{}, {} step{}, {}{}", thousands(s.usage.total()),
                   thousands(in), thousands(s.usage.output + s.usage.reasoning), s.tool_calls,
                   s.tool_calls == 1 ? "" : "s", s.steps, s.steps == 1 ? "" : "s", format_duration(s.elapsed),
                   cost));
}

void Console::show(const Event& event) {
  if (const auto* done = event.get_if<RunCompleted>(); done != nullptr) exit_code_ = 0;
  if (event.get_if<RunCancelled>() != nullptr) exit_code_ = 130;
  if (const auto* failed = event.get_if<RunFailed>(); failed != nullptr)
    exit_code_ = failed->error.code() == ErrorCode::deadline_exceeded ? 124 : 1;

  if (options_.json) {
    buffer_ = to_json(event).dump();
    buffer_ += '\n';
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) != buffer_.size() || std::fflush(stdout) != 0)
      alive_ = false;
    return;
  }
  if (const auto* text = event.get_if<TextDelta>()) {
    answer(text->text);
  } else if (const auto* restart = event.get_if<ResponseRestart>()) {
    note(fmt::format("[the answer starts again: {}]", one_line(restart->reason, kShownArguments)));
  } else if (const auto* started = event.get_if<ToolCallStarted>()) {
    note(fmt::format("> {} {}", one_line(started->call.name, 64),
                     one_line(started->call.arguments, kShownArguments)));
  } else if (const auto* finished = event.get_if<ToolCallFinished>()) {
    ++tool_results_;
    note(fmt::format("< {}{} ({}, {})  {}", one_line(finished->result.name, 64),
                     finished->result.is_error ? " failed" : "",
                     format_bytes(finished->result.content.size()), format_duration(finished->elapsed),
                     one_line(finished->result.content, kShownResult)));
  } else if (const auto* completed = event.get_if<RunCompleted>()) {
    finish_line();
    if (completed->reason == StopReason::max_tokens) note("[cut: the model reached its output limit]");
    summary(completed->summary);
  } else if (const auto* failed = event.get_if<RunFailed>()) {
    note(fmt::format("error: {}", redact(strip_terminal_controls(failed->error.what()))));
    summary(failed->summary);
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
