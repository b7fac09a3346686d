// Json beside nlohmann and Boost.JSON in one run: parse and write a request of 100 KB, and parse one stream
// chunk. simdjson's own tree, which keeps neither number texts nor owns its strings as values, is the bound
// below.
//
//   json_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <boost/json.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "beluga/base/json.hpp"

namespace {

/// A conversation as it goes to a provider: messages with text, tool calls with arguments, tool schemas.
const std::string& request() {
  static const std::string text = [] {
    using beluga::Json;
    Json root = Json::object({{"model", "gpt-4o"}, {"temperature", 0.2}, {"stream", true}});
    for (int i = 0; root["messages"].size() < 2 || root.dump().size() < 90'000; ++i) {
      std::string words;
      for (int w = 0; w < 40 + i % 50; ++w)
        words += w % 11 == 7 ? "\"caf\xC3\xA9\"\n" : "retrieval of context ";
      root["messages"].push_back(Json::object({{"role", "user"}, {"content", words}}));
      Json call = Json::object(
          {{"id", "call_" + std::to_string(i)},
           {"type", "function"},
           {"function",
            Json::object({{"name", "search"}, {"arguments", R"({"query":"gpu prices","limit":10})"}})}});
      root["messages"].push_back(
          Json::object({{"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array({call})}}));
      Json scores;
      for (int s = 0; s < 12; ++s) scores.push_back(0.731 * s + i);
      root["messages"].push_back(Json::object({{"role", "tool"},
                                               {"tool_call_id", "call_" + std::to_string(i)},
                                               {"scores", scores},
                                               {"count", i}}));
    }
    for (int i = 0; i < 10; ++i)
      root["tools"].push_back(Json::parse(
          R"({"type":"function","function":{"name":"t","description":"d","parameters":{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer","minimum":1,"maximum":100}},"required":["q"]}}})"));
    return root.dump();
  }();
  return text;
}

const std::string kChunk =
    R"({"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1717171717,"model":"gpt-4o-2024-05-13","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" context"},"logprobs":null,"finish_reason":null}]})";

template <class Parse>
void parse(benchmark::State& state, const std::string& text, Parse parse_one) {
  for (auto _ : state) {
    auto value = parse_one(text);
    benchmark::DoNotOptimize(value);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(text.size()));
}

/// The alternative for filling our tree: simdjson's on-demand reader, which gives the text of numbers.
beluga::Json from_simdjson(simdjson::ondemand::value value) {
  using beluga::Json;
  switch (value.type()) {
    case simdjson::ondemand::json_type::array: {
      std::vector<Json> items;
      for (auto item : value.get_array()) items.push_back(from_simdjson(item.value()));
      return Json::array(std::move(items));
    }
    case simdjson::ondemand::json_type::object: {
      std::vector<Json::Member> members;
      members.reserve(4);
      for (auto field : value.get_object()) {
        const std::string_view key = field.unescaped_key();
        members.push_back({std::string(key), from_simdjson(field.value())});
      }
      return Json::object(std::move(members));
    }
    case simdjson::ondemand::json_type::string:
      return std::string_view(value.get_string());
    case simdjson::ondemand::json_type::boolean:
      return bool(value.get_bool());
    case simdjson::ondemand::json_type::number: {
      std::string_view text = value.raw_json_token();
      while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
      return Json::number(text);
    }
    default:
      return nullptr;
  }
}
void ParseRequest_SimdjsonIntoJson(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  parse(state, request(), [&](const std::string& text) {
    const simdjson::padded_string padded(text);
    auto document = parser.iterate(padded);
    return from_simdjson(document.get_value());
  });
}
void ParseChunk_SimdjsonIntoJson(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  parse(state, kChunk, [&](const std::string& text) {
    const simdjson::padded_string padded(text);
    auto document = parser.iterate(padded);
    return from_simdjson(document.get_value());
  });
}

auto beluga_parse = [](const std::string& text) { return beluga::Json::parse(text); };
auto nlohmann_parse = [](const std::string& text) { return nlohmann::json::parse(text); };
auto boost_parse = [](const std::string& text) { return boost::json::parse(text); };

void ParseRequest_Beluga(benchmark::State& state) {
  parse(state, request(), beluga_parse);
}
void ParseRequest_Boost(benchmark::State& state) {
  parse(state, request(), boost_parse);
}
void ParseRequest_Nlohmann(benchmark::State& state) {
  parse(state, request(), nlohmann_parse);
}
void ParseRequest_SimdjsonBound(benchmark::State& state) {
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(request());
  for (auto _ : state) benchmark::DoNotOptimize(parser.parse(padded).error());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * request().size()));
}
void ParseChunk_Beluga(benchmark::State& state) {
  parse(state, kChunk, beluga_parse);
}
void ParseChunk_Boost(benchmark::State& state) {
  parse(state, kChunk, boost_parse);
}
void ParseChunk_Nlohmann(benchmark::State& state) {
  parse(state, kChunk, nlohmann_parse);
}

void Dump_Beluga(benchmark::State& state) {
  const auto value = beluga::Json::parse(request());
  for (auto _ : state) benchmark::DoNotOptimize(value.dump());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * request().size()));
}
void Dump_Boost(benchmark::State& state) {
  const auto value = boost::json::parse(request());
  for (auto _ : state) benchmark::DoNotOptimize(boost::json::serialize(value));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * request().size()));
}
void Dump_Nlohmann(benchmark::State& state) {
  const auto value = nlohmann::json::parse(request());
  for (auto _ : state) benchmark::DoNotOptimize(value.dump());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * request().size()));
}

BENCHMARK(ParseRequest_Beluga)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseRequest_Boost)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseRequest_Nlohmann)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseRequest_SimdjsonIntoJson)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseRequest_SimdjsonBound)->Unit(benchmark::kMicrosecond);
BENCHMARK(Dump_Beluga)->Unit(benchmark::kMicrosecond);
BENCHMARK(Dump_Boost)->Unit(benchmark::kMicrosecond);
BENCHMARK(Dump_Nlohmann)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseChunk_Beluga);
BENCHMARK(ParseChunk_SimdjsonIntoJson);
BENCHMARK(ParseChunk_Boost);
BENCHMARK(ParseChunk_Nlohmann);

}  // namespace

BENCHMARK_MAIN();
