#include "beluga/agent/agent.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;

TEST(Agent, ContinuesASession) {
  const auto sessions = memory_sessions();
  const auto model = script(
      {{call(0, "c1", "a"), end(StopReason::tool_calls)}, {text("first"), end()}, {text("second"), end()}});
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .sessions = sessions}};
  RunInput input("one");
  input.session = "s";
  agent.invoke(input);
  input.messages = {Message::user("two")};
  agent.invoke(input);
  const ChatRequest last = model->requests().at(2);
  ASSERT_EQ(last.messages.size(), 5U);  // one, call, result, first, two
  EXPECT_EQ(last.messages[3].text(), "first");
  EXPECT_EQ(last.messages[4].text(), "two");
  EXPECT_EQ(sessions->find("s")->usage, (Usage{.input = 30, .output = 15}));
  EXPECT_EQ(sessions->load("s")[1].model, "model-1-real");
}

TEST(Agent, TheSecondOfTwoRunsInOneSessionFailsWithAConflictAndStopsItsTools) {
  const auto sessions = memory_sessions();
  const auto other_writer = tool_of("a", [&](const Json&, const ToolCallInfo&) {
    std::vector<SessionEntry> entries(1);
    entries[0].message = Message::user("me too");
    sessions->append("s", sessions->find("s")->last_seq, std::move(entries));
    return ToolOutput{.content = "A"};
  });
  std::atomic<bool> told_to_stop{false};
  const auto hangs = tool_of("hangs", [&](const Json&, const ToolCallInfo&) {
    const auto waited = attempt([] { sleep_for(1h); });
    told_to_stop = !waited.ok();
    return waited.value(), ToolOutput{};
  });
  const Agent agent{
      {.model = script({{call(0, "h", "hangs"), call(1, "c", "a"), end(StopReason::tool_calls)}}),
       .tools = {other_writer, hangs},
       .sessions = sessions}};
  RunInput input("one");
  input.session = "s";
  EXPECT_EQ(failure(ending(events_of(agent, input))).code(), ErrorCode::aborted);
  EXPECT_TRUE(told_to_stop);
}

TEST(Agent, SaysThatASessionNeedsAStore) {
  RunInput input("one");
  input.session = "s";
  EXPECT_EQ(failure(ending(events_of(Agent{{.model = script({})}}, input))).code(),
            ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace beluga
