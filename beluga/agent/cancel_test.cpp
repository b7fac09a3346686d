#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/store/database.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Agent, CancelsASilentModelWithinTenMilliseconds) {
  Duration best = 1h;
  for (int i = 0; i < 5; ++i) {
    Signal asked;
    const auto silent = model_of([&](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
      yield(text("thinking"));
      asked.set();
      sleep_for(1h);
    });
    const Agent agent{{.model = silent}};
    beluga::Run run = agent.start("go", {});
    asked.wait();
    const TimePoint before = Clock::system().now();
    run.cancel("enough");
    const auto reply = attempt([&] { return run.result(); });
    best = std::min(best, Clock::system().now() - before);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code(), ErrorCode::cancelled);
    EXPECT_THAT(reply.error().message(), HasSubstr("enough"));
  }
  EXPECT_LT(best, 10ms);
}

TEST(Agent, ACancelledRunKeepsWhatIsDoneAndCanBeContinued) {
  const auto sessions = memory_sessions();
  Signal one_settled;
  std::atomic<bool> told_to_stop{false};
  const auto model = script(
      {{text("Working"), call(0, "hangs", "hangs"), call(1, "quick", "quick"), end(StopReason::tool_calls)}});
  const auto hangs = tool_of("hangs", [&](const Json&, const ToolCallInfo&) {
    const auto waited = attempt([] { sleep_for(1h); });
    told_to_stop = !waited.ok();
    return waited.value(), ToolOutput{};
  });
  const Agent agent{{.model = model, .tools = {hangs, constant_tool("quick", "Q")}, .sessions = sessions}};
  RunInput input("go");
  input.session = "s";
  std::vector<Event> events;
  beluga::Run run = agent.start(input, [&](const Event& event) {
    events.push_back(event);
    if (event.get_if<ToolCallFinished>() != nullptr) one_settled.set();
  });
  one_settled.wait();
  run.cancel();
  EXPECT_FALSE(attempt([&] { return run.result(); }).ok());
  EXPECT_TRUE(told_to_stop);
  EXPECT_NE(ending(events).get_if<RunCancelled>(), nullptr);

  RunInput more("and now?");
  more.session = "s";
  EXPECT_EQ(agent.invoke(more).text(), "done");
  const ChatRequest request = model->requests().at(1);
  EXPECT_EQ(transcript_fault(request.messages), "");
  EXPECT_EQ(result_of(request, "quick"), "Q");
  EXPECT_THAT(result_of(request, "hangs"), AllOf(HasSubstr("ERROR"), HasSubstr("cancelled")));
}

TEST(Agent, ACancelledRunKeepsThePartialText) {
  const auto sessions = open_sessions(Database::open({.path = ":memory:"}));  // it obeys the context, too
  Signal told;
  const auto model = model_of([&](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    yield(text("The first half"));
    yield(call(0, "c", "a", "{\"n"));
    told.set();
    sleep_for(1h);
  });
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .sessions = sessions}};
  RunInput input("go");
  input.session = "s";
  std::vector<Event> events;
  beluga::Run run = agent.start(input, [&](const Event& event) { events.push_back(event); });
  told.wait();
  run.cancel();
  EXPECT_FALSE(attempt([&] { return run.result(); }).ok());
  const auto* cancelled = ending(events).get_if<RunCancelled>();
  ASSERT_NE(cancelled, nullptr);
  EXPECT_EQ(cancelled->partial_text, "The first half");
  const auto stored = sessions->load("s");
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_TRUE(stored[1].partial);
  EXPECT_EQ(stored[1].message.text(), "The first half");
  EXPECT_TRUE(stored[1].message.tool_calls().empty());
}

void destroy_after_any_event(bool on_fiber) {
  for (std::size_t stop_after = 1; stop_after < 12; ++stop_after) {
    const auto sessions = memory_sessions();
    const auto model =
        script({{text("one"), call(0, "c1", "a"), call(1, "c2", "a"), end(StopReason::tool_calls)},
                {text("two"), end()}});
    const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .sessions = sessions}};
    RunInput input("go");
    input.session = "s";
    const auto pull = [&] {
      Stream<Event> stream = agent.stream(input);
      for (std::size_t i = 0; i < stop_after && stream.next() != nullptr; ++i) {
      }
    };
    on_fiber ? Runtime::current().run(pull) : pull();
    std::vector<Message> stored;
    if (sessions->find("s"))
      for (const SessionEntry& entry : sessions->load("s")) stored.push_back(entry.message);
    EXPECT_EQ(transcript_fault(stored), "") << "after " << stop_after << " events";
  }
}

TEST(Agent, DestroyingTheStreamCancelsTheRunAfterAnyEvent) {
  destroy_after_any_event(true);
}
TEST(Agent, DestroyingTheStreamOnAPlainThreadCancelsTheRunAfterAnyEvent) {
  destroy_after_any_event(false);
}

TEST(Agent, AToolDoesNotRunWhenTheListenerLeavesAtItsStart) {
  for (const bool on_fiber : {true, false}) {
    std::atomic<int> ran{0};
    const Agent agent{{.model = script({{text("x"), call(0, "c1", "a"), end(StopReason::tool_calls)}}),
                       .tools = {tool_of("a", [&](const Json&, const ToolCallInfo&) {
                         return ++ran, ToolOutput{.content = "A"};
                       })}}};
    const auto leave = [&] {
      for (const Event& event : agent.stream("go"))
        if (event.get_if<ToolCallStarted>() != nullptr) break;
    };
    on_fiber ? Runtime::current().run(leave) : leave();
    EXPECT_EQ(ran, 0);
  }
}

TEST(Agent, StreamsToAPlainThread) {
  const Agent agent{{.model = script({{text("a"), text("b"), end()}})}};
  std::string words;
  for (const Event& event : agent.stream("go"))
    if (const auto* delta = event.get_if<TextDelta>()) words += delta->text;
  EXPECT_EQ(words, "ab");
}

// The loop over the events stands in the very context that is cancelled.
TEST(Agent, AListenerThatIsCancelledWithItsRunHearsTheEnd) {
  Runtime runtime({.workers = 1});
  runtime.run([] {
    const auto silent = model_of([](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
      yield(text("partial"));
      sleep_for(24h);
    });
    const Agent agent{{.model = silent}};
    const CancelSource source(Context::current().cancel_token());
    const ContextScope scope(Context::current().with_cancel(source.token()));
    std::vector<Event> events;
    for (const Event& event : agent.stream("go")) {
      events.push_back(event);
      if (event.get_if<TextDelta>() != nullptr) source.cancel(Error(ErrorCode::cancelled, "user left"));
    }
    const auto* cancelled = ending(events).get_if<RunCancelled>();
    ASSERT_NE(cancelled, nullptr);
    EXPECT_EQ(cancelled->partial_text, "partial");
    EXPECT_THAT(cancelled->cause.message(), HasSubstr("user left"));
  });
}

}  // namespace
}  // namespace beluga
