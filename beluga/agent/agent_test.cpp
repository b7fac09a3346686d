#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>

#include "beluga/agent/internal/loop.hpp"
#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/internal/stack.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/llm/providers/openai/internal/chat_request.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- the transcript

TEST(Agent, SendsExactlyTheseFiveRequests) {
  const auto model = script({
      {text("Let me "), text("look."), call(0, "c1", "a", R"({"n")"), call(1, "c2", "b"),
       call(0, "", "", ":1}"), end(StopReason::tool_calls)},
      {call(0, "c3", "b"), end(StopReason::tool_calls)},
      {text("Hm."), call(0, "c4", "a"), call(1, "c5", "a"), call(2, "c6", "b"), end(StopReason::tool_calls)},
      {call(0, "c7", "a"), end(StopReason::tool_calls)},
      {text("The answer "), text("is 42."), end()},
  });
  std::atomic<int> calls{0};
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A"),
                               tool_of("b",
                                       [&](const Json&, const ToolCallInfo&) {
                                         return ToolOutput{.content = "B" + std::to_string(++calls)};
                                       })},
                     .persona = {.role = "tester"},
                     .instructions = "Be exact.",
                     .temperature = 0.5}};
  const auto events = events_of(agent, "question");
  const auto* done = ending(events).get_if<RunCompleted>();
  ASSERT_NE(done, nullptr);
  EXPECT_EQ(done->message.text(), "The answer is 42.");
  EXPECT_EQ(done->summary.steps, 5U);
  EXPECT_EQ(done->summary.tool_calls, 7U);
  EXPECT_EQ(done->summary.usage, (Usage{.input = 50, .output = 25}));

  const std::string system = to_json(Message::system("Role: tester\n\nBe exact.")).dump();
  const std::string user = to_json(Message::user("question")).dump();
  const auto result = [](const char* id, const char* name, const char* content) {
    return "," + to_json(Message::tool({.call_id = id, .name = name, .content = content})).dump();
  };
  const auto turn = [](const char* words, std::vector<ToolCall> made) {
    Message message{.role = Role::assistant};
    if (*words != '\0') message.parts.push_back(Text{words});
    for (ToolCall& one : made) message.parts.push_back(std::move(one));
    return "," + to_json(message).dump();
  };
  const std::string tail =
      R"(],"tools":[{"name":"a","description":"A test tool.","parameters":{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}},)"
      R"({"name":"b","description":"A test tool.","parameters":{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}}],"temperature":0.5})";
  const std::string first = R"({"messages":[)" + system + "," + user;
  const std::string second = first + turn("Let me look.", {{"c1", "a", R"({"n":1})"}, {"c2", "b", "{}"}}) +
                             result("c1", "a", "A") + result("c2", "b", "B1");
  const std::string third = second + turn("", {{"c3", "b", "{}"}}) + result("c3", "b", "B2");
  const std::string fourth = third + turn("Hm.", {{"c4", "a", "{}"}, {"c5", "a", "{}"}, {"c6", "b", "{}"}}) +
                             result("c4", "a", "A") + result("c5", "a", "A") + result("c6", "b", "B3");
  const std::string fifth = fourth + turn("", {{"c7", "a", "{}"}}) + result("c7", "a", "A");
  EXPECT_THAT(bodies_of(*model),
              ElementsAre(first + tail, second + tail, third + tail, fourth + tail, fifth + tail));
}

