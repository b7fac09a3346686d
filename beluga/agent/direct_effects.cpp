#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/effects.hpp"
#include "beluga/agent/internal/content.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/id.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/observe/telemetry.hpp"
#include "beluga/tool/tool_set.hpp"

namespace beluga {
namespace {

using namespace observe;  // the names of the conventions; this file is their main user

constexpr Duration kLastWords = std::chrono::seconds(1);  // for storing what a cancelled run leaves behind

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class DirectRun final : public RunEffects {
 public:
  explicit DirectRun(const RunResources& resources)
      : options_(resources.options),
        tools_(resources.tools),
        input_(resources.input),
        telemetry_(options_.telemetry ? options_.telemetry : Telemetry::current()),
        clock_(Clock::current()) {}

  std::string new_id() override { return new_ulid(); }
  std::uint64_t random() override {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
  }
  TimePoint now() override { return clock_.now(); }
  WallTime wall() override { return clock_.wall(); }

  void begin(const std::shared_ptr<const RunInfo>& run) override {
    run_ = run;
    context_ = Context::current();
    span_ = telemetry_->start_span("invoke_agent " + options_.name, SpanKind::internal, context_);
    context_ = span_.context_for_children(context_);
    if (!span_.recording()) return;
    span_.set(gen_ai::kOperationName, "invoke_agent");
    span_.set(gen_ai::kAgentName, options_.name);
    span_.set(gen_ai::kProviderName, options_.model->info().provider);
    span_.set(gen_ai::kRequestModel, options_.model->info().model);
    span_.set(kRunId, run->run_id);
    if (!input_.session.empty()) span_.set(gen_ai::kConversationId, input_.session);
  }

  void model(const EffectSite& site, const ChatRequest& request, Function<void(ChatChunk&)>& sink) override {
    const ModelInfo& info = options_.model->info();
    Span span = telemetry_->start_span("chat " + info.model, SpanKind::client, context_);
    if (span.recording()) describe(span, request, info);
    // In the loop's context, which says what a run inside the model may spend.
    const ContextScope scope(within(site, span.context_for_children(Context::current())));
    const TimePoint started = clock_.now();
    std::string response_model;
    ChatFold content;  // filled only when content is to be recorded
    const bool capture = span.recording() && telemetry_->capture_content();
    const auto done = attempt([&] {
      Stream<ChatChunk> chunks = options_.model->stream(request);
      bool first = true;
      while (ChatChunk* chunk = chunks.next()) {
        if (std::exchange(first, false)) {
          const double waited = seconds(clock_.now() - started);
          span.set(gen_ai::kResponseTimeToFirstChunk, waited);
          telemetry_->metrics().record(
              instruments::kTimeToFirstChunk, waited,
              {{gen_ai::kProviderName, info.provider}, {gen_ai::kRequestModel, info.model}});
        }
        if (capture) content.add(*chunk);
        if (const auto* end = std::get_if<ResponseEnd>(chunk)) {
          response_model = end->model;
          answered(span, *end, info);
        }
        sink(*chunk);
      }
    });
    if (capture && content.complete()) {
      const Message answer = content.take().message;
      span.set(gen_ai::kOutputMessages, detail::content_json(std::span(&answer, 1)).dump());
    }
    const std::string_view error_type = done.ok() ? std::string_view() : to_string(done.error().code());
    const double took = seconds(clock_.now() - started);
    if (done.ok()) {
      telemetry_->metrics().record(instruments::kOperationDuration, took,
                                   {{gen_ai::kOperationName, "chat"},
                                    {gen_ai::kProviderName, info.provider},
                                    {gen_ai::kRequestModel, info.model},
                                    {gen_ai::kResponseModel, response_model}});
      return;
    }
    span.fail(done.error());
    telemetry_->metrics().record(instruments::kOperationDuration, took,
                                 {{gen_ai::kOperationName, "chat"},
                                  {gen_ai::kProviderName, info.provider},
                                  {gen_ai::kRequestModel, info.model},
                                  {kErrorType, error_type}});
    raise(done.error());
  }

  void tools(const EffectSite& site, std::span<const ToolCall> calls,
             Function<void(SettledCall&)>& sink) override {
    const ContextScope scope(within(site, context_));
    if (calls.size() == 1) {
      SettledCall settled = run_tool(site, calls, 0);
      sink(settled);
      return;
    }

    const std::size_t most = std::max(1U, options_.max_parallel_tools);
    // First come, first served: an exclusive call takes all permits, so it waits for those before it, and
    // those after it wait for it.
    Semaphore permits(most);
    Channel<Result<SettledCall>> settled(calls.size());
    Scope fibers;  // the calls do not throw: only one that gets no fiber fails it, and ends the batch
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const Tool* tool = tools_.find(calls[i].name);
      const std::size_t needed = tool != nullptr && tool->traits().exclusive ? most : 1;
      fibers.spawn("tool call", [&, i, needed] {
        settled.try_send(attempt([&] {
          permits.acquire(needed);
          const Release release{permits, needed};
          return run_tool(site, calls, i);
        }));
      });
    }
    const Context heard = Context::current().with_cancel(fibers.cancel_token());
    const auto receive = [&] {
      const ContextScope until_refused(heard);
      return *settled.receive();
    };
    const auto all = attempt([&] {
      for (std::size_t i = 0; i < calls.size(); ++i) {
        Result<SettledCall> next = receive();
        sink(next.value());
      }
    });
    if (all.ok()) return;

    fibers.cancel(all.error());
    const ContextScope deaf{Context()};
    const auto joined = attempt([&] { fibers.join(); });
    static_cast<void>(joined);
    while (auto late = settled.try_receive())
      if (late->ok()) static_cast<void>(attempt([&] { sink(late->value()); }).ok());
    raise(all.error());
  }

