#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/result.hpp"
#include "beluga/cost/price_table.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::vector<ChatChunk>> endless_calls() {
  std::vector<std::vector<ChatChunk>> turns;
  for (int i = 0; i < 50; ++i)
    turns.push_back({call(0, "c" + std::to_string(i), "a"), end(StopReason::tool_calls)});
  return turns;
}

TEST(Agent, EndsAtItsStepBudgetAndNamesIt) {
  const auto sessions = memory_sessions();
  std::atomic<int> ran{0};
  const auto model = script(endless_calls());
  const Agent agent{
      {.model = model,
       .tools = {tool_of(
           "a", [&](const Json&, const ToolCallInfo&) { return ++ran, ToolOutput{.content = "A"}; })},
       .budget = {.max_steps = 3},
       .sessions = sessions}};
  RunInput input("go");
  input.session = "s";
  const auto events = events_of(agent, input);
  EXPECT_EQ(failure(ending(events)).code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(failure(ending(events)).message(),
              AllOf(HasSubstr("step budget of 3"), HasSubstr("Budget::max_steps")));
  EXPECT_EQ(model->requests().size(), 3U);
  EXPECT_EQ(ran, 2);  // the calls of the last turn could not be answered any more
  std::vector<Message> stored;
  for (const SessionEntry& entry : sessions->load("s")) stored.push_back(entry.message);
  EXPECT_EQ(transcript_fault(stored), "");
}

TEST(Agent, EndsAtItsTokenBudgetBeforeTheNextCall) {
  const auto model = script(endless_calls());
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .budget = {.max_tokens = 50}}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(failure(last).message(),
              AllOf(HasSubstr("token budget of 50"), HasSubstr("Budget::max_tokens")));
  // 15 tokens each: after two, 20 are left, of which the third prompt alone would take 15.
  EXPECT_EQ(model->requests().size(), 2U);
}

// A budget that forgot what nobody counted would never end.
TEST(Agent, UsageThatIsNotReportedCountsAsWhatWasSetAside) {
  std::vector<std::vector<ChatChunk>> turns;
  for (int i = 0; i < 50; ++i)
    turns.push_back({call(0, "c" + std::to_string(i), "a"), end(StopReason::tool_calls, Usage{})});
  const auto model = script(turns);
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_steps = 50, .max_tokens = 1000},
                     .max_output_tokens = 300}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_THAT(failure(last).message(), HasSubstr("token budget of 1000"));
  EXPECT_LE(model->requests().size(), 4U);
}

TEST(Agent, TokensWithoutAPriceCountAsWhatWasSetAside) {
  std::vector<std::vector<ChatChunk>> turns;
  for (int i = 0; i < 50; ++i)
    turns.push_back({call(0, "c" + std::to_string(i), "a"),
                     end(StopReason::tool_calls, Usage{.input = 1, .cache_read = 1, .output = 1})});
  const auto model = script(turns);
  PriceTable table;  // has no price for what a cache served
  table.set("test/model-1", {.input = Usd::parse("1"), .output = Usd::parse("10")});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_steps = 50, .max_cost = Usd::parse("0.01")},
                     .max_output_tokens = 300,
                     .prices = std::make_shared<const PriceTable>(std::move(table))}};
  EXPECT_THAT(failure(ending(events_of(agent, "go"))).message(), HasSubstr("cost budget of $0.01"));
  EXPECT_LE(model->requests().size(), 4U);  // $0.003 each
}

TEST(Agent, NearTheEndOfItsTokenBudgetAnAnswerIsLimitedToWhatIsLeft) {
  const auto model = script({{call(0, "c", "a"), end(StopReason::tool_calls, {.input = 100, .output = 20})}});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_tokens = 400},
                     .max_output_tokens = 300}};
  EXPECT_NE(ending(events_of(agent, "go")).get_if<RunCompleted>(), nullptr);
  const auto requests = model->requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].max_output_tokens, 300);
  EXPECT_EQ(requests[1].max_output_tokens, 160);  // 400 - 120 spent - 120 that are known to be in the prompt
}

std::shared_ptr<const PriceTable> prices() {
  PriceTable table;
  table.set("test/model-1", {.input = Usd::parse("1"), .output = Usd::parse("10")});
  return std::make_shared<const PriceTable>(std::move(table));
}

TEST(Agent, SaysExactlyWhatItCost) {
  const auto model =
      script({{call(0, "c", "a"), end(StopReason::tool_calls, {.input = 1000, .output = 50})},
              {text("A"), end(StopReason::end, {.input = 1100, .output = 10, .reasoning = 5})}});
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .prices = prices()}};
  const Event last = ending(events_of(agent, "go"));
  ASSERT_NE(last.get_if<RunCompleted>(), nullptr);
  EXPECT_EQ(last.get_if<RunCompleted>()->summary.cost, Usd::parse("0.00275"));
}

