#include "beluga/agent/agent.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "beluga/agent/effects.hpp"
#include "beluga/agent/internal/loop.hpp"
#include "beluga/agent/internal/pump.hpp"
#include "beluga/base/error.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/tool/tool_set.hpp"

namespace beluga {
namespace {

Error bad_options(const AgentOptions& options, std::string_view what) {
  return Error(ErrorCode::invalid_argument, fmt::format("agent '{}': {}", options.name, what));
}

}  // namespace

struct Agent::State : detail::AgentState {};

Agent::Agent(AgentOptions options) {
  if (!options.model)
    throw bad_options(options, "AgentOptions::model is null; use llm::open(\"provider/model\")");
  auto state = std::make_shared<State>();
  state->tools = std::make_shared<const ToolSet>(options.tools);
  state->schemas = state->tools->schemas();
  if (!options.effects) options.effects = direct_effects();
  const ModelInfo& info = options.model->info();
  state->model_name = info.provider + "/" + info.model;
  state->system_prompt = detail::system_prompt(options.persona, options.instructions);
  state->options = std::move(options);
  state_ = std::move(state);
}

std::string_view Agent::name() const noexcept {
  return state_->options.name;
}

const ModelInfo& Agent::model() const noexcept {
  return state_->options.model->info();
}

Stream<Event> Agent::stream(RunInput input) const {
  // Without running ahead: whoever leaves at ToolCallStarted must be able to rely on it that the tool did not
  // run.
  return Stream<Event>::generate([state = state_, input = std::move(input)](
                                     Yield<Event>& yield) { detail::run_loop(*state, input, yield); },
                                 RunAhead::none, "run of " + state_->options.name);
}

RunnablePtr Agent::runnable() const {
  class AgentRunnable final : public Runnable {
   public:
    explicit AgentRunnable(Agent agent) : agent_(std::move(agent)) {}
    std::string_view name() const noexcept override { return agent_.name(); }
    Stream<Event> stream(RunInput input) override { return agent_.stream(std::move(input)); }

   private:
    Agent agent_;
  };
  return std::make_shared<AgentRunnable>(*this);
}

Reply Agent::invoke(RunInput input) const {
  // On a fiber of the same worker every event is a switch of stacks; from a plain thread it would be a
  // rendezvous.
  if (Runtime::on_fiber()) return runnable()->invoke(std::move(input));
  return Runtime::current().run([&] { return runnable()->invoke(std::move(input)); });
}

struct Run::State {
  explicit State(std::unique_ptr<detail::Pump> given) : pump(std::move(given)) {}
  std::unique_ptr<detail::Pump> pump;
};

Run Agent::start(RunInput input, Observer observer, Executor* executor) const {
  return Run(std::make_shared<Run::State>(detail::Pump::start(
      runnable(), std::move(input), std::move(observer), executor, state_->options.telemetry)));
}

Run::Run(std::shared_ptr<State> state) : state_(std::move(state)) {}
Run::Run(Run&&) noexcept = default;
Run& Run::operator=(Run&&) noexcept = default;
Run::~Run() = default;

void Run::cancel(std::string_view reason) noexcept {
  state_->pump->cancel(reason);
}
bool Run::done() const noexcept {
  return state_->pump->reply().ready();
}
bool Run::wait_until(TimePoint time) const {
  return state_->pump->reply().wait_until(time);
}
Reply Run::result() const {
  return state_->pump->reply().get();
}

}  // namespace beluga
