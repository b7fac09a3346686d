// What a streamed token costs: bytes of a socket buffer -> server-sent event -> typed chunk, beside
// nlohmann's parse of the same chunk in the same run. System calls and the hand-over to a reader on another
// stack are measured apart.
//
//   build/bench/llm_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only
//
// cpu/token is CPU time; allocations/token counts operator new after warm-up.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/llm/providers/openai/internal/chat_request.hpp"
#include "beluga/llm/providers/openai/internal/chat_stream.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/llm/scripted.hpp"
#include "beluga/net/sse.hpp"
#include "tests/support/allocation_counter.hpp"

namespace beluga::llm::openai {
namespace {

/// One chunk as OpenAI sends it: 261 bytes of JSON.
std::string json_chunk(int i) {
  std::string json =
      R"({"id":"chatcmpl-BqZ7c1DgM2bTt4Qe9LrXy0aWn","object":"chat.completion.chunk","created":1772357400,)"
      R"("model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_07871e2ad8",)"
      R"("choices":[{"index":0,"delta":{"content":" tok)" +
      std::to_string(10 + i % 90) + R"("},"logprobs":null,"finish_reason":null}],"usage":null})";
  return json;
}

/// `reads` buffers of `per_read` events each.
std::vector<std::string> reads_of(int per_read, int reads) {
  std::vector<std::string> buffers(static_cast<std::size_t>(reads));
  int i = 0;
  for (std::string& buffer : buffers)
    for (int n = 0; n < per_read; ++n) buffer += "data: " + json_chunk(i++) + "\n\n";
  return buffers;
}

void report(benchmark::State& state, std::size_t tokens, std::size_t allocated) {
  state.SetItemsProcessed(static_cast<std::int64_t>(tokens));
  state.counters["cpu/token"] = benchmark::Counter(static_cast<double>(tokens),
                                                   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations/token"] = static_cast<double>(allocated) / static_cast<double>(tokens);
}

const ErrorMapper& errors() {
  static const ErrorMapper kErrors({.provider = "openai", .model = "gpt-4o"});
  return kErrors;
}

/// Socket buffer to typed chunk, without a second stack.
void StreamedToken(benchmark::State& state) {
  const auto buffers = reads_of(static_cast<int>(state.range(0)), 64);
  SseParser events;
  ChatStreamParser parser(errors());
  std::size_t tokens = 0, bytes = 0;
  const auto pass = [&] {
    for (const std::string& buffer : buffers) {
      events.push(buffer);
      while (const SseEvent* event = events.next())
        for (const ChatChunk* chunk : parser.event(event->type, event->data)) {
          bytes += std::get<TextDelta>(*chunk).text.size();
          ++tokens;
        }
    }
  };
  pass();
  tokens = 0;
  const std::size_t before = beluga::allocation::count();
  for (auto _ : state) pass();
  benchmark::DoNotOptimize(bytes);
  report(state, tokens, beluga::allocation::count() - before);
}
BENCHMARK(StreamedToken)->ArgName("chunks_per_read")->Arg(16)->Arg(1);

/// The same, pulled from a generator on its own stack: what a reader of ChatModel::stream() sees.
void StreamedTokenPulled(benchmark::State& state) {
  const auto buffers = reads_of(static_cast<int>(state.range(0)), 64);
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    auto chunks = Stream<ChatChunk>::generate([&](Yield<ChatChunk>& yield) {
      SseParser events;
      ChatStreamParser parser(errors());
      for (;;)
        for (const std::string& buffer : buffers) {
          events.push(buffer);
          while (const SseEvent* event = events.next())
            for (ChatChunk* chunk : parser.event(event->type, event->data)) yield(std::move(*chunk));
        }
    });
    for (int i = 0; i < 100; ++i) chunks.next();
    std::size_t tokens = 0;
    const std::size_t before = beluga::allocation::count();
    for (auto _ : state) {
      benchmark::DoNotOptimize(chunks.next());
      ++tokens;
    }
    report(state, tokens, beluga::allocation::count() - before);
  });
}
BENCHMARK(StreamedTokenPulled)->ArgName("chunks_per_read")->Arg(16)->Arg(1);

/// The peer: nlohmann parses the chunk's JSON into its tree; event framing not counted.
void NlohmannParse(benchmark::State& state) {
  std::vector<std::string> chunks;
  for (int i = 0; i < 64; ++i) chunks.push_back(json_chunk(i));
  std::size_t tokens = 0, bytes = 0;
  const std::size_t before = beluga::allocation::count();
  for (auto _ : state)
    for (const std::string& chunk : chunks) {
      const auto json = nlohmann::json::parse(chunk);
      bytes += json["choices"][0]["delta"]["content"].get_ref<const std::string&>().size();
      ++tokens;
    }
  benchmark::DoNotOptimize(bytes);
  report(state, tokens, beluga::allocation::count() - before);
}
BENCHMARK(NlohmannParse);

/// The body of a conversation of 50 messages.
void RequestBody(benchmark::State& state) {
  ChatRequest request;
  for (int i = 0; i < 25; ++i) {
    request.messages.push_back(Message::user(std::string(400, 'q') + "\n\"quoted\""));
    request.messages.push_back(Message::assistant(std::string(400, 'a')));
  }
  std::size_t bytes = 0;
  for (auto _ : state) bytes += chat_request_body(request, "gpt-4o", {}).size();
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(RequestBody);

/// The floor under every bench that uses the scripted model: one whole response of 16 chunks.
void ScriptedResponse(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    ScriptedModel model({{.text = std::string(120, 'x')}}, {.repeat = true, .record_requests = false});
    const ChatRequest request{.messages = {Message::user("hello")}};
    for (auto _ : state) benchmark::DoNotOptimize(model.generate(request));
  });
}
BENCHMARK(ScriptedResponse);

}  // namespace
}  // namespace beluga::llm::openai

BENCHMARK_MAIN();
