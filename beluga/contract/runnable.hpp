#pragma once
/// `Runnable`: whatever turns an input into a stream of events: a model, an agent, a graph, a remote agent, a
/// scripted double. Orchestration and protocols know this, never `Agent`.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/contract/event.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga {

struct RunInput {
  RunInput() = default;
  RunInput(std::string_view question);
  RunInput(const char* question);
  RunInput(const std::string& question);
  RunInput(std::vector<Message> given);

  std::vector<Message> messages{};
  std::string session{};  ///< continue (or begin) this stored conversation; empty: none
  /// The run that starts this one and its RunInfo::agent_path. Empty: those of the run whose tool is calling,
  /// if any.
  std::string parent_run_id{};
  std::string parent_path{};
};

struct Reply {
  Message message{};
  StopReason reason = StopReason::end;
  RunSummary summary{};
  std::string run_id{};
  std::string text() const { return message.text(); }
};

/// Thread-safety: stream() from any fiber or thread, concurrently.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual std::string_view name() const noexcept = 0;
  /// Never throws for the run's own failures: those are the terminal event. Starts when first pulled.
  virtual Stream<Event> stream(RunInput input) = 0;
  /// stream(), folded: returns the completed reply. Throws the error of a failed run, Error{cancelled} with
  /// its cause for a cancelled one, Error{failed_precondition} for one that waits for a human.
  Reply invoke(RunInput input);
};

using RunnablePtr = std::shared_ptr<Runnable>;

}  // namespace beluga
