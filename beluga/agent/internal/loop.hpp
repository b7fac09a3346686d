#pragma once
/// The ReAct loop: Yao et al., arXiv 2210.03629, over native tool calls.

#include <memory>
#include <string>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/effects.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga::detail {

/// What every run of an agent needs, prepared once.
struct AgentState {
  AgentOptions options;
  std::shared_ptr<const ToolSet> tools;
  std::vector<ToolSchema> schemas;  ///< in the order given, so that the prompt is byte-stable
  std::string system_prompt;
  std::string model_name;  ///< "provider/model"
};

/// The persona in fixed order, then the instructions; the same bytes for the same options.
std::string system_prompt(const Persona& persona, std::string_view instructions);

/// Runs `input` and yields its events, the terminal one last. Throws only when the stream is being destroyed.
void run_loop(const AgentState& agent, const RunInput& input, Yield<Event>& yield);

}  // namespace beluga::detail