TEST(Agent, SaysNoCostThatItDoesNotKnow) {
  const auto cost_of_run = [](ChatModelPtr model, std::shared_ptr<const PriceTable> table) {
    const Agent agent{{.model = std::move(model), .prices = std::move(table)}};
    const Event last = ending(events_of(agent, "go"));
    const auto* failed = last.get_if<RunFailed>();
    return failed != nullptr ? failed->summary.cost : last.get_if<RunCompleted>()->summary.cost;
  };
  EXPECT_EQ(cost_of_run(script({{text("A"), end()}}), nullptr), std::nullopt);  // no price
  EXPECT_EQ(cost_of_run(script({{text("A"), end(StopReason::end, {})}}), prices()),
            std::nullopt);  // no usage
  EXPECT_EQ(cost_of_run(script({{text("A"), end(StopReason::end, {.cache_read = 1})}}), prices()),
            std::nullopt);
  EXPECT_EQ(cost_of_run(script({{text("A")}}), prices()), std::nullopt);  // cut in the middle of the answer
  EXPECT_TRUE(cost_of_run(script({{text("A"), end()}}), prices()));
}

TEST(Agent, EndsAtItsCostBudgetBeforeTheNextCall) {
  const auto model = script(endless_calls());  // $0.00006 each, of which the next prompt repeats $0.000015
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_cost = Usd::parse("0.00025")},
                     .prices = prices()}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(failure(last).message(),
              AllOf(HasSubstr("cost budget of $0.00025"), HasSubstr("Budget::max_cost")));
  EXPECT_EQ(model->requests().size(), 2U);
  EXPECT_EQ(last.get_if<RunFailed>()->summary.cost, Usd::parse("0.00012"));
}

TEST(Agent, ACostBudgetNeedsAPrice) {
  const auto model = script({});
  const Agent agent{{.model = model, .budget = {.max_cost = Usd::parse("1")}}};
  const Error error = failure(ending(events_of(agent, "go")));
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("test/model-1"), HasSubstr("AgentOptions::prices")));
  EXPECT_TRUE(model->requests().empty());
}

/// Asks `child` whatever it is asked; on the pool, as most tools are.
ToolPtr ask(std::string name, Agent child, std::vector<RunInfo>* seen = nullptr) {
  return tool_of(std::move(name),
                 [child = std::move(child), seen](const Json&, const ToolCallInfo&) {
                   std::string answer;
                   for (const Event& event : child.stream("sub question")) {
                     if (event.get_if<RunStarted>() != nullptr && seen != nullptr)
                       seen->push_back(*event.run);
                     if (const auto* completed = event.get_if<RunCompleted>())
                       answer = completed->message.text();
                     if (const auto* failed = event.get_if<RunFailed>()) raise(failed->error);
                   }
                   return ToolOutput{.content = answer};
                 },
                 {});
}

TEST(Agent, ARunThatAToolStartsKnowsItsParentAndItsPath) {
  std::vector<RunInfo> seen;
  const Agent leaf{{.name = "researcher", .model = script({{text("found"), end()}})}};
  const Agent middle{
      {.name = "lead",
       .model = script({{call(0, "m", "ask"), end(StopReason::tool_calls)}, {text("ok"), end()}}),
       .tools = {ask("ask", leaf, &seen)}}};
  const Agent root{
      {.name = "assistant",
       .model = script({{call(0, "r", "ask"), end(StopReason::tool_calls)}, {text("ok"), end()}}),
       .tools = {ask("ask", middle, &seen)}}};
  const auto events = events_of(root, "go");
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(events.front().run->agent_path, "assistant");
  EXPECT_EQ(seen[0].agent_path, "assistant/lead");
  EXPECT_EQ(seen[0].parent_id, events.front().run->run_id);
  EXPECT_EQ(seen[1].agent_path, "assistant/lead/researcher");
  EXPECT_EQ(seen[1].parent_id, seen[0].run_id);
}

