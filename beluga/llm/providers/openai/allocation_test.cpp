#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/llm/providers/openai/internal/chat_stream.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/net/sse.hpp"
#include "tests/support/allocation_counter.hpp"

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
  if (!allocation::kCounted) GTEST_SKIP() << "the sanitizer brings its own operator new";
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
          for (ChatChunk* chunk : parser.event(event->type, event->data)) yield(std::move(*chunk));
      }
    });
    while (const ChatChunk* chunk = chunks.next()) {
      ++seen;
      // Warm: the text has its memory after the first tokens, the calls after the first fragments.
      if (seen == 200 || seen == 1200) warm = allocation::count();
      if (seen == 1000) {
        EXPECT_EQ(allocation::count() - warm, 0u) << "in text";
      }
      last = allocation::count();
      ASSERT_FALSE(std::holds_alternative<ResponseEnd>(*chunk));
    }
  });
  EXPECT_EQ(seen, 2000u);
  EXPECT_EQ(last - warm, 0u) << "in fragments of a tool call";
}

}  // namespace
}  // namespace beluga::llm::openai
