/// Memory stays flat over 100,000 turns of agents with tools, events, telemetry and a session store.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/observe/telemetry.hpp"
#include "tests/support/memory.hpp"

namespace beluga {
namespace {

#ifdef BELUGA_SANITIZED
constexpr int kTurns = 5'000;  // there the sanitizer's leak check is the test
#else
constexpr int kTurns = 100'000;
#endif
constexpr int kTurnsPerRun = 5;
constexpr std::ptrdiff_t kMostBytesPerTurn = 16;  // anything kept of a turn is larger
constexpr long kMostResidentKib = 64 * 1024;      // stacks are no heap

/// Three calls in each turn, then the answer.
class Generator final : public ChatModel {
 public:
  Stream<ChatChunk> stream(ChatRequest request) override {
    return Stream<ChatChunk>::generate([turn = turns_of(request)](Yield<ChatChunk>& yield) {
      for (int i = 0; i < 10; ++i) yield(ChatChunk(TextDelta{"some words that are streamed "}));
      if (turn + 1 < kTurnsPerRun) {
        for (std::uint32_t i = 0; i < 3; ++i)
          yield(ChatChunk(
              ToolCallDelta{.index = i, .id = "", .name = i == 2 ? "pool" : "inline", .arguments = "{}"}));
        yield(ChatChunk(ResponseEnd{.reason = StopReason::tool_calls, .usage = {.input = 10, .output = 10}}));
      } else {
        yield(ChatChunk(ResponseEnd{.usage = {.input = 10, .output = 10}}));
      }
    });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  static int turns_of(const ChatRequest& request) {
    int turns = 0;
    for (const Message& message : request.messages) turns += message.role == Role::assistant ? 1 : 0;
    return turns;
  }
  ModelInfo info_{.provider = "soak", .model = "generator"};
};

class Echo final : public Tool {
 public:
  Echo(std::string name, bool inline_call) {
    schema_.name = std::move(name);
    schema_.parameters = Json::parse(R"({"type":"object"})");
    traits_.inline_call = inline_call;
  }
  const ToolSchema& schema() const noexcept override { return schema_; }
  const ToolTraits& traits() const noexcept override { return traits_; }
  ToolOutput call(const Json&, const ToolCallInfo& info) const override {
    return {.content = "result of " + info.call_id};
  }

 private:
  ToolSchema schema_;
  ToolTraits traits_;
};

TEST(AgentSoak, MemoryIsFlatOverManyTurns) {
  const auto telemetry = observe::Telemetry::create();
  const auto sessions = memory_sessions();
  const Agent agent{{.model = std::make_shared<Generator>(),
                     .tools = {std::make_shared<Echo>("inline", true), std::make_shared<Echo>("pool", false)},
                     .sessions = sessions,
                     .telemetry = telemetry}};
  const int runs = kTurns / kTurnsPerRun;
  std::optional<std::size_t> heap;
  long resident = 0;
  Runtime runtime({.workers = 2});
  runtime.run([&] {
    for (int i = 0; i < runs; ++i) {
      RunInput input("go");
      input.session = "s";
      const Reply reply = agent.invoke(input);
      ASSERT_EQ(reply.summary.steps, static_cast<std::uint32_t>(kTurnsPerRun));
      ASSERT_EQ(reply.summary.tool_calls, 3U * (kTurnsPerRun - 1));
      sessions->remove("s");
      if (i == runs / 5) {
        heap = testing_support::heap_in_use();
        resident = testing_support::resident_kib();
      }
    }
  });
  if (!heap) return;
  const auto grown = static_cast<std::ptrdiff_t>(*testing_support::heap_in_use() - *heap);
  const long resident_grown = testing_support::resident_kib() - resident;
  std::printf("%d turns, grown after the first fifth: heap %td bytes, resident %ld KiB\n", kTurns, grown,
              resident_grown);
  EXPECT_LT(grown, kTurns * 4 / 5 * kMostBytesPerTurn);
  EXPECT_LT(resident_grown, kMostResidentKib);
}

}  // namespace
}  // namespace beluga
