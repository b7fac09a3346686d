#pragma once
/// Events: what a run emits, each in one envelope, ending with exactly one terminal event.
///
///     for (const Event& event : agent.stream("Research GPU pricing"))
///       if (auto* text = event.get_if<TextDelta>()) std::cout << text->text;
///
/// Child agents' events appear in the parent's stream with their own run and path. An event is valid until
/// the next pull; a copy is independent.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/contract/usd.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

/// Who emits: shared by all events of a run.
struct RunInfo {
  std::string run_id{};      ///< ULID
  std::string parent_id{};   ///< run that started this one; empty at the root
  std::string agent_path{};  ///< "assistant"; of a run that another's tool started "assistant/researcher"
};

struct RunStarted {
  std::string model{};
};
struct StepStarted {
  std::uint32_t step = 0;  ///< model turns, from 1
};
/// A call is complete and valid enough to be tried. `arguments` as the model wrote them.
struct ToolCallStarted {
  ToolCall call{};
};
struct ToolCallFinished {
  ToolResult result{};
  Duration elapsed{};
};
/// One model turn is over; its message is now part of the transcript.
struct StepFinished {
  std::uint32_t step = 0;
  StopReason reason = StopReason::end;
  Usage usage{};
};

/// What every terminal event says about the run.
struct RunSummary {
  Usage usage{};
  std::uint32_t steps = 0;
  std::uint32_t tool_calls = 0;
  Duration elapsed{};
  /// Of the usage that was reported; nullopt when the price of the model, or the usage of a call, is not
  /// known.
  std::optional<Usd> cost{};
};
struct RunCompleted {
  Message message{};  ///< the final answer
  StopReason reason = StopReason::end;
  RunSummary summary{};
};
struct RunFailed {
  Error error;
  RunSummary summary{};
};
struct RunCancelled {
  Error cause;
  std::string partial_text{};  ///< what had been streamed of the unfinished answer
  RunSummary summary{};
};
/// Waits for a human; goes on in another process, perhaps.
struct RunPaused {
  std::string reason{};
  Json request{};
  RunSummary summary{};
};

using EventPayload = std::variant<RunStarted, StepStarted, TextDelta, ReasoningDelta, ToolCallDelta,
                                  ResponseRestart, ToolCallStarted, ToolCallFinished, StepFinished,
                                  RunCompleted, RunFailed, RunCancelled, RunPaused>;

struct Event {
  std::shared_ptr<const RunInfo> run{};
  std::uint64_t seq = 0;  ///< from 1, without gaps, per root run
  WallTime time{};
  EventPayload payload;  ///< without {}, which costs each user's file the variant's destructor at once

  template <class P>
  const P* get_if() const noexcept {
    return std::get_if<P>(&payload);
  }
  bool terminal() const noexcept;
};

/// The payload's name in snake case: "text_delta".
std::string_view type_name(const Event& event) noexcept;
/// {"type": ..., "run_id": ..., "parent_id"?, "agent_path", "seq", "time" (RFC 3339), ...payload}. The wire
/// form of --json.
Json to_json(const Event& event);
/// The error in the form {"code", "message", "retryable", ...}; secrets do not get this far (see redaction).
Json to_json(const Error& error);
Json to_json(const RunSummary& summary);

}  // namespace beluga
