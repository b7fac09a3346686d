#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/fiber/runtime.hpp"
#include "tests/support/allocation_counter.hpp"

namespace beluga {
namespace {

constexpr int kWarmUp = 1000;
constexpr int kTokens = 20'000;

/// Yields one chunk again and again; allocates nothing itself.
class SteadyModel final : public ChatModel {
 public:
  explicit SteadyModel(ChatChunk chunk) : chunk_(std::move(chunk)) {}
  Stream<ChatChunk> stream(ChatRequest) override {
    return Stream<ChatChunk>::from([chunk = chunk_, n = 0, last = ChatChunk(TextDelta{"."}),
                                    end = ChatChunk(ResponseEnd{})]() mutable -> ChatChunk* {
      ++n;
      if (n <= kTokens) return &chunk;
      return n == kTokens + 1 ? &last : n == kTokens + 2 ? &end : nullptr;
    });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  ChatChunk chunk_;
  ModelInfo info_{.provider = "test", .model = "steady"};
};

std::size_t allocations_of(ChatChunk chunk) {
  const Agent agent{{.model = std::make_shared<SteadyModel>(std::move(chunk))}};
  return Runtime::current().run([&] {
    std::size_t before = 0;
    std::size_t after = 0;
    int tokens = 0;
    for (const Event& event : agent.stream("go")) {
      if (event.get_if<TextDelta>() == nullptr && event.get_if<ReasoningDelta>() == nullptr) continue;
      ++tokens;
      if (tokens == kWarmUp) before = allocation::count();
      if (tokens == kTokens) after = allocation::count();
    }
    EXPECT_EQ(tokens, kTokens + 1);
    return after - before;
  });
}

/// The answer's own text grows while it is folded: its buffer doubles, which is not per token.
constexpr std::size_t kDoublings = 16;

TEST(Allocation, NoneForATokenOfTextAfterWarmUp) {
  if (!allocation::kCounted) GTEST_SKIP() << "the sanitizer brings its own operator new";
  EXPECT_LE(allocations_of(TextDelta{"a token longer than a small string"}), kDoublings);
}

TEST(Allocation, NoneForATokenOfReasoningAfterWarmUp) {
  if (!allocation::kCounted) GTEST_SKIP() << "the sanitizer brings its own operator new";
  EXPECT_LE(allocations_of(ReasoningDelta{.text = "a token longer than a small string"}), kDoublings);
}

}  // namespace
}  // namespace beluga
