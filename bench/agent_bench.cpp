/// What the framework costs: an agent's turn, a streamed token, a span. Everything in process; the model and
/// the tools answer at once, so what is measured is the loop, the events, the tool path and telemetry.
///
///     cmake --build build --target agent_bench && build/bench/agent_bench

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/observe/telemetry.hpp"
#include "beluga/store/database.hpp"

namespace beluga {
namespace {

constexpr int kToolTurns = 10;  // then a last one with the answer

/// Asks for three tools in each of the first turns.
class TurnModel final : public ChatModel {
 public:
  Stream<ChatChunk> stream(ChatRequest request) override {
    std::size_t results = 0;
    for (const Message& message : request.messages) results += message.role == Role::tool ? 1U : 0U;
    const bool last = results >= 3U * kToolTurns;
    return Stream<ChatChunk>::from([this, last, n = std::size_t{0}, id = results]() mutable -> ChatChunk* {
      const std::vector<ChatChunk>& chunks = last ? answer_ : calls_;
      if (n == chunks.size()) return nullptr;
      current_ = chunks[n++];
      if (auto* call = std::get_if<ToolCallDelta>(&current_)) call->id = "call_" + std::to_string(id++);
      return &current_;
    });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  ChatChunk current_;
  std::vector<ChatChunk> calls_{
      TextDelta{"Let me look."},
      ToolCallDelta{
          .index = 0, .id = "x", .name = "search", .arguments = R"({"query":"gpu prices","limit":3})"},
      ToolCallDelta{.index = 1, .id = "x", .name = "add", .arguments = R"({"a":1,"b":2})"},
      ToolCallDelta{.index = 2, .id = "x", .name = "clock", .arguments = "{}"},
      ResponseEnd{.reason = StopReason::tool_calls, .usage = {.input = 100, .output = 20}, .model = "m"}};
  std::vector<ChatChunk> answer_{TextDelta{"The answer is 42."},
                                 ResponseEnd{.usage = {.input = 100, .output = 20}, .model = "m"}};
  ModelInfo info_{.provider = "bench", .model = "m"};
};

class SmallTool final : public Tool {
 public:
  SmallTool(std::string name, std::string_view schema, bool inline_call) {
    schema_.name = std::move(name);
    schema_.description = "A tool that answers at once";
    schema_.parameters = Json::parse(schema);
    traits_.inline_call = inline_call;
  }
  const ToolSchema& schema() const noexcept override { return schema_; }
  const ToolTraits& traits() const noexcept override { return traits_; }
  ToolOutput call(const Json&, const ToolCallInfo&) const override { return {.content = "result"}; }

 private:
  ToolSchema schema_;
  ToolTraits traits_;
};

std::vector<ToolPtr> three_tools(bool inline_call) {
  return {
      std::make_shared<SmallTool>(
          "search",
          R"({"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","minimum":1,"maximum":50}},"required":["query"]})",
          inline_call),
      std::make_shared<SmallTool>(
          "add",
          R"({"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]})",
          inline_call),
      std::make_shared<SmallTool>("clock", R"({"type":"object","properties":{}})", inline_call)};
}

/// One iteration is a run of 11 turns with 30 tool calls; "turn" is the time of one of them.
void run_agent(benchmark::State& state, bool tracing, bool inline_call) {
  Runtime runtime({.workers = 1});
  const Agent agent{{.model = std::make_shared<TurnModel>(),
                     .tools = three_tools(inline_call),
                     .persona = {.role = "helpful assistant"},
                     .telemetry = observe::Telemetry::create({.tracing = tracing})}};
  runtime.run([&] {
    for (auto _ : state) benchmark::DoNotOptimize(agent.invoke("What do GPUs cost?"));
  });
  state.counters["turn"] = benchmark::Counter(static_cast<double>(state.iterations()) * (kToolTurns + 1),
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
void BM_TurnWithThreeInlineToolsTraced(benchmark::State& state) {
  run_agent(state, true, true);
}
BENCHMARK(BM_TurnWithThreeInlineToolsTraced)->MeasureProcessCPUTime()->UseRealTime();
void BM_TurnWithThreeInlineToolsUntraced(benchmark::State& state) {
  run_agent(state, false, true);
}
BENCHMARK(BM_TurnWithThreeInlineToolsUntraced)->MeasureProcessCPUTime()->UseRealTime();
void BM_TurnWithThreePoolToolsTraced(benchmark::State& state) {
  run_agent(state, true, false);
}
BENCHMARK(BM_TurnWithThreePoolToolsTraced)->MeasureProcessCPUTime()->UseRealTime();

class TokenModel final : public ChatModel {
 public:
  explicit TokenModel(int tokens) : tokens_(tokens) {}
  Stream<ChatChunk> stream(ChatRequest) override {
    return Stream<ChatChunk>::from([left = tokens_, token = ChatChunk(TextDelta{" token"}),
                                    end = ChatChunk(ResponseEnd{})]() mutable -> ChatChunk* {
      if (left < 0) return nullptr;
      return left-- > 0 ? &token : &end;
    });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  int tokens_;
  ModelInfo info_{.provider = "bench", .model = "m"};
};

void BM_StreamedToken(benchmark::State& state) {
  constexpr int kTokens = 10'000;
  Runtime runtime({.workers = 1});
  const Agent agent{{.model = std::make_shared<TokenModel>(kTokens)}};
  runtime.run([&] {
    for (auto _ : state)
      for (const Event& event : agent.stream("go")) benchmark::DoNotOptimize(event.seq);
  });
  state.counters["token"] = benchmark::Counter(static_cast<double>(state.iterations()) * kTokens,
                                               benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_StreamedToken)->UseRealTime();

void BM_Span(benchmark::State& state) {
  const auto telemetry = observe::Telemetry::create({.tracing = state.range(0) != 0});
  for (auto _ : state) {
    observe::Span span = telemetry->start_span("execute_tool x", observe::SpanKind::internal);
    span.set(observe::gen_ai::kOperationName, "execute_tool");
    span.set(observe::gen_ai::kToolName, "x");
    span.set(observe::gen_ai::kToolCallId, "call_0123456789");
  }
}
BENCHMARK(BM_Span)->ArgName("on")->Arg(0)->Arg(1);

void BM_Metric(benchmark::State& state) {
  observe::Metrics metrics;
  for (auto _ : state)
    metrics.record(observe::instruments::kOperationDuration, 0.5,
                   {{observe::gen_ai::kProviderName, "openai"}, {observe::gen_ai::kRequestModel, "gpt-4o"}});
}
BENCHMARK(BM_Metric);

void BM_LogBelowItsLevel(benchmark::State& state) {
  observe::Log log({.level = observe::LogLevel::warn, .sink = [](std::string_view) {}});
  for (auto _ : state) log.write(observe::LogLevel::debug, "not written");
}
BENCHMARK(BM_LogBelowItsLevel);

/// One entry, one transaction. Disk: the folder of temporary files, synced when the argument says so.
void BM_SessionAppend(benchmark::State& state) {
  char folder[] = "/tmp/beluga-bench-XXXXXX";
  const std::string path = std::string(::mkdtemp(folder)) + "/beluga.db";
  const auto store = open_sessions(Database::open({.path = path, .power_safe = state.range(0) != 0}));
  std::uint64_t last = 0;
  for (auto _ : state) {
    std::vector<SessionEntry> entries(1);
    entries[0].message = Message::user("a question of usual length, some sixty characters or so.");
    last = store->append("s", last, std::move(entries));
  }
}
BENCHMARK(BM_SessionAppend)->ArgName("synced")->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace beluga