/// The same through the OpenAI mapping: what goes over the wire, byte for byte, of five turns.
TEST(Agent, SendsExactlyTheseFiveBodiesToOpenAi) {
  const auto model = script({
      {text("Look."), call(0, "c1", "a", R"({"n":1})"), call(1, "c2", "b"), end(StopReason::tool_calls)},
      {call(0, "c3", "b"), end(StopReason::tool_calls)},
      {call(0, "c4", "a"), call(1, "c5", "nonsuch"), end(StopReason::tool_calls)},
      {call(0, "c6", "a"), end(StopReason::tool_calls)},
      {text("42"), end()},
  });
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "A"), constant_tool("b", "B")},
                     .instructions = "Be exact."}};
  EXPECT_EQ(agent.invoke("question").text(), "42");

  std::vector<Json> bodies;
  for (const ChatRequest& request : model->requests())
    bodies.push_back(Json::parse(llm::openai::chat_request_body(request, "gpt-4o", {})));
  ASSERT_EQ(bodies.size(), 5U);
  const auto message = [](std::string_view role, std::string_view content) {
    return Json::object({{"role", role}, {"content", content}});
  };
  const auto calls = [](Json content, const std::vector<ToolCall>& made) {
    Json out = Json::object({{"role", "assistant"}, {"content", std::move(content)}});
    for (const ToolCall& one : made)
      out["tool_calls"].push_back(
          Json::object({{"id", one.id},
                        {"type", "function"},
                        {"function", Json::object({{"name", one.name}, {"arguments", one.arguments}})}}));
    return out;
  };
  const auto result = [](std::string_view id, std::string_view content) {
    return Json::object({{"role", "tool"}, {"tool_call_id", id}, {"content", content}});
  };
  const std::string unknown = result_of(model->requests().at(3), "c5").substr(std::string("ERROR ").size());
  Json expected = Json::array({message("system", "Be exact."), message("user", "question")});
  const std::vector<std::vector<Json>> added = {
      {calls("Look.", {{"c1", "a", R"({"n":1})"}, {"c2", "b", "{}"}}), result("c1", "A"), result("c2", "B")},
      {calls(nullptr, {{"c3", "b", "{}"}}), result("c3", "B")},
      {calls(nullptr, {{"c4", "a", "{}"}, {"c5", "nonsuch", "{}"}}), result("c4", "A"),
       result("c5", unknown)},
      {calls(nullptr, {{"c6", "a", "{}"}}), result("c6", "A")}};
  for (std::size_t turn = 0; turn < bodies.size(); ++turn) {
    EXPECT_EQ(bodies[turn].at("messages").dump(), expected.dump()) << "turn " << turn + 1;
    // Everything but the messages stays the same from turn to turn.
    Json rest = bodies[turn];
    Json first = bodies[0];
    rest.erase("messages");
    first.erase("messages");
    EXPECT_EQ(rest.dump(), first.dump());
    if (turn < added.size())
      for (const Json& one : added[turn]) expected.push_back(one);
  }
}

TEST(Agent, TellsResultsAsTheySettleAndSendsThemInCallOrder) {
  const auto model =
      script({{call(0, "slow", "slow"), call(1, "quick", "quick"), end(StopReason::tool_calls)}});
  Signal quick_is_done;
  const Agent agent{{.model = model,
                     .tools = {tool_of("slow",
                                       [&](const Json&, const ToolCallInfo&) {
                                         quick_is_done.wait();
                                         return ToolOutput{.content = "slow result"};
                                       }),
                               constant_tool("quick", "quick result")}}};
  std::vector<std::string> order;
  Runtime::current().run([&] {
    for (const Event& event : agent.stream("go")) {
      if (const auto* finished = event.get_if<ToolCallFinished>()) {
        order.push_back(finished->result.call_id);
        if (finished->result.call_id == "quick") quick_is_done.set();
      }
      if (const auto* started = event.get_if<ToolCallStarted>()) order.push_back("start " + started->call.id);
    }
  });
  EXPECT_THAT(order, ElementsAre("start slow", "start quick", "quick", "slow"));
  const auto messages = model->requests().at(1).messages;
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[2].find<ToolResult>()->call_id, "slow");
  EXPECT_EQ(messages[3].find<ToolResult>()->call_id, "quick");
}

TEST(Agent, RunsAtMostSoManyToolsAtOnceAndExclusiveOnesAlone) {
  std::vector<ChatChunk> turn;
  for (std::uint32_t i = 0; i < 12; ++i)
    turn.push_back(call(i, "c" + std::to_string(i), i % 5 == 4 ? "alone" : "shared"));
  turn.push_back(end(StopReason::tool_calls));
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<bool> exclusive_met_another{false};
  const auto body = [&](bool alone) {
    return [&, alone](const Json&, const ToolCallInfo&) {
      const int now = ++running;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      for (int i = 0; i < 20; ++i) {
        yield_now();
        if (alone && running != 1) exclusive_met_another = true;
      }
      --running;
      return ToolOutput{.content = "ok"};
    };
  };
  const Agent agent{{.model = script({turn}),
                     .tools = {tool_of("shared", body(false)),
                               tool_of("alone", body(true), {.inline_call = true, .exclusive = true})},
                     .max_parallel_tools = 3}};
  EXPECT_EQ(agent.invoke("go").summary.tool_calls, 12U);
  EXPECT_EQ(most, 3);
  EXPECT_FALSE(exclusive_met_another);
}

