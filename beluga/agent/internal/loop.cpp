#include "beluga/agent/internal/loop.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "beluga/agent/internal/active_run.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/result.hpp"
#include "beluga/cost/price_table.hpp"
#include "beluga/fiber/context.hpp"

namespace beluga::detail {
namespace {

constexpr int kMaxEmptyResponses = 2;
// Set aside for an answer when AgentOptions::max_output_tokens does not say; every current model may write as
// much.
constexpr std::int64_t kUsualOutput = 4096;
// With less room for its answer a call is not worth its prompt, and OpenAI's Responses API refuses a smaller
// limit.
constexpr std::int64_t kLeastOutput = 16;

/// Everything a run knows while it runs. Lives on the loop's fiber.
class Loop {
 public:
  Loop(const AgentState& agent, const RunInput& input, RunEffects& effects, Yield<Event>& yield)
      : agent_(agent), input_(input), effects_(effects), yield_(yield) {}

  void run() {
    const ContextScope active(begin_run(Context::current()));
    effects_.begin(run_);
    started_ = effects_.now();
    if (agent_.options.budget.max_time > Duration::zero())
      deadline_ = started_ + agent_.options.budget.max_time;
    try {
      emit(RunStarted{.model = agent_.model_name});
      begin_transcript();
      while (!turn()) {
      }
    } catch (...) {
      fail(current_error());
    }
    if (abandoned_) std::rethrow_exception(abandoned_);
  }

 private:
  /// Who this run is and what it may spend; the context for all that it does.
  Context begin_run(const Context& context) {
    const ActiveRun* parent = context.get<ActiveRun>();
    const bool known =
        input_.parent_run_id.empty() || (parent != nullptr && parent->info->run_id == input_.parent_run_id);
    auto info = std::make_shared<RunInfo>();
    info->run_id = effects_.new_id();
    info->parent_id = known && parent != nullptr ? parent->info->run_id : input_.parent_run_id;
    info->agent_path = input_.parent_path;
    if (info->agent_path.empty() && known && parent != nullptr) info->agent_path = parent->info->agent_path;
    if (!info->agent_path.empty()) info->agent_path += '/';
    info->agent_path += agent_.options.name;
    run_ = std::move(info);
    const Budget& budget = agent_.options.budget;
    ledger_ =
        std::make_shared<Ledger>(Ledger::Limits{.max_tokens = budget.max_tokens, .max_cost = budget.max_cost},
                                 parent != nullptr ? parent->ledger : nullptr);
    const PriceTable& prices = agent_.options.prices ? *agent_.options.prices : PriceTable::builtin();
    price_ = prices.find(agent_.model_name);
    return context.with<ActiveRun>(std::make_shared<const ActiveRun>(ActiveRun{run_, ledger_}));
  }

  // ---- events

  void send(Event& event) {
    if (abandoned_) return;
    // The listener may have taken any part of the event, so all of it is set each time.
    event.run = run_;
    event.seq = ++seq_;
    event.time = effects_.wall();
    try {
      // The run itself hears of its cancellation and ends with events that say so, however many.
      const ContextScope deaf{Context()};
      yield_(event);
    } catch (...) {
      abandoned_ = std::current_exception();  // the stream is being destroyed: nobody listens any more
      throw;
    }
  }

  template <class P>
  void emit(P payload) {
    event_.payload = std::move(payload);
    send(event_);
  }

  template <class P>
  static P& reused(Event& event) {
    P* payload = std::get_if<P>(&event.payload);
    return payload != nullptr ? *payload : event.payload.emplace<P>();
  }

