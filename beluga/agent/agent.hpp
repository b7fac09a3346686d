#pragma once
/// `Agent`: a model, tools and a loop.
///
///     Agent agent{{
///         .name = "assistant",
///         .model = llm::open("openai/gpt-4o"),
///         .tools = {search, calculator},
///         .persona = {.role = "helpful assistant"},
///     }};
///     Reply reply = agent.invoke("What are the latest GPU prices?");
///
/// The loop is ReAct (Yao et al., arXiv 2210.03629) over native tool calls: model turn, all its tool calls in
/// parallel, one result per call in call order, next turn; until a turn without calls, or a budget ends it.
/// Three gestures: destroying the stream cancels the run; Run::cancel() cancels it and keeps observing;
/// ignoring a Run's events (no observer) changes nothing. Thread-safety: an Agent is an immutable value,
/// cheap to copy; all members from any fiber or thread, concurrently.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/runnable.hpp"
#include "beluga/contract/tool.hpp"
#include "beluga/contract/usd.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

class SessionStore;
class Effects;
class PriceTable;
namespace observe {
class Telemetry;
}

struct Persona {
  std::string role{};
  std::string goal{};
  std::string backstory{};
  std::string style{};
};

/// What one run may spend. Zero or nullopt: no limit. Ending by a budget is Error{resource_exhausted} naming
/// it, except the time, which is Error{deadline_exceeded}.
struct Budget {
  std::uint32_t max_steps = 25;   ///< model turns
  std::int64_t max_tokens = 0;    ///< Usage::total() over the run and the runs that its tools start
  std::optional<Usd> max_cost{};  ///< the same in dollars; needs the model's price (AgentOptions::prices)
  Duration max_time{};
};

struct AgentOptions {
  std::string name = "assistant";
  ChatModelPtr model{};          ///< required
  std::vector<ToolPtr> tools{};  ///< names must be unique
  Persona persona{};
  std::string instructions{};  ///< system prompt, after the persona
  Budget budget{};
  unsigned max_parallel_tools = 8;
  std::optional<double> temperature{};
  std::optional<std::int64_t> max_output_tokens{};
  std::shared_ptr<SessionStore> sessions{};  ///< needed for RunInput::session
  std::shared_ptr<Effects> effects{};        ///< null: the direct ones
  /// Null: PriceTable::builtin(), by the model's name alone. A model of that name behind another address than
  /// its provider's needs a table of its own.
  std::shared_ptr<const PriceTable> prices{};
  std::shared_ptr<observe::Telemetry>
      telemetry{};  ///< null: that of the context a run starts in, else the process's
};

/// Where an event loop gets its work from: Qt, ROS 2, a game tick. post() is called from any thread and must
/// not block.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Function<void()> work) = 0;
};

/// Observes a started run. Calls are serialised, in order, and end with exactly one terminal event. What it
/// throws is logged and changes nothing.
using Observer = std::function<void(const Event&)>;

/// A started run. Destroying it cancels the run and returns within milliseconds; no observer call starts
/// afterwards. It may be destroyed inside its own observer.
class Run {
 public:
  Run(Run&&) noexcept;
  Run& operator=(Run&&) noexcept;
  ~Run();

  void cancel(std::string_view reason = "cancelled by the caller") noexcept;
  bool done() const noexcept;
  /// Waits for the terminal event (and for the observer to have seen it). False when `time` came first. Not
  /// on the thread that the executor posts to: it would wait for itself.
  bool wait_until(TimePoint time) const;
  /// Waits, then the reply; throws the error of a failed or cancelled run.
  Reply result() const;

 private:
  friend class Agent;
  struct State;
  explicit Run(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class Agent {
 public:
  /// Throws Error{invalid_argument} for a missing model, a null tool or a malformed tool name or schema,
  /// Error{already_exists} for two tools of one name.
  explicit Agent(AgentOptions options);

  std::string_view name() const noexcept;
  /// What the model says of itself.
  const ModelInfo& model() const noexcept;
  /// Runs lazily, pulled by the caller. See Runnable::stream.
  Stream<Event> stream(RunInput input) const;
  Reply invoke(RunInput input) const;
  /// The non-blocking door: returns at once. Observer calls go through `executor`, which must outlive the Run
  /// (null: made on a worker of the runtime; they must then be short).
  Run start(RunInput input, Observer observer, Executor* executor = nullptr) const;
  RunnablePtr runnable() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace beluga