TEST(Agent, MakesErrorResultsOfUnknownToolsBadArgumentsAndExceptions) {
  const auto model =
      script({{call(0, "c1", "nonsuch"), call(1, "c2", "a", R"({"n":"x"})"), call(2, "c3", "a", "{broken"),
               call(3, "c4", "throws"), call(4, "c5", "a"), end(StopReason::tool_calls)}});
  const Agent agent{{.model = model,
                     .tools = {constant_tool("a", "fine"),
                               tool_of("throws", [](const Json&, const ToolCallInfo&) -> ToolOutput {
                                 throw std::runtime_error("the disk is on fire");
                               })}}};
  const auto events = events_of(agent, "go");
  EXPECT_NE(ending(events).get_if<RunCompleted>(), nullptr);
  EXPECT_EQ(all_of<ToolCallFinished>(events).size(), 5U);
  const ChatRequest second = model->requests().at(1);
  EXPECT_THAT(result_of(second, "c1"), AllOf(HasSubstr("ERROR"), HasSubstr("nonsuch")));
  EXPECT_THAT(result_of(second, "c2"), AllOf(HasSubstr("ERROR"), HasSubstr("n")));
  EXPECT_THAT(result_of(second, "c3"), HasSubstr("ERROR"));
  EXPECT_THAT(result_of(second, "c4"), AllOf(HasSubstr("ERROR"), HasSubstr("on fire")));
  EXPECT_EQ(result_of(second, "c5"), "fine");
}

TEST(Agent, RepairsEmptyAndRepeatedCallIds) {
  const auto model =
      script({{call(0, "", "a"), call(1, "same", "a"), call(2, "same", "a"), end(StopReason::tool_calls)},
              {call(0, "same", "a"), end(StopReason::tool_calls)}});
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}}};
  EXPECT_NE(ending(events_of(agent, "go")).get_if<RunCompleted>(), nullptr);
  bodies_of(*model);  // checks that ids are unique and paired
  EXPECT_EQ(model->requests().at(2).messages.size(), 1U + 4U + 2U);
}

TEST(Agent, RepairsAHistoryThatAProviderWouldRefuse) {
  Message broken{.role = Role::assistant};
  broken.parts.push_back(ToolCall{"x", "a", "{}"});
  broken.parts.push_back(ToolCall{"y", "a", "{}"});
  RunInput input;
  input.messages = {Message::user("one"),
                    broken,
                    Message::tool({.call_id = "y", .name = "a", .content = "Y"}),
                    Message::tool({.call_id = "y", .name = "a", .content = "again"}),
                    Message::user("two"),
                    Message::tool({.call_id = "z", .name = "a", .content = "orphan"}),
                    Message{.role = Role::assistant}};
  const auto model = script({});
  const Agent agent{{.model = model}};
  agent.invoke(input);
  const ChatRequest request = model->requests().at(0);
  EXPECT_EQ(transcript_fault(request.messages), "");
  ASSERT_EQ(request.messages.size(), 5U);
  EXPECT_THAT(result_of(request, "x"), HasSubstr("interrupted"));
  EXPECT_EQ(result_of(request, "y"), "Y");
}

TEST(Agent, WritesThePersonaInFixedOrder) {
  const Persona persona{.role = "r", .goal = "g", .backstory = "b", .style = "s"};
  EXPECT_EQ(detail::system_prompt(persona, "i\n"), "Role: r\nGoal: g\nBackstory: b\nStyle: s\n\ni\n");
  EXPECT_EQ(detail::system_prompt({}, "only"), "only");
  EXPECT_EQ(detail::system_prompt({}, ""), "");
}

// ---- half-finished answers

TEST(Agent, NeverRunsAHalfStreamedToolCall) {
  std::atomic<int> ran{0};
  const auto tool = tool_of("a", [&](const Json&, const ToolCallInfo&) {
    ++ran;
    return ToolOutput{.content = "A"};
  });
  const auto cut = model_of([](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    yield(text("I will"));
    yield(call(0, "c1", "a", "{}"));
    throw Error(ErrorCode::data_loss, "connection lost");
  });
  const auto failed = events_of(Agent{{.model = cut, .tools = {tool}}}, "go");
  EXPECT_EQ(failure(ending(failed)).code(), ErrorCode::data_loss);
  EXPECT_THAT(all_of<ToolCallStarted>(failed), IsEmpty());

  const auto silent_end = script({{call(0, "c1", "a", "{}")}});
  EXPECT_EQ(failure(ending(events_of(Agent{{.model = silent_end, .tools = {tool}}}, "go"))).code(),
            ErrorCode::data_loss);

  const auto too_long = script({{call(0, "c1", "a"), call(1, "c2", "a"), end(StopReason::max_tokens)}});
  const auto events = events_of(Agent{{.model = too_long, .tools = {tool}}}, "go");
  EXPECT_NE(ending(events).get_if<RunCompleted>(), nullptr);
  EXPECT_EQ(ran, 1);
  EXPECT_THAT(result_of(too_long->requests().at(1), "c2"), HasSubstr("cut off"));
}

