#include "beluga/net/sse.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "beluga/base/result.hpp"
#include "tests/reference/sse_reference.hpp"
#include "tests/support/memory.hpp"

namespace beluga {
namespace {

using reference::Event;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Parses `stream` cut into pieces of `sizes` (the last size repeats). Each piece is a heap block of its own
/// size, so that a read past its end, or after it is gone, is seen by ASan.
std::vector<Event> parse(SseParser& parser, std::string_view stream, const std::vector<std::size_t>& sizes) {
  std::vector<Event> events;
  std::size_t turn = 0;
  while (!stream.empty()) {
    const std::size_t size = std::min(stream.size(), sizes[std::min(turn++, sizes.size() - 1)]);
    const std::unique_ptr<char[]> piece(new char[size]);
    stream.copy(piece.get(), size);
    parser.push({piece.get(), size});
    while (const SseEvent* event = parser.next()) {
      events.push_back({std::string(event->type), std::string(event->data), std::string(event->id)});
    }
    stream.remove_prefix(size);
  }
  return events;
}

std::vector<Event> parse(std::string_view stream) {
  SseParser parser;
  return parse(parser, stream, {stream.size()});
}

// The examples of the standard, section 9.2.6.
TEST(Sse, ReadsTheExamplesOfTheStandard) {
  EXPECT_THAT(parse("data: YHOO\ndata: +2\ndata: 10\n\n"), ElementsAre(Event{"message", "YHOO\n+2\n10", ""}));
  EXPECT_THAT(
      parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
      ElementsAre(Event{"message", "first event", "1"}, Event{"message", "second event", ""},
                  Event{"message", " third event", ""}));
  EXPECT_THAT(parse("data\n\ndata\ndata\n\ndata:"),
              ElementsAre(Event{"message", "", ""}, Event{"message", "\n", ""}));
  EXPECT_THAT(parse("data:test\n\ndata: test\n\n"),
              ElementsAre(Event{"message", "test", ""}, Event{"message", "test", ""}));
}

TEST(Sse, KeepsTypeForOneEventAndIdForAllThatFollow) {
  EXPECT_THAT(parse("event: add\nid: 7\ndata: a\n\ndata: b\n\nevent: gone\n\ndata: c\n\n"),
              ElementsAre(Event{"add", "a", "7"}, Event{"message", "b", "7"}, Event{"message", "c", "7"}));
}

TEST(Sse, TakesAnIdWithoutDataButNotOneWithNul) {
  SseParser parser;
  parse(parser, "id: 5\n\n", {100});
  EXPECT_EQ(parser.last_event_id(), "5");
  parse(parser, std::string_view("id: a\0b\n\n", 9), {100});
  EXPECT_EQ(parser.last_event_id(), "5");
  parse(parser, "id: 6\n", {100});
  EXPECT_EQ(parser.last_event_id(), "5") << "the event has not ended";
}

TEST(Sse, TakesRetryOnlyIfAllDigitsAndNeverOverflows) {
  SseParser parser;
  parse(parser, "retry: 1500\n\nretry: 15x\n\nretry: -1\n\nretry:\n\n", {100});
  EXPECT_EQ(parser.retry(), std::chrono::milliseconds(1500));
  parse(parser, "retry: 99999999999999999999999999999999999\n\n", {100});
  EXPECT_GT(*parser.retry(), std::chrono::hours(24 * 365));
}

TEST(Sse, KnowsWhenTheStreamWasCutInsideAnEvent) {
  SseParser parser;
  EXPECT_FALSE(parser.mid_event());
  parse(parser, "data: a\n", {100});
  EXPECT_TRUE(parser.mid_event());
  parse(parser, "\n", {100});
  EXPECT_FALSE(parser.mid_event());
  parse(parser, ": just a comm", {100});
  EXPECT_FALSE(parser.mid_event());
  parse(parser, "ent\nda", {100});
  EXPECT_TRUE(parser.mid_event());
  parser.reset();
  EXPECT_FALSE(parser.mid_event());
  EXPECT_THAT(parse(parser,
                    "\xEF\xBB\xBF"
                    "data: x\n\n",
                    {1}),
              ElementsAre(Event{"message", "x", ""}));
}

TEST(Sse, GivesTheSameEventsHoweverTheBytesAreCut) {
  const std::string streams[] = {
      "\xEF\xBB\xBF"
      "event: a\r\ndata: 1\r\ndata: 2\r\n\r\n:x\rdata: 3\r\rid: q\n\n\ndata: \xF0\x9F\x90\xB3\n\nretry: 10\n",
      "\xEF\xBB"
      "data: x\n\ndata: y\n\n",
      "\n\r\n\r\r\ndata\r\n\r\ndata:\r\rdata: :\n\r\n\r",
      ": comment\r\ndata:   spaced  \r\n\r\ndat: no\ndata:yes\n\n",
  };
  for (const std::string& stream : streams) {
    const auto expected = reference::interpret(stream);
    for (std::size_t first = 1; first <= stream.size(); ++first) {
      for (std::size_t then : {std::size_t{1}, std::size_t{2}, std::size_t{3}, stream.size()}) {
        SseParser parser;
        ASSERT_EQ(parse(parser, stream, {first, then}), expected.events)
            << stream << " at " << first << ", " << then;
        EXPECT_EQ(parser.last_event_id(), expected.last_id);
      }
    }
  }
}

TEST(Sse, AgreesWithTheReferenceOnRandomStreams) {
  std::mt19937 random(20240611);  // NOLINT: the same streams each run
  const std::string_view alphabet[] = {"data",
                                       ":",
                                       " ",
                                       "\n",
                                       "\r",
                                       "\r\n",
                                       "id",
                                       "event",
                                       "retry",
                                       "x",
                                       "7",
                                       "\xC3\xBC",
                                       "\xEF\xBB\xBF",
                                       std::string_view("\0", 1),
                                       "data: {\"a\":1}\n\n"};
  for (int round = 0; round < 20000; ++round) {
    std::string stream;
    const auto parts = random() % 40;
    for (unsigned i = 0; i < parts; ++i) stream += alphabet[random() % std::size(alphabet)];
    std::vector<std::size_t> sizes;
    for (int i = 0; i < 16; ++i) sizes.push_back(1 + random() % 9);
    SseParser parser;
    const auto expected = reference::interpret(stream);
    ASSERT_EQ(parse(parser, stream, sizes), expected.events) << ::testing::PrintToString(stream);
    EXPECT_EQ(parser.last_event_id(), expected.last_id);
    EXPECT_EQ(parser.retry().has_value(), expected.retry.has_value());
    if (parser.retry() && expected.retry) {
      EXPECT_EQ(parser.retry()->count(), *expected.retry);
    }
  }
}

TEST(Sse, RefusesAnEventOverTheLimitHoweverItIsCut) {
  const std::string fits = "event: e\ndata: " + std::string(20 - 8 - 6, 'x') + "\n\n";  // 20 bytes of lines
  const std::string over = "event: e\ndata: " + std::string(21 - 8 - 6, 'x') + "\n\n";
  for (std::size_t cut = 1; cut < over.size(); ++cut) {
    SseParser parser({.event_bytes = 20});
    EXPECT_EQ(parse(parser, fits + fits, {cut}).size(), 2U);
    auto result = attempt([&] { parse(parser, over, {cut}); });
    ASSERT_FALSE(result.ok()) << cut;
    EXPECT_EQ(result.error().code(), ErrorCode::resource_exhausted);
    EXPECT_THAT(result.error().message(), HasSubstr("20 bytes"));
    EXPECT_FALSE(attempt([&] { parse(parser, fits, {100}); }).ok()) << "a failed stream stays failed";
    parser.reset();
    EXPECT_EQ(parse(parser, fits, {cut}).size(), 1U);
  }
}

TEST(Sse, LimitsALineThatNeverEndsAndManySmallLines) {
  SseParser endless({.event_bytes = 1000});
  EXPECT_FALSE(attempt([&] { parse(endless, std::string(1001, 'x'), {7}); }).ok());
  SseParser lines({.event_bytes = 1000});
  std::string ids;
  for (int i = 0; i < 501; ++i) ids += "id\n";
  EXPECT_FALSE(attempt([&] { parse(lines, ids, {7}); }).ok());
  SseParser comments({.event_bytes = 1000});
  EXPECT_THAT(parse(comments, ":" + std::string(100'000, 'c') + "\ndata: x\n\n", {999}),
              ElementsAre(Event{"message", "x", ""}));
}

TEST(Sse, DoesNotCopyAnEventThatLiesInOneChunk) {
  const std::string chunk = "data: hello\n\n";
  SseParser parser;
  parser.push(chunk);
  const SseEvent* event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->data.data(), chunk.data() + 6);
}

TEST(Sse, ReadsAGigabyteInConstantMemory) {
  std::string chunk;
  const std::string event = "id: 12345\ndata: " + std::string(240, 'x') + "\n\n";
  while (chunk.size() < (1U << 20U)) chunk += event;
  chunk += "data: the last event of a chunk is cut ";  // so that each chunk exercises the gathering path, too
  SseParser parser;
  std::size_t bytes = 0;
  std::size_t events = 0;
  std::optional<std::size_t> heap_after_warm_up;
  while (bytes < (std::size_t{1} << 30U)) {
    parser.push(chunk);
    while (parser.next() != nullptr) ++events;
    parser.push("here\n\n");
    while (parser.next() != nullptr) ++events;
    bytes += chunk.size() + 6;
    if (!heap_after_warm_up) heap_after_warm_up = testing_support::heap_in_use();
  }
  if (const auto heap = testing_support::heap_in_use()) {
    EXPECT_LT(*heap, *heap_after_warm_up + 64 * 1024);  // threads of other tests may still end meanwhile
  }
  EXPECT_GT(events, (std::size_t{1} << 30U) / (event.size() + 1));
}

TEST(Sse, PullsFromASource) {
  struct Source {
    std::vector<std::string> chunks;
    std::size_t turn = 0;
    std::string_view read() {
      return turn < chunks.size() ? std::string_view(chunks[turn++]) : std::string_view();
    }
  } source{{"da", "ta: 1\n", "\ndata: 2\n\ndata: 3"}};
  SseParser parser;
  std::string seen;
  while (const SseEvent* event = parser.next_from(source)) seen += event->data;
  EXPECT_EQ(seen, "12");
  EXPECT_TRUE(parser.mid_event());
}

}  // namespace
}  // namespace beluga
