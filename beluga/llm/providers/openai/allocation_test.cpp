// Counts heap allocations, so it replaces operator new; sanitizers bring their own, and are left alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/llm/providers/openai/internal/chat_stream.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/net/sse.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BELUGA_COUNT_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BELUGA_COUNT_ALLOCATIONS 0
#else
#define BELUGA_COUNT_ALLOCATIONS 1
#endif
#else
#define BELUGA_COUNT_ALLOCATIONS 1
#endif

#if BELUGA_COUNT_ALLOCATIONS
namespace {
std::atomic<std::size_t> allocations{0};
}

// NOLINTBEGIN: the replacement functions of [new.delete.single]
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
// NOLINTEND

namespace beluga::llm::openai {
namespace {

std::string text_event(int i) {
  return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1772357400,"model":"gpt-4o-2024-08-06",)"
         R"("choices":[{"index":0,"delta":{"content":" a token of some length )" +
         std::to_string(i) + R"("},"logprobs":null,"finish_reason":null}],"usage":null})" + "\n\n";
}
std::string call_event(int i) {
  return R"(data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,)" +
         std::string(i == 0 ? R"("id":"call_1","type":"function",)" : "") + R"("function":{)" +
         (i == 0 ? R"("name":"search",)" : "") +
         R"("arguments":"{\"query\": \"a fragment of arguments\" "}}]}}]})" + "\n\n";
}

TEST(ChatStreamAllocations, AreNonePerTokenOnceWarm) {
  const ErrorMapper errors({.provider = "openai", .model = "m"});
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += text_event(i);
  for (int i = 0; i < 1000; ++i) wire += call_event(i);
  std::size_t seen = 0, warm = 0, last = 0;
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    auto chunks = Stream<ChatChunk>::generate([&](Yield<ChatChunk>& yield) {
      SseParser events;
      ChatStreamParser parser(errors);
      // 1400 bytes a read: events cut anywhere, as on a wire.
      for (std::size_t at = 0; at < wire.size(); at += 1400) {
        events.push(std::string_view(wire).substr(at, 1400));
        while (const SseEvent* event = events.next())
          for (ChatChunk* chunk : parser.event(event->type, event->data)) yield(*chunk);
      }
    });
    while (const ChatChunk* chunk = chunks.next()) {
      ++seen;
      // Warm: the text has its memory after the first tokens, the calls after the first fragments.
      if (seen == 200 || seen == 1200) warm = allocations.load();
      if (seen == 1000) {
        EXPECT_EQ(allocations.load() - warm, 0u) << "in text";
      }
      last = allocations.load();
      ASSERT_FALSE(std::holds_alternative<ResponseEnd>(*chunk));
    }
  });
  EXPECT_EQ(seen, 2000u);
  EXPECT_EQ(last - warm, 0u) << "in fragments of a tool call";
}

}  // namespace
}  // namespace beluga::llm::openai
#endif