TEST(Agent, PassesARestartOnAndKeepsOnlyTheSecondAnswer) {
  const auto model =
      script({{text("wro"), call(0, "c1", "a"), ResponseRestart{"connection lost"}, text("right"), end()}});
  const auto events = events_of(Agent{{.model = model, .tools = {constant_tool("a", "A")}}}, "go");
  ASSERT_EQ(all_of<ResponseRestart>(events).size(), 1U);
  EXPECT_EQ(ending(events).get_if<RunCompleted>()->message.text(), "right");
  EXPECT_THAT(all_of<ToolCallStarted>(events), IsEmpty());
}

TEST(Agent, AsksOnceMoreAfterAnEmptyAnswerAndThenFails) {
  const auto once = script({{end()}, {text("here"), end()}});
  EXPECT_EQ((Agent{{.model = once}}.invoke("go").text()), "here");
  EXPECT_EQ(once->requests().at(1).messages.size(), 1U);  // the empty answer is not part of the transcript

  const auto always = script({{end()}, {text(""), end()}, {text("late"), end()}});
  const Event last = ending(events_of(Agent{{.model = always}}, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::unavailable);
  EXPECT_THAT(failure(last).message(), HasSubstr("2 times with nothing"));
}

TEST(Agent, CompletesWithARefusalInsteadOfRunningItsCalls) {
  const auto model = script({{text("I cannot"), call(0, "c1", "a"), end(StopReason::refusal)}});
  const auto events = events_of(Agent{{.model = model, .tools = {constant_tool("a", "A")}}}, "go");
  const auto* done = ending(events).get_if<RunCompleted>();
  ASSERT_NE(done, nullptr);
  EXPECT_EQ(done->reason, StopReason::refusal);
  EXPECT_THAT(all_of<ToolCallStarted>(events), IsEmpty());
}

TEST(Agent, RefusesOptionsThatCannotWork) {
  const auto code = [](AgentOptions options) {
    const auto made = attempt([&] { return Agent(std::move(options)); });
    return made.ok() ? ErrorCode{} : made.error().code();
  };
  EXPECT_EQ(code({}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.model = script({}), .tools = {constant_tool("a", ""), constant_tool("a", "")}}),
            ErrorCode::already_exists);
  EXPECT_EQ(code({.model = script({}), .tools = {constant_tool("no spaces", "")}}),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code({.model = script({}), .tools = {nullptr}}), ErrorCode::invalid_argument);
}

TEST(Agent, AToolCallThatGetsNoFiberEndsTheRun) {
  Runtime runtime{{.workers = 1}};
  const auto parked =
      tool_of("a", [](const Json&, const ToolCallInfo&) { return sleep_for(1h), ToolOutput{}; },
              {.inline_call = true, .timeout = 0s});
  std::vector<ChatChunk> four;
  for (std::uint32_t i = 0; i < 4; ++i) four.push_back(call(i, "c" + std::to_string(i), "a"));
  four.push_back(end(StopReason::tool_calls));
  const auto sessions = memory_sessions();
  const Agent agent{{.model = script({four}), .tools = {parked}, .sessions = sessions}};
  RunInput input("go");
  input.session = "s";
  const auto events = runtime.run([&] {
    std::vector<Event> all;
    Stream<Event> stream = agent.stream(input);
    while (const Event* event = stream.next()) {
      all.push_back(*event);
      // This fiber, the run's and those of two calls.
      if (event->get_if<ToolCallStarted>() != nullptr) detail::set_stack_limit(4);
    }
    detail::set_stack_limit(std::numeric_limits<std::size_t>::max());
    return all;
  });
  EXPECT_EQ(failure(ending(events)).code(), ErrorCode::resource_exhausted);
  std::vector<Message> stored;
  for (const SessionEntry& entry : sessions->load("s")) stored.push_back(entry.message);
  EXPECT_EQ(transcript_fault(stored), "");
}

}  // namespace
}  // namespace beluga