  /// One chunk of a model's answer. The three deltas have an event each, whose buffers are reused: no
  /// allocation per token.
  void emit_chunk(const ChatChunk& chunk) {
    if (const auto* text = std::get_if<TextDelta>(&chunk)) {
      reused<TextDelta>(text_).text.assign(text->text);
      send(text_);
    } else if (const auto* reasoning = std::get_if<ReasoningDelta>(&chunk)) {
      auto& out = reused<ReasoningDelta>(reasoning_);
      out.text.assign(reasoning->text);
      out.signature.assign(reasoning->signature);
      out.provider.assign(reasoning->provider);
      send(reasoning_);
    } else if (const auto* call = std::get_if<ToolCallDelta>(&chunk)) {
      auto& out = reused<ToolCallDelta>(call_);
      out.index = call->index;
      out.id.assign(call->id);
      out.name.assign(call->name);
      out.arguments.assign(call->arguments);
      send(call_);
    } else if (const auto* restart = std::get_if<ResponseRestart>(&chunk)) {
      emit(*restart);
    }
  }

  RunSummary summary() {
    return {.usage = usage_,
            .steps = steps_,
            .tool_calls = tool_calls_,
            .elapsed = effects_.now() - started_,
            .cost = cost_known_ && steps_ > 0 ? std::optional(cost_) : std::nullopt};
  }

  // ---- transcript

  void begin_transcript() {
    if (!agent_.system_prompt.empty()) request_.messages.push_back(Message::system(agent_.system_prompt));
    std::vector<Message> conversation;
    if (!input_.session.empty()) {
      for (SessionEntry& entry : effects_.load_session()) {
        session_seq_ = entry.seq;
        conversation.push_back(std::move(entry.message));
      }
    }
    // Before anything is paid for: another writer's turn in this session is noticed here.
    store(input_.messages);
    conversation.insert(conversation.end(), input_.messages.begin(), input_.messages.end());
    for (Message& message : replayable(std::move(conversation), ids_))
      request_.messages.push_back(std::move(message));

    request_.tools = agent_.schemas;
    request_.temperature = agent_.options.temperature;
  }

  /// Appends to the session, if there is one.
  void store(std::span<const Message> messages, const ResponseEnd* answer = nullptr, bool partial = false) {
    if (input_.session.empty() || messages.empty()) return;
    std::vector<SessionEntry> entries;
    for (const Message& message : messages) {
      SessionEntry& entry = entries.emplace_back();
      entry.time = effects_.wall();
      entry.run_id = run_->run_id;
      entry.message = message;
      entry.partial = partial;
      if (message.role == Role::assistant)
        entry.model = answer != nullptr && !answer->model.empty() ? answer->model : agent_.model_name;
      if (answer != nullptr) entry.usage = answer->usage;
    }
    session_seq_ = effects_.append_session(session_seq_, std::move(entries));
  }
  void store(const ToolResult& result) {
    if (input_.session.empty()) return;
    const Message message = Message::tool(result);
    store(std::span(&message, 1));
  }

  // ---- budgets

  void check_time(std::string_view before) {
    if (deadline_ && effects_.now() >= *deadline_) throw out_of_time(before);
  }

  /// Sets aside what the next model call may spend, and limits its output to that when it is less than usual.
  Ledger::Reservation reserve() {
    if (ledger_->limits_cost() && price_ == nullptr)
      throw Error(
          ErrorCode::failed_precondition,
          fmt::format(
              "there is a cost budget, but the price of '{}' is not known; add it to AgentOptions::prices "
              "(the key 'prices' of a configuration file) or set Budget::max_tokens instead",
              agent_.model_name));
    const std::int64_t output =
        std::max<std::int64_t>(agent_.options.max_output_tokens.value_or(kUsualOutput), 1);
    Spend prompt{.tokens = prompt_};
    if (price_ != nullptr)  // as if no cache served it
      prompt.cost = dollars(std::max(price_->input, price_->cache_write.value_or(price_->input)), prompt_);
    const auto with_answer = [&](std::int64_t tokens) {
      Spend call = prompt;
      call += {.tokens = tokens, .cost = price_ != nullptr ? dollars(price_->output, tokens) : Usd()};
      return call;
    };
    const Spend least = with_answer(std::min(output, kLeastOutput));
    const Spend wanted = with_answer(output);
    const ContextScope in_time(deadline_ ? Context::current().with_deadline(*deadline_) : Context::current());
    auto held = ledger_->reserve(least, wanted, fmt::format("the model call of step {}", steps_ + 1));
    std::int64_t affordable = held.granted().tokens - prompt_;
    if (ledger_->limits_cost() && price_->output > Usd()) {
      const Usd left = held.granted().cost - prompt.cost;
      affordable = std::min(affordable, left.pico() / dollars(price_->output, 1).pico());
    }
    request_.max_output_tokens = agent_.options.max_output_tokens;
    if (affordable < output) request_.max_output_tokens = affordable;
    return held;
  }