  std::vector<SessionEntry> load_session() override {
    SessionStore& store = sessions();
    if (!store.find(input_.session)) return {};
    return store.load(input_.session);
  }

  std::uint64_t append_session(std::uint64_t expected_last, std::vector<SessionEntry> entries) override {
    const Context context = Context::current();
    const auto deadline = context.deadline();
    const bool over = context.cancel_token().cancelled() || (deadline && clock_.now() >= *deadline);
    const ContextScope scope(over ? Context().with_timeout(kLastWords) : context);
    return sessions().append(input_.session, expected_last, std::move(entries));
  }

  void end(const Event& terminal) noexcept override {
    std::string_view outcome = "completed";
    const RunSummary* summary = nullptr;
    if (const auto* completed = terminal.get_if<RunCompleted>()) {
      summary = &completed->summary;
      set_finish_reason(span_, completed->reason);
    } else if (const auto* failed = terminal.get_if<RunFailed>()) {
      outcome = to_string(failed->error.code());
      telemetry_->log().write(
          LogLevel::info, "run failed",
          {{"agent", options_.name}, {"run_id", run_->run_id}, {"error", failed->error.what()}});
      summary = &failed->summary;
      span_.fail(failed->error);
    } else if (const auto* cancelled = terminal.get_if<RunCancelled>()) {
      outcome = "cancelled";
      summary = &cancelled->summary;
      span_.fail("cancelled", cancelled->cause.message());
    }
    if (summary != nullptr) set_usage(span_, summary->usage);
    span_.end();
    static_cast<void>(attempt([&] {
                        telemetry_->metrics().record(
                            instruments::kRuns, 1,
                            {{gen_ai::kAgentName, options_.name}, {kOutcome, outcome}});
                      }).ok());
  }

 private:
  static constexpr Key kOutcome{"beluga.outcome"};

  struct Release {
    Semaphore& permits;
    std::size_t count;
    ~Release() { permits.release(count); }
  };

  static Context within(const EffectSite& site, const Context& context) {
    return site.deadline ? context.with_deadline(*site.deadline) : context;
  }

  SessionStore& sessions() const {
    if (options_.sessions) return *options_.sessions;
    throw Error(ErrorCode::failed_precondition,
                fmt::format("agent '{}': session '{}' asked for, but AgentOptions::sessions is not set",
                            options_.name, input_.session));
  }

  void describe(Span& span, const ChatRequest& request, const ModelInfo& info) const {
    span.set(gen_ai::kOperationName, "chat");
    span.set(gen_ai::kProviderName, info.provider);
    span.set(gen_ai::kRequestModel, info.model);
    span.set(gen_ai::kAgentName, options_.name);
    span.set(gen_ai::kRequestStream, true);
    if (!input_.session.empty()) span.set(gen_ai::kConversationId, input_.session);
    if (request.max_output_tokens) span.set(gen_ai::kRequestMaxTokens, *request.max_output_tokens);
    if (request.temperature) span.set(gen_ai::kRequestTemperature, *request.temperature);
    if (telemetry_->capture_content())
      span.set(gen_ai::kInputMessages, detail::content_json(request.messages).dump());
  }