TEST(Agent, AParentGivenWithTheInputIsTakenAtItsWord) {
  const Agent agent{{.name = "worker", .model = script({{text("A"), end()}})}};
  RunInput input("go");
  input.parent_run_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  input.parent_path = "boss/lead";
  const auto events = events_of(agent, input);
  EXPECT_EQ(events.front().run->agent_path, "boss/lead/worker");
  EXPECT_EQ(events.front().run->parent_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
}

// Eight child runs at once spend from what their parent may spend, and never more.
TEST(Agent, RunsThatItsToolsStartShareItsTokenBudget) {
  std::atomic<int> calls{0};
  const auto spender = model_of([&](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    ++calls;
    yield(call(0, "", "again"));
    yield(end(StopReason::tool_calls, {.input = 60, .output = 40}));
  });
  const Agent child{{.name = "child",
                     .model = spender,
                     .tools = {constant_tool("again", "go on")},
                     .max_output_tokens = 40}};
  std::vector<ChatChunk> fan_out;
  for (std::uint32_t i = 0; i < 8; ++i) fan_out.push_back(call(i, "c" + std::to_string(i), "ask"));
  fan_out.push_back(end(StopReason::tool_calls, {.input = 50, .output = 50}));
  const Agent root{
      {.model = script({fan_out}), .tools = {ask("ask", child)}, .budget = {.max_tokens = 2000}}};
  const Event last = ending(events_of(root, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_GE(calls, 8);
  EXPECT_LE(
      calls,
      19 + 8);  // 100 each of the 1,900 that are left; a first prompt's length is not known before its call
}

std::vector<ChatChunk> again(Usage usage) {
  return {call(0, "", "a"), end(StopReason::tool_calls, usage)};
}

// An answer of a few tokens is not worth its prompt, and some endpoints refuse to be asked for one.
TEST(Agent, MakesNoCallThatLeavesNoRoomForAnAnswer) {
  const auto model = script({again({.input = 100, .output = 20})});
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .budget = {.max_tokens = 250}}};
  EXPECT_EQ(failure(ending(events_of(agent, "go"))).code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(model->requests().size(), 1U);  // 130 are left, the prompt takes 120
}

TEST(Agent, AnOutputLimitWithoutEndIsLimitedByTheBudget) {
  const auto model = script({again({.input = 100, .output = 20})});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_tokens = 1000, .max_cost = Usd::parse("1000")},
                     .max_output_tokens = std::numeric_limits<std::int64_t>::max(),
                     .prices = prices()}};
  EXPECT_NE(ending(events_of(agent, "go")).get_if<RunCompleted>(), nullptr);
  EXPECT_EQ(model->requests().at(0).max_output_tokens, 1000);
  EXPECT_EQ(model->requests().at(1).max_output_tokens, 760);
}

// What a cache served once it may have forgotten by the next call.
TEST(Agent, ReservesForAPromptAsIfNoCacheServedIt) {
  PriceTable table;
  table.set("test/model-1",
            {.input = Usd::parse("1"), .cache_read = Usd::parse("0.1"), .output = Usd::parse("10")});
  const auto model = script({again({.input = 100, .cache_read = 100'000, .output = 10})});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_cost = Usd::parse("0.05")},
                     .prices = std::make_shared<const PriceTable>(std::move(table))}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(model->requests().size(), 1U);  // $0.0398 are left; the prompt may cost $0.1
}

TEST(Agent, AnEmptyAnswerIsNotPartOfTheNextPrompt) {
  const auto model = script({{end(StopReason::end, {.input = 100, .output = 200})}, {text("A"), end()}});
  const Agent agent{{.model = model, .budget = {.max_tokens = 600}, .max_output_tokens = 200}};
  EXPECT_NE(ending(events_of(agent, "go")).get_if<RunCompleted>(), nullptr);
  ASSERT_EQ(model->requests().size(), 2U);
  EXPECT_EQ(model->requests()[1].max_output_tokens, 200);
}

// What it costs nobody reports, and it was billed all the same.
TEST(Agent, AnAnswerThatIsBegunAnewCountsTwice) {
  const auto model = script({{text("half an ans"), ResponseRestart{}, text("call"), call(0, "", "a"),
                              end(StopReason::tool_calls, {.input = 100, .output = 20})}});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_tokens = 700},
                     .max_output_tokens = 300,
                     .prices = prices()}};
  const Event last = ending(events_of(agent, "go"));
  ASSERT_NE(last.get_if<RunCompleted>(), nullptr);
  EXPECT_EQ(last.get_if<RunCompleted>()->summary.cost, std::nullopt);
  EXPECT_EQ(model->requests().at(1).max_output_tokens, 160);  // 700 - 300 - 120 spent - 120 in the prompt
}

/// The output limit of the second call of a run with 1,000 tokens, whose first call takes 15 and starts `child`.
std::optional<std::int64_t> left_after(const Agent& child) {
  const auto model = script({{call(0, "c", "ask"), end(StopReason::tool_calls)}});
  const Agent root{{.model = model,
                    .tools = {ask("ask", child)},
                    .budget = {.max_tokens = 1000},
                    .max_output_tokens = 1000}};
  EXPECT_NE(ending(events_of(root, "go")).get_if<RunCompleted>(), nullptr);
  return model->requests().at(1).max_output_tokens;
}