  static Usd dollars(Usd a_million, std::int64_t tokens) {
    std::int64_t pico = 0;
    if (__builtin_mul_overflow(a_million.pico() / 1'000'000, tokens, &pico))
      return Usd::pico(std::numeric_limits<std::int64_t>::max());
    return Usd::pico(pico);
  }

  Error out_of_time(std::string_view during) const {
    return Error(ErrorCode::deadline_exceeded,
                 fmt::format("time budget of {} used up during {} of step {}; raise Budget::max_time",
                             format_duration(agent_.options.budget.max_time), during, steps_));
  }

  /// An error of a call that the time budget caused says so.
  Error explain(Error error, std::string_view during) {
    if (error.code() == ErrorCode::deadline_exceeded && deadline_ && effects_.now() >= *deadline_)
      return out_of_time(during).with_cause(std::move(error));
    return error;
  }

  // ---- one turn

  /// Returns true when the run is complete.
  bool turn() {
    ChatResponse response = ask_model();
    Message& message = response.message;

    const bool blocked =
        response.end.reason == StopReason::content_filter || response.end.reason == StopReason::refusal;
    if (blocked)
      std::erase_if(message.parts, [](const Part& part) { return std::holds_alternative<ToolCall>(part); });
    const bool substance = std::any_of(message.parts.begin(), message.parts.end(), [](const Part& part) {
      const auto* text = std::get_if<Text>(&part);
      return !std::holds_alternative<Reasoning>(part) && (text == nullptr || !text->text.empty());
    });
    if (!substance && !blocked) {
      finish_step(response.end);
      prompt_ -= response.end.usage.output;  // not part of the transcript
      return empty_response(response);
    }
    empty_responses_ = 0;

    ids_.make_unique(message);
    if (!message.parts.empty()) {
      store(std::span(&message, 1), &response.end);
      request_.messages.push_back(message);
    }
    if (message.find<ToolCall>() == nullptr) {
      finish_step(response.end);
      complete(std::move(response));
      return true;
    }
    run_tools(response);
    return false;
  }

  void finish_step(const ResponseEnd& end) {
    emit(StepFinished{.step = steps_, .reason = end.reason, .usage = end.usage});
  }

  ChatResponse ask_model() {
    check_time("the model call");
    fold_ = ChatFold();
    bool answering = false;
    std::optional<Ledger::Reservation> held;
    Spend unreported;  // for attempts that broke off: what was set aside counts for each
    Function<void(ChatChunk&)> sink = [&](ChatChunk& chunk) {
      answering = true;
      if (std::holds_alternative<ResponseRestart>(chunk)) {
        cost_known_ = false;
        unreported += held->granted();
      }
      fold_.add(chunk);
      emit_chunk(chunk);
    };
    std::shared_ptr<Ledger> inner;  // of the runs that the model itself starts: a router, a guard
    try {
      held.emplace(reserve());
      inner = std::make_shared<Ledger>(ledger_->within(*held));
      ++steps_;
      emit(StepStarted{.step = steps_});
      {
        const ContextScope inside(Context::current().with<ActiveRun>(
            std::make_shared<const ActiveRun>(ActiveRun{.info = run_, .ledger = inner})));
        effects_.model({.step = steps_, .deadline = deadline_}, request_, sink);
      }
      ChatResponse response = fold_.take();
      Spend spent = booked(response.end.usage, held->granted());
      spent += unreported;
      spent += inner->spent();
      held->settle(spent);
      return response;
    } catch (...) {
      if (held) {
        if (answering) {
          cost_known_ = false;
          unreported += held->granted();
        }
        if (inner) unreported += inner->spent();
        held->settle(unreported);
      }
      if (abandoned_) throw;
      throw explain(current_error(), "the model call");
    }
  }