  static void set_usage(Span& span, const Usage& usage) {
    if (!span.recording()) return;
    // The conventions count cached tokens as input and reasoning as output.
    span.set(gen_ai::kUsageInputTokens, usage.input + usage.cache_read + usage.cache_write);
    span.set(gen_ai::kUsageOutputTokens, usage.output + usage.reasoning);
    if (usage.cache_read != 0) span.set(gen_ai::kUsageCacheReadInputTokens, usage.cache_read);
    if (usage.cache_write != 0) span.set(gen_ai::kUsageCacheCreationInputTokens, usage.cache_write);
    if (usage.reasoning != 0) span.set(gen_ai::kUsageReasoningOutputTokens, usage.reasoning);
  }

  static void set_finish_reason(Span& span, StopReason reason) {
    if (span.recording())
      span.set(gen_ai::kResponseFinishReasons,
               std::vector<std::string>{std::string(detail::finish_reason(reason))});
  }

  void answered(Span& span, const ResponseEnd& end, const ModelInfo& info) {
    set_usage(span, end.usage);
    set_finish_reason(span, end.reason);
    if (!end.model.empty()) span.set(gen_ai::kResponseModel, end.model);
    if (!end.response_id.empty()) span.set(gen_ai::kResponseId, end.response_id);
    const auto tokens = [&](std::string_view type, std::int64_t count) {
      telemetry_->metrics().record(instruments::kTokenUsage, static_cast<double>(count),
                                   {{gen_ai::kOperationName, "chat"},
                                    {gen_ai::kProviderName, info.provider},
                                    {gen_ai::kRequestModel, info.model},
                                    {gen_ai::kTokenType, type}});
    };
    tokens("input", end.usage.input + end.usage.cache_read + end.usage.cache_write);
    tokens("output", end.usage.output + end.usage.reasoning);
  }

  /// Throws only for the end of the run itself.
  SettledCall run_tool(const EffectSite& site, std::span<const ToolCall> calls, std::size_t index) {
    const ToolCall& call = calls[index];
    // Unknown names come from the model: they must not become span names or metric series without bound.
    const bool known = tools_.find(call.name) != nullptr;
    const std::string_view name = known ? std::string_view(call.name) : "unknown";
    const Context context = Context::current();  // of this call's fiber: with the cancellation of its batch
    Span span = telemetry_->start_span(fmt::format("execute_tool {}", name), SpanKind::internal, context);
    if (span.recording()) {
      span.set(gen_ai::kOperationName, "execute_tool");
      span.set(gen_ai::kToolName, call.name);
      span.set(gen_ai::kToolType, "function");
      span.set(gen_ai::kToolCallId, call.id);
      span.set(gen_ai::kAgentName, options_.name);
      if (telemetry_->capture_content()) span.set(gen_ai::kToolCallArguments, call.arguments);
    }
    const ContextScope scope(span.context_for_children(context));
    const TimePoint started = clock_.now();
    auto result = attempt([&] {
      return tools_.call(call, {.run_id = run_->run_id,
                                .call_id = call.id,
                                .idempotency_key = fmt::format("{}/{}/{}", run_->run_id, site.step, index)});
    });
    const Duration took = clock_.now() - started;
    std::string_view outcome = "ok";
    if (!result.ok()) {
      outcome = to_string(result.error().code());
      span.fail(result.error());
    } else if (result->is_error) {
      outcome = "tool_error";
      span.fail("tool_error", telemetry_->capture_content() ? std::string_view(result->content)
                                                            : "the tool gave an error result");
    }
    if (result.ok() && telemetry_->capture_content()) span.set(gen_ai::kToolCallResult, result->content);
    telemetry_->metrics().record(instruments::kToolDuration, seconds(took), {{gen_ai::kToolName, name}});
    telemetry_->metrics().record(instruments::kToolCalls, 1,
                                 {{gen_ai::kToolName, name}, {kOutcome, outcome}});
    return {.index = index, .result = std::move(result).value(), .elapsed = took};
  }

  const AgentOptions& options_;
  const ToolSet& tools_;
  const RunInput& input_;
  std::shared_ptr<Telemetry> telemetry_;
  Clock& clock_;
  std::shared_ptr<const RunInfo> run_;
  Context context_;  // of the run: the caller's, under the run's span
  Span span_;
};

class Direct final : public Effects {
 public:
  std::unique_ptr<RunEffects> begin_run(const RunResources& resources) override {
    return std::make_unique<DirectRun>(resources);
  }
};

}  // namespace

std::shared_ptr<Effects> direct_effects() {
  return std::make_shared<Direct>();
}

}  // namespace beluga