TEST(Agent, AnAnswerThatBreaksOffCountsAsWhatWasSetAside) {
  const Agent child{{.name = "child", .model = script({{text("half an ans")}}), .max_output_tokens = 300}};
  EXPECT_EQ(left_after(child), 1000 - 15 - 300 - 15);
  const Agent silent{{.name = "child", .model = script({{}}), .max_output_tokens = 300}};
  EXPECT_EQ(left_after(silent), 1000 - 15 - 15);  // nothing was answered, nothing billed
}

/// A model that asks an agent of its own before it answers.
std::shared_ptr<FunctionModel> guarded(Agent guard, std::vector<std::vector<ChatChunk>> turns,
                                       std::vector<RunInfo>* seen = nullptr) {
  return model_of([guard = std::move(guard), turns = std::move(turns), seen](
                      std::size_t turn, const ChatRequest&, Yield<ChatChunk>& yield) {
    for (const Event& event : guard.stream("is it?")) {
      if (seen != nullptr && event.get_if<RunStarted>() != nullptr) seen->push_back(*event.run);
      if (const auto* failed = event.get_if<RunFailed>()) raise(failed->error);
    }
    for (ChatChunk chunk : turns.at(turn)) yield(chunk);
  });
}

// It would wait for its own caller if it spent from the same ledger.
TEST(Agent, ARunInsideItsModelSpendsWhatIsSetAsideForThatCall) {
  const Agent guard{{.name = "guard",
                     .model = model_of([](auto, const auto&, Yield<ChatChunk>& yield) {
                       yield(text("fine"));
                       yield(end(StopReason::end, {.input = 30, .output = 10}));
                     }),
                     .prices = prices()}};
  std::vector<RunInfo> seen;
  const auto turn = again({.input = 100, .output = 20});
  const auto model = guarded(guard, {turn, turn, turn}, &seen);
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A")},
                     .budget = {.max_tokens = 400, .max_cost = Usd::parse("100")},
                     .prices = prices()}};
  const auto events = events_of(agent, "go");
  EXPECT_THAT(failure(ending(events)).message(), HasSubstr("token budget of 400"));
  EXPECT_EQ(model->requests().size(), 2U);  // 160 each: 80 are left, the prompt takes 120
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].parent_id, events.front().run->run_id);
  EXPECT_EQ(seen[0].agent_path, "assistant/guard");
}

TEST(Agent, ARunInsideItsModelEndsWhenThatIsSpent) {
  const auto spender = model_of([](auto, const auto&, Yield<ChatChunk>& yield) {
    for (ChatChunk chunk : again({.input = 60, .output = 40})) yield(chunk);
  });
  const Agent guard{{.name = "guard", .model = spender, .tools = {constant_tool("a", "A")}}};
  const Agent agent{{.model = guarded(guard, {{text("A"), end()}}), .budget = {.max_tokens = 1000}}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_LE(spender->requests().size(), 10U);
}

TEST(Agent, WhatARunInsideAFailedModelCallSpentIsSpent) {
  const Agent guard{
      {.name = "guard", .model = script({{text("no"), end(StopReason::end, {.input = 130, .output = 20})}})}};
  const auto failing = guarded(guard, {{}});
  const Agent child{{.name = "child", .model = failing}};
  EXPECT_EQ(left_after(child), 1000 - 15 - 150 - 15);
}

TEST(Agent, EndsAtItsTimeBudgetInASilentModelAndInASlowTool) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  const auto run = [&](const Agent& agent) {
    return runtime.run([&] { return events_of(agent, "go").back(); });
  };

  const auto silent = model_of([](std::size_t, const ChatRequest&, Yield<ChatChunk>&) { sleep_for(24h); });
  const Event model_end = run(Agent{{.model = silent, .budget = {.max_time = 30s}}});
  EXPECT_EQ(failure(model_end).code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(failure(model_end).message(),
              AllOf(HasSubstr("time budget of 30s"), HasSubstr("the model call"), HasSubstr("max_time")));
  EXPECT_EQ(model_end.get_if<RunFailed>()->summary.elapsed, 30s);

  const auto slow =
      tool_of("a", [](const Json&, const ToolCallInfo&) { return sleep_for(24h), ToolOutput{}; },
              {.inline_call = true, .timeout = 0s});
  const Event tool_end =
      run(Agent{{.model = script(endless_calls()), .tools = {slow}, .budget = {.max_time = 30s}}});
  EXPECT_EQ(failure(tool_end).code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(failure(tool_end).message(), HasSubstr("the tool calls"));
}

}  // namespace
}  // namespace beluga
