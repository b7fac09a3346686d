// SseParser over a stream of typical 261-byte chat-completion events, beside a splitter on getline and memcpy
// (the bound). Reports bytes/s, ns per event and allocations per event.
//
//   sse_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "beluga/net/sse.hpp"
#include "tests/support/allocation_counter.hpp"

namespace {

constexpr std::size_t kEvents = 4096;

const std::string& stream() {
  static const std::string text = [] {
    std::string event =
        R"(data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz","object":"chat.completion.chunk","created":1718000000,)"
        R"("model":"gpt-4o-2024-08-06","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" hello"},)"
        R"("logprobs":null,"finish_reason":null}]})";
    event.resize(259, ' ');
    std::string all;
    for (std::size_t i = 0; i < kEvents; ++i) all += event + "\n\n";
    return all;
  }();
  return text;
}

void report(benchmark::State& state, std::size_t events, std::size_t allocated) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * stream().size()));
  const auto all = static_cast<double>(events);
  state.counters["ns/event"] =
      benchmark::Counter(all * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/event"] = static_cast<double>(allocated) / all;
}

/// `state.range(0)`: bytes per chunk.
void parser(benchmark::State& state) {
  const auto chunk = static_cast<std::size_t>(state.range(0));
  beluga::SseParser parser;
  std::size_t events = 0;
  std::size_t bytes = 0;
  const auto pass = [&] {
    for (std::string_view rest = stream(); !rest.empty();) {
      const std::string_view piece = rest.substr(0, chunk);
      rest.remove_prefix(piece.size());
      parser.push(piece);
      while (const beluga::SseEvent* event = parser.next()) {
        ++events;
        bytes += event->data.size();
      }
    }
  };
  pass();  // warm-up
  events = 0;
  const std::size_t before = beluga::allocation::count();
  for (auto _ : state) pass();
  const std::size_t allocated = beluga::allocation::count() - before;
  benchmark::DoNotOptimize(bytes);
  report(state, events, allocated);
}
BENCHMARK(parser)->Arg(261)->Arg(1460)->Arg(16 * 261)->Arg(16384)->Arg(1000);

void getline_splitter(benchmark::State& state) {
  std::size_t events = 0;
  const std::size_t before = beluga::allocation::count();
  for (auto _ : state) {
    std::istringstream in(stream());
    std::string line;
    std::string data;
    while (std::getline(in, line)) {
      if (line.empty()) {
        ++events;
        benchmark::DoNotOptimize(data.data());
        data.clear();
      } else if (line.starts_with("data: ")) {
        data += line.substr(6);
      }
    }
  }
  report(state, events, beluga::allocation::count() - before);
}
BENCHMARK(getline_splitter);

void copy_only(benchmark::State& state) {
  std::vector<char> to(stream().size());
  for (auto _ : state) {
    std::memcpy(to.data(), stream().data(), to.size());
    benchmark::ClobberMemory();
  }
  report(state, static_cast<std::size_t>(state.iterations()) * kEvents, 0);
}
BENCHMARK(copy_only);

}  // namespace

BENCHMARK_MAIN();