  /// Adds a call to the run's figures. What it counts for in the budget: what is not reported, or has no price,
  /// as what was set aside, so that a budget fails closed.
  Spend booked(const Usage& usage, const Spend& granted) {
    usage_ += usage;
    const auto cost = price_ != nullptr ? cost_of(*price_, usage) : std::nullopt;
    if (cost)
      cost_ += *cost;
    else
      cost_known_ = false;
    // The next prompt holds this one and the answer, whose reasoning is not sent again.
    prompt_ = usage.input + usage.cache_read + usage.cache_write + usage.output;
    return {.tokens = usage.total() > 0 ? usage.total() : granted.tokens,
            .cost = cost.value_or(granted.cost)};
  }

  /// Some models answer with nothing after tool results. It is not part of the transcript: providers refuse
  /// empty messages.
  bool empty_response(const ChatResponse& response) {
    if (++empty_responses_ < kMaxEmptyResponses) return check_steps(), false;
    const std::string_view remedy =
        response.end.reason == StopReason::max_tokens
            ? "its output limit left no room for an answer; raise max_output_tokens"
            : "ask again or choose another model";
    throw Error(ErrorCode::unavailable, fmt::format("the model '{}' answered {} times with nothing; {}",
                                                    agent_.model_name, empty_responses_, remedy));
  }

  Error out_of_steps() const {
    return Error(
        ErrorCode::resource_exhausted,
        fmt::format("step budget of {} used up and the model still asks for more; raise Budget::max_steps",
                    agent_.options.budget.max_steps));
  }
  void check_steps() const {
    if (agent_.options.budget.max_steps != 0 && steps_ >= agent_.options.budget.max_steps)
      throw out_of_steps();
  }

  void run_tools(const ChatResponse& response) {
    calls_.clear();
    for (const ToolCall* call : response.message.tool_calls()) calls_.push_back(*call);
    results_.assign(calls_.size(), std::nullopt);
    try {
      finish_step(response.end);
      check_steps();
      check_time("the tool calls");
      ledger_->check("the tool calls");
      std::size_t runnable = calls_.size();
      // The output limit struck in the middle of the last call: what there is of it must not run.
      if (response.end.reason == StopReason::max_tokens) --runnable;
      for (std::size_t i = 0; i < runnable; ++i) emit(ToolCallStarted{.call = calls_[i]});
      Function<void(SettledCall&)> sink = [this](SettledCall& settled) { settle(settled); };
      if (runnable > 0)
        effects_.tools({.step = steps_, .deadline = deadline_}, std::span(calls_).first(runnable), sink);
      if (runnable < calls_.size())
        skip_rest("error: this call was cut off by the output limit and was not executed; make it shorter");
    } catch (...) {
      const std::exception_ptr stopped = std::current_exception();
      Error error = explain(current_error(), "the tool calls");
      close_calls(error);
      if (abandoned_) std::rethrow_exception(stopped);
      throw error;
    }
    append_results();
  }

  /// Kept first, told second: a stored result survives whatever happens to the listener.
  void settle(SettledCall& settled) {
    ToolResult& result = settled.result;
    result.call_id = calls_[settled.index].id;
    result.name = calls_[settled.index].name;
    ++tool_calls_;
    results_[settled.index] = result;
    store(result);
    emit(ToolCallFinished{.result = std::move(result), .elapsed = settled.elapsed});
  }

