#pragma once
/// `ScriptedModel`: a ChatModel that says what it was told to say, for tests and benches.
///
///     auto model = std::make_shared<llm::ScriptedModel>(std::vector<llm::ScriptedTurn>{
///         {.text = "Let me add.", .calls = {{"", "add", R"({"a":1,"b":2})"}}},
///         {.text = "It is 3."},
///     });
///     ...
///     model->requests().at(1).messages;      // what the agent sent back
///
/// Each request is checked like a real provider checks it (invalid_argument), recorded, and answered with the
/// next turn. A request beyond the last turn is Error{failed_precondition}. Delays follow the current clock,
/// so that they take no time on a ManualClock. Thread-safety: all members from any fiber or thread; turns are
/// handed out in the order of the first pulls.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga::llm {

/// Goes wrong after `after` chunks have been given out.
struct ScriptedFault {
  enum class Kind : std::uint8_t {
    none,
    error,  ///< throws `error`
    cut,    ///< the stream ends, without ResponseEnd
    stall,  ///< silent until cancelled or over the deadline
  };
  Kind kind = Kind::none;
  std::size_t after = 0;
  std::optional<Error> error{};
  static ScriptedFault fail(Error error, std::size_t after = 0);
  static ScriptedFault cut(std::size_t after = 0);
  static ScriptedFault stall(std::size_t after = 0);
};

struct ScriptedTurn {
  std::string reasoning{};
  std::string text{};
  std::vector<ToolCall> calls{};  ///< an empty id becomes "call_<turn>_<n>", both from 1
  std::size_t chunk_bytes = 8;    ///< most bytes of a chunk; UTF-8 characters stay whole. 0: in one piece
  std::optional<StopReason>
      reason{};  ///< default: tool_calls if there are calls, refusal if refused, else end
  Usage usage{.input = 10, .output = 5};
  std::string refusal{};
  Duration first_delay{};  ///< before the first chunk
  Duration chunk_delay{};  ///< before each further chunk
  ScriptedFault fault{};
};

struct ScriptedOptions {
  ModelInfo info{.provider = "scripted", .model = "scripted", .images = true, .structured_output = true};
  bool repeat = false;          ///< begin again after the last turn
  bool record_requests = true;  ///< off for benches: memory stays flat
};

class ScriptedModel final : public ChatModel {
 public:
  /// Answers a request; for models whose turns depend on what they are asked. Called on the stream's fiber.
  using Responder = std::function<ScriptedTurn(const ChatRequest&)>;

  explicit ScriptedModel(std::vector<ScriptedTurn> turns, ScriptedOptions options = {});
  explicit ScriptedModel(Responder responder, ScriptedOptions options = {});

  Stream<ChatChunk> stream(ChatRequest request) override;
  const ModelInfo& info() const noexcept override;

  /// The requests so far, in order (a copy).
  std::vector<ChatRequest> requests() const;
  std::size_t request_count() const noexcept;
  /// Turns not handed out yet (0 with a responder).
  std::size_t turns_left() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace beluga::llm
