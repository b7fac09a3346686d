#include "beluga/contract/event.hpp"

#include <fmt/format.h>

#include "beluga/contract/internal/part_json.hpp"

namespace beluga {
namespace {

// In the order of EventPayload's alternatives.
constexpr std::string_view kTypeNames[] = {
    "run_started",      "step_started",      "text_delta",         "reasoning_delta", "tool_call_delta",
    "response_restart", "tool_call_started", "tool_call_finished", "step_finished",   "run_completed",
    "run_failed",       "run_cancelled",     "run_paused"};
static_assert(std::size(kTypeNames) == std::variant_size_v<EventPayload>);

/// RFC 3339 section 5.6 with microseconds: "2026-03-01T09:30:00.000125Z".
std::string rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

/// Milliseconds with three decimals at most.
Json milliseconds(Duration elapsed) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  return us % 1000 == 0 ? Json(us / 1000) : Json(static_cast<double>(us) / 1000.0);
}

struct PayloadWriter {
  Json& json;

  void operator()(const RunStarted& started) const { json["model"] = started.model; }
  void operator()(const StepStarted& started) const { json["step"] = started.step; }
  void operator()(const TextDelta& delta) const { json["text"] = delta.text; }
  void operator()(const ReasoningDelta& delta) const {
    json["text"] = delta.text;
    if (!delta.signature.empty()) json["signature"] = delta.signature;
    if (!delta.provider.empty()) json["provider"] = delta.provider;
  }
  void operator()(const ToolCallDelta& delta) const {
    json["index"] = delta.index;
    if (!delta.id.empty()) json["id"] = delta.id;
    if (!delta.name.empty()) json["name"] = delta.name;
    json["arguments"] = delta.arguments;
  }
  void operator()(const ResponseRestart& restart) const { json["reason"] = restart.reason; }
  void operator()(const ToolCallStarted& started) const {
    Json call = Json::object();
    detail::put_tool_call(call, started.call);
    json["call"] = std::move(call);
  }
  void operator()(const ToolCallFinished& finished) const {
    Json result = Json::object();
    detail::put_tool_result(result, finished.result);
    json["result"] = std::move(result);
    json["elapsed_ms"] = milliseconds(finished.elapsed);
  }
  void operator()(const StepFinished& finished) const {
    json["step"] = finished.step;
    json["reason"] = to_string(finished.reason);
    json["usage"] = to_json(finished.usage);
  }
  void operator()(const RunCompleted& completed) const {
    json["message"] = to_json(completed.message);
    json["reason"] = to_string(completed.reason);
    json["summary"] = to_json(completed.summary);
  }
  void operator()(const RunFailed& failed) const {
    json["error"] = to_json(failed.error);
    json["summary"] = to_json(failed.summary);
  }
  void operator()(const RunCancelled& cancelled) const {
    json["cause"] = to_json(cancelled.cause);
    json["partial_text"] = cancelled.partial_text;
    json["summary"] = to_json(cancelled.summary);
  }
  void operator()(const RunPaused& paused) const {
    json["reason"] = paused.reason;
    json["request"] = paused.request;
    json["summary"] = to_json(paused.summary);
  }
};

}  // namespace

bool Event::terminal() const noexcept {
  return std::holds_alternative<RunCompleted>(payload) || std::holds_alternative<RunFailed>(payload) ||
         std::holds_alternative<RunCancelled>(payload) || std::holds_alternative<RunPaused>(payload);
}

std::string_view type_name(const Event& event) noexcept {
  return event.payload.valueless_by_exception() ? "unknown" : kTypeNames[event.payload.index()];
}

Json to_json(const Event& event) {
  Json json = Json::object({{"type", type_name(event)}});
  if (event.run) {
    json["run_id"] = event.run->run_id;
    if (!event.run->parent_id.empty()) json["parent_id"] = event.run->parent_id;
    json["agent_path"] = event.run->agent_path;
  }
  json["seq"] = event.seq;
  json["time"] = rfc3339(event.time);
  std::visit(PayloadWriter{json}, event.payload);
  return json;
}

Json to_json(const Error& error) {
  Json json = Json::object(
      {{"code", to_string(error.code())}, {"message", error.message()}, {"retryable", error.retryable()}});
  if (const auto delay = error.retry_after()) json["retry_after_ms"] = delay->count();
  if (error.http_status() != 0) json["http_status"] = error.http_status();
  if (!error.provider().empty()) json["provider"] = error.provider();
  if (!error.request_id().empty()) json["request_id"] = error.request_id();
  if (error.cause() != nullptr) json["cause"] = to_json(*error.cause());
  return json;
}

Json to_json(const RunSummary& summary) {
  Json json = Json::object({{"usage", to_json(summary.usage)}});
  json["steps"] = summary.steps;
  json["tool_calls"] = summary.tool_calls;
  json["elapsed_ms"] = milliseconds(summary.elapsed);
  if (summary.cost) json["cost_usd"] = Json::number(summary.cost->text());
  return json;
}

}  // namespace beluga