  void skip_rest(const std::string& why) {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (results_[i]) continue;
      results_[i] =
          ToolResult{.call_id = calls_[i].id, .name = calls_[i].name, .content = why, .is_error = true};
      store(*results_[i]);
    }
  }

  /// The batch did not end: every call gets its result all the same, so that the stored history can be
  /// replayed.
  void close_calls(const Error& error) {
    const auto closed = attempt([&] {
      skip_rest(fmt::format("error: not completed, the run ended ({}); whether it took effect is unknown",
                            to_string(error.code())));
    });
    static_cast<void>(closed);  // loading repairs what could not be written here
  }

  void append_results() {
    for (auto& result : results_) request_.messages.push_back(Message::tool(*std::move(result)));
    results_.clear();
  }

  // ---- ends

  void complete(ChatResponse response) {
    finish(RunCompleted{
        .message = std::move(response.message), .reason = response.end.reason, .summary = summary()});
  }

  void fail(Error error) {
    if (finished_) return;  // the listener left at the terminal event itself
    const Message partial = fold_.partial();
    std::string text = partial.text();
    if (!text.empty()) {
      const auto kept = attempt([&] { store(std::span(&partial, 1), nullptr, true); });
      static_cast<void>(kept);  // the error being reported is the more important one
    }
    const auto told = attempt([&] {
      if (error.code() == ErrorCode::cancelled || abandoned_)
        finish(
            RunCancelled{.cause = std::move(error), .partial_text = std::move(text), .summary = summary()});
      else
        finish(RunFailed{.error = std::move(error), .summary = summary()});
    });
    static_cast<void>(told);  // the listener has left
  }

  template <class P>
  void finish(P terminal) {
    finished_ = true;
    event_.payload = std::move(terminal);
    effects_.end(event_);  // first: nobody has to pull beyond the terminal event
    send(event_);
  }

  const AgentState& agent_;
  const RunInput& input_;
  RunEffects& effects_;
  Yield<Event>& yield_;

  std::shared_ptr<const RunInfo> run_;
  Event event_, text_, reasoning_, call_;
  std::uint64_t seq_ = 0;
  std::exception_ptr abandoned_;
  bool finished_ = false;

  ChatRequest request_;
  CallIds ids_;
  ChatFold fold_;  // of the answer that is being streamed
  std::vector<ToolCall> calls_;
  std::vector<std::optional<ToolResult>> results_;
  std::uint64_t session_seq_ = 0;

  TimePoint started_{};
  std::optional<TimePoint> deadline_;
  std::shared_ptr<Ledger> ledger_;
  const Price* price_ = nullptr;
  std::int64_t prompt_ = 0;  ///< tokens that the next prompt has at least
  Usage usage_{};
  Usd cost_{};
  bool cost_known_ = true;
  std::uint32_t steps_ = 0;
  std::uint32_t tool_calls_ = 0;
  int empty_responses_ = 0;
};

}  // namespace

std::string system_prompt(const Persona& persona, std::string_view instructions) {
  std::string out;
  const auto line = [&out](std::string_view before, const std::string& text, std::string_view after = "") {
    if (text.empty()) return;
    if (!out.empty()) out += '\n';
    out.append(before).append(text).append(after);
  };
  line("Role: ", persona.role);
  line("Goal: ", persona.goal);
  line("Backstory: ", persona.backstory);
  line("Style: ", persona.style);
  if (!instructions.empty()) {
    if (!out.empty()) out += "\n\n";
    out += instructions;
  }
  return out;
}

void run_loop(const AgentState& agent, const RunInput& input, Yield<Event>& yield) {
  const RunResources resources{.options = agent.options, .tools = *agent.tools, .input = input};
  const std::unique_ptr<RunEffects> effects = agent.options.effects->begin_run(resources);
  Loop(agent, input, *effects, yield).run();
}

}  // namespace beluga::detail
