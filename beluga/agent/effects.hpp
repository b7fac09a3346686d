#pragma once
/// `Effects`: the one seam between the agent loop and the world.
///
/// The loop is a function of its input and of what this seam answers: model chunks, tool results, clock,
/// random numbers, ids and the stored session. So a run can be recorded and replayed (a test does), and a
/// durable journal can stand here without a change to the loop. One thing more reaches a run that another run
/// started: the budget they share (Budget::max_tokens, max_cost). How much of it the others have set aside or
/// spent decides the request's output limit and whether a call is made, and may make it wait, on the clock of
/// the runtime. So record and replay the run at the top, whose effects answer for those below; a run below
/// repeats exactly by itself only without such a budget above it.
///
///     std::shared_ptr<Effects> journalled = open_journal();   // answers recorded steps, runs the others
///     Agent agent{{.model = model, .effects = journalled}};
///
/// Threading: one RunEffects belongs to one run; its members are called from that run's fiber only, one at a
/// time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/agent/session.hpp"
#include "beluga/base/function.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

struct AgentOptions;
struct Event;
struct RunInfo;
struct RunInput;
class ToolSet;

/// What a run works with. Outlives its RunEffects.
struct RunResources {
  const AgentOptions& options;
  const ToolSet& tools;
  const RunInput& input;
};

/// One model turn or one batch of tool calls of a run.
struct EffectSite {
  std::uint32_t step = 0;  ///< the model turn, from 1; tool calls belong to the turn that asked for them
  std::optional<TimePoint> deadline{};  ///< on the scale of now(): the run's time budget ends
};

/// A call that has settled, in the order of settling.
struct SettledCall {
  std::size_t index = 0;  ///< into the calls of the batch
  ToolResult result{};
  Duration elapsed{};
};

class RunEffects {
 public:
  virtual ~RunEffects() = default;

  virtual std::string new_id() = 0;  ///< a ULID
  virtual std::uint64_t random() = 0;
  virtual TimePoint now() = 0;  ///< decisions: budgets, deadlines
  virtual WallTime wall() = 0;  ///< labels of events and entries; never decided upon

  /// The run has its identity. Called once, before everything below.
  virtual void begin(const std::shared_ptr<const RunInfo>& run) = 0;
  /// One model call. `sink` gets every chunk in order and may throw, which ends the call. Returns after the
  /// last chunk. Called in the context that a run inside the model has to start in.
  virtual void model(const EffectSite& site, const ChatRequest& request,
                     Function<void(ChatChunk&)>& sink) = 0;
  /// Runs all `calls`, some at once. `sink` gets each as it settles. When it throws, or the run is cancelled
  /// or over its deadline, the calls that run are told to stop, what has settled goes to `sink`, and the
  /// error is thrown.
  virtual void tools(const EffectSite& site, std::span<const ToolCall> calls,
                     Function<void(SettledCall&)>& sink) = 0;
  /// The entries of the input's session; empty when it is new.
  virtual std::vector<SessionEntry> load_session() = 0;
  /// See SessionStore::append. Also works, within a second, when the run is cancelled.
  virtual std::uint64_t append_session(std::uint64_t expected_last, std::vector<SessionEntry> entries) = 0;
  /// The run is over; `terminal` is its last event.
  virtual void end(const Event& terminal) noexcept = 0;
};

/// Thread-safety: begin_run() from any fiber or thread, concurrently.
class Effects {
 public:
  virtual ~Effects() = default;
  virtual std::unique_ptr<RunEffects> begin_run(const RunResources& resources) = 0;
};

/// The world itself: the agent's model and tools, the runtime's clock, the kernel's random numbers, with
/// telemetry.
std::shared_ptr<Effects> direct_effects();

}  // namespace beluga
