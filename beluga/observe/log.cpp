#include "beluga/observe/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cctype>
#include <chrono>
#include <mutex>
#include <string>

#include "beluga/base/redact.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/observe/span.hpp"

namespace beluga::observe {
namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};

std::string time_text(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     milliseconds);
}

/// A value in a text line: bare when it cannot be mistaken, else quoted. Control characters never reach a
/// terminal.
void append_text_value(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    plain = plain && byte > 0x20 && byte != 0x7F && c != '"' && c != '=' && c != '\\';
  }
  if (plain)
    out += text;
  else
    append_json_string(out, text);
}

/// A message in a text line: as it is, but on one line and without control characters.
void append_message(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F)
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    else
      out += c;
  }
}

Json masked(std::string_view key, const Json& value) {
  if (is_secret_name(key)) return "[redacted]";
  if (value.is_string()) return redact(value.as_string());
  if (value.is_array() || value.is_object()) return redact(value.dump());
  return value;
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  return kNames.at(static_cast<std::size_t>(level));
}

std::optional<LogLevel> parse_log_level(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    bool same = name.size() == kNames[i].size();
    for (std::size_t k = 0; same && k < name.size(); ++k)
      same = std::tolower(static_cast<unsigned char>(name[k])) == kNames[i][k];
    if (same) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

struct Log::Impl {
  bool json = false;
  std::function<void(std::string_view)> sink;
  std::mutex mutex;  // leaf: the sink is called one at a time
  std::shared_ptr<spdlog::logger> out;
};

Log::Log(LogOptions options) : level_(options.level), impl_(std::make_unique<Impl>()) {
  impl_->json = options.json;
  impl_->sink = std::move(options.sink);
  if (!impl_->sink) {
    impl_->out =
        std::make_shared<spdlog::logger>("beluga", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    impl_->out->set_pattern("%v");
    impl_->out->set_level(spdlog::level::trace);
    impl_->out->flush_on(spdlog::level::trace);
  }
}
Log::~Log() = default;

void Log::write(LogLevel level, std::string_view message,
                std::initializer_list<std::pair<std::string_view, Json>> fields) noexcept {
  if (!enabled(level)) return;
  const auto written = attempt([&] {
    const std::string time = time_text(Clock::current().wall());
    const Context context = Context::current();
    const ActiveSpan* active = context.get<ActiveSpan>();
    const bool traced = active != nullptr && active->span.valid();
    std::string line;
    if (impl_->json) {
      Json record = Json::object({{"time", time}, {"level", to_string(level)}, {"message", redact(message)}});
      for (const auto& [key, value] : fields) record[key] = masked(key, value);
      if (traced) {
        record["trace_id"] = to_hex(active->span.trace);
        record["span_id"] = to_hex(active->span.span);
      }
      line = record.dump();
    } else {
      fmt::format_to(std::back_inserter(line), "{} {:<5} ", time, to_string(level));
      append_message(line, redact(message));
      for (const auto& [key, value] : fields) {
        line.append(" ").append(key).append("=");
        const Json shown = masked(key, value);
        append_text_value(line, shown.is_string() ? shown.as_string() : shown.dump());
      }
      if (traced) line.append(" trace_id=").append(to_hex(active->span.trace));
    }
    if (impl_->sink) {
      const std::lock_guard lock(impl_->mutex);
      impl_->sink(line);
    } else {
      impl_->out->log(spdlog::level::info, "{}", line);
    }
  });
  static_cast<void>(written);
}

}  // namespace beluga::observe
