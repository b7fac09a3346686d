#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "beluga/agent/effects.hpp"
#include "beluga/agent/internal/loop.hpp"
#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/id.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/llm/providers/openai/internal/chat_request.hpp"
#include "beluga/observe/telemetry.hpp"
#include "beluga/store/database.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Event> events_of(const Agent& agent, RunInput input) {
  return Runtime::current().run([&] {
    std::vector<Event> all;
    Stream<Event> stream = agent.stream(std::move(input));
    while (const Event* event = stream.next()) all.push_back(*event);
    return all;
  });
}

/// Checks what holds for every run, then hands out the terminal event.
const Event& ending(const std::vector<Event>& events) {
  EXPECT_FALSE(events.empty());
  std::size_t terminals = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].seq, i + 1);
    EXPECT_TRUE(is_ulid(events[i].run->run_id));
    terminals += events[i].terminal() ? 1U : 0U;
  }
  EXPECT_EQ(terminals, 1U);
  EXPECT_TRUE(events.back().terminal());
  return events.back();
}

template <class P>
std::vector<const P*> all_of(const std::vector<Event>& events) {
  std::vector<const P*> out;
  for (const Event& event : events)
    if (const P* payload = event.get_if<P>()) out.push_back(payload);
  return out;
}

/// A request as it will be sent: everything of it, in order.
std::string body_of(const ChatRequest& request) {
  Json body = Json::object();
  for (const Message& message : request.messages) body["messages"].push_back(to_json(message));
  for (const ToolSchema& tool : request.tools)
    body["tools"].push_back(Json::object(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}}));
  if (request.temperature) body["temperature"] = *request.temperature;
  if (request.max_output_tokens) body["max_output_tokens"] = *request.max_output_tokens;
  return body.dump();
}

std::vector<std::string> bodies_of(const FunctionModel& model) {
  std::vector<std::string> out;
  for (const ChatRequest& request : model.requests()) {
    EXPECT_EQ(transcript_fault(request.messages), "");
    out.push_back(body_of(request));
  }
  return out;
}

const Error& failure(const Event& event) {
  static const Error kNone(ErrorCode::unknown, "the run did not fail");
  const auto* failed = event.get_if<RunFailed>();
  EXPECT_NE(failed, nullptr) << type_name(event);
  return failed != nullptr ? failed->error : kNone;
}

std::string result_of(const ChatRequest& request, std::string_view call_id) {
  for (const Message& message : request.messages)
    for (const Part& part : message.parts)
      if (const auto* result = std::get_if<ToolResult>(&part);
          result != nullptr && result->call_id == call_id)
        return (result->is_error ? "ERROR " : "") + result->content;
  return "(none)";
}

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

// ---- budgets

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
  const Agent agent{{.model = model, .tools = {constant_tool("a", "A")}, .budget = {.max_tokens = 40}}};
  const Event last = ending(events_of(agent, "go"));
  EXPECT_EQ(failure(last).code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(failure(last).message(),
              AllOf(HasSubstr("token budget of 40"), HasSubstr("Budget::max_tokens")));
  EXPECT_EQ(model->requests().size(), 3U);  // 15 tokens each: the third reaches 45
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
              AllOf(HasSubstr("time budget of 30 s"), HasSubstr("the model call"), HasSubstr("max_time")));
  EXPECT_EQ(model_end.get_if<RunFailed>()->summary.elapsed, 30s);

  const auto slow =
      tool_of("a", [](const Json&, const ToolCallInfo&) { return sleep_for(24h), ToolOutput{}; },
              {.inline_call = true, .timeout = 0s});
  const Event tool_end =
      run(Agent{{.model = script(endless_calls()), .tools = {slow}, .budget = {.max_time = 30s}}});
  EXPECT_EQ(failure(tool_end).code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(failure(tool_end).message(), HasSubstr("the tool calls"));
}

// ---- cancellation

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

// ---- sessions

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

// ---- telemetry

TEST(Agent, TracesTheRunItsModelCallsAndItsToolCalls) {
  using namespace observe;
  const auto telemetry = Telemetry::create();
  const auto model = script(
      {{call(0, "c1", "a"), call(1, "c2", "nonsuch"), end(StopReason::tool_calls)}, {text("x"), end()}});
  std::string seen_in_tool;
  const auto tool = tool_of("a", [&](const Json&, const ToolCallInfo&) {
    const Context context = Context::current();
    seen_in_tool = to_hex(context.get<ActiveSpan>()->span.span);
    return ToolOutput{.content = "A"};
  });
  const Agent agent{{.name = "helper",
                     .model = model,
                     .tools = {tool},
                     .sessions = memory_sessions(),
                     .telemetry = telemetry}};
  RunInput input("go");
  input.session = "s1";
  agent.invoke(input);

  const auto spans = telemetry->recent_spans();
  std::vector<std::string> names;
  for (const auto& span : spans) names.push_back(span->name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("chat model-1", "execute_tool a", "execute_tool unknown",
                                                     "chat model-1", "invoke_agent helper"));
  const SpanData& run = *spans.back();
  ASSERT_EQ(run.name, "invoke_agent helper");
  EXPECT_EQ(run.parent, 0U);
  const auto text_of = [](const SpanData& span, const char* key) {
    const auto* value = span.find(key);
    return value == nullptr ? std::string("(absent)") : std::get<std::string>(*value);
  };
  const auto number_of = [](const SpanData& span, const char* key) {
    return std::get<std::int64_t>(*span.find(key));
  };
  EXPECT_EQ(text_of(run, "gen_ai.operation.name"), "invoke_agent");
  EXPECT_EQ(text_of(run, "gen_ai.conversation.id"), "s1");
  EXPECT_EQ(number_of(run, "gen_ai.usage.input_tokens"), 20);
  for (const auto& span : spans) {
    EXPECT_EQ(span->context.trace, run.context.trace);
    if (span.get() != &run) {
      EXPECT_EQ(span->parent, run.context.span) << span->name;
    }
    EXPECT_EQ(span->find("gen_ai.input.messages"), nullptr);  // content only when asked for
  }
  EXPECT_EQ(text_of(*spans[0], "gen_ai.operation.name"), "chat");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.provider.name"), "test");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.request.model"), "model-1");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.response.model"), "model-1-real");
  EXPECT_EQ(number_of(*spans[0], "gen_ai.usage.output_tokens"), 5);
  EXPECT_EQ(std::get<std::vector<std::string>>(*spans[0]->find("gen_ai.response.finish_reasons")),
            std::vector<std::string>{"tool_call"});
  for (const auto& span : spans) {
    if (span->name == "execute_tool a") {
      EXPECT_EQ(text_of(*span, "gen_ai.tool.name"), "a");
      EXPECT_EQ(text_of(*span, "gen_ai.tool.call.id"), "c1");
      EXPECT_EQ(to_hex(span->context.span), seen_in_tool);
    }
    if (span->name == "execute_tool unknown") {
      EXPECT_EQ(text_of(*span, "error.type"), "tool_error");
      EXPECT_TRUE(span->failed);
    }
  }
  double calls = 0;
  for (const MetricPoint& point : telemetry->metrics().snapshot())
    if (point.instrument == &instruments::kToolCalls) calls += point.sum;
  EXPECT_EQ(calls, 2);
}

TEST(Agent, RecordsContentOnlyWhenAskedTo) {
  using namespace observe;
  const auto telemetry = Telemetry::create({.capture_content = true});
  Agent{{.model = script({{text("the answer"), end()}}), .telemetry = telemetry}}.invoke("the question");
  const auto span = telemetry->recent_spans().at(0);
  EXPECT_EQ(std::get<std::string>(*span->find("gen_ai.input.messages")),
            R"([{"role":"user","parts":[{"type":"text","content":"the question"}]}])");
  EXPECT_THAT(std::get<std::string>(*span->find("gen_ai.output.messages")), HasSubstr("the answer"));
}

// ---- replay

/// Writes down every answer of the direct effects.
struct Tape {
  struct Chunks {
    std::vector<ChatChunk> chunks;
    std::optional<Error> error;
  };
  std::vector<std::string> ids;
  std::vector<TimePoint> nows;
  std::vector<WallTime> walls;
  std::vector<Chunks> models;
  std::vector<std::vector<SettledCall>> tools;
  std::vector<std::string> requests;
};

class Recorder final : public Effects, public RunEffects {
 public:
  explicit Recorder(Tape& tape) : tape_(tape) {}
  std::unique_ptr<RunEffects> begin_run(const RunResources& resources) override {
    auto run = std::make_unique<Recorder>(tape_);
    run->real_ = direct_effects()->begin_run(resources);
    return run;
  }
  std::string new_id() override { return tape_.ids.emplace_back(real_->new_id()); }
  std::uint64_t random() override { return real_->random(); }
  TimePoint now() override { return tape_.nows.emplace_back(real_->now()); }
  WallTime wall() override { return tape_.walls.emplace_back(real_->wall()); }
  void begin(const std::shared_ptr<const RunInfo>& run) override { real_->begin(run); }
  void model(const EffectSite& site, const ChatRequest& request, Function<void(ChatChunk&)>& sink) override {
    tape_.requests.push_back(body_of(request));
    auto& taped = tape_.models.emplace_back();
    Function<void(ChatChunk&)> recording = [&](ChatChunk& chunk) {
      taped.chunks.push_back(chunk);
      sink(chunk);
    };
    const auto done = attempt([&] { real_->model(site, request, recording); });
    if (done.ok()) return;
    taped.error = done.error();
    raise(done.error());
  }
  void tools(const EffectSite& site, std::span<const ToolCall> calls,
             Function<void(SettledCall&)>& sink) override {
    auto& taped = tape_.tools.emplace_back();
    Function<void(SettledCall&)> recording = [&](SettledCall& settled) {
      taped.push_back(settled);
      sink(settled);
    };
    real_->tools(site, calls, recording);
  }
  std::vector<SessionEntry> load_session() override { return real_->load_session(); }
  std::uint64_t append_session(std::uint64_t last, std::vector<SessionEntry> entries) override {
    return real_->append_session(last, std::move(entries));
  }
  void end(const Event& terminal) noexcept override { real_->end(terminal); }

 private:
  Tape& tape_;
  std::unique_ptr<RunEffects> real_;
};

/// Answers from the tape alone. What is asked must be what was asked.
class Player final : public Effects, public RunEffects {
 public:
  explicit Player(Tape& tape) : tape_(tape) {}
  std::unique_ptr<RunEffects> begin_run(const RunResources&) override {
    return std::make_unique<Player>(tape_);
  }
  std::string new_id() override { return tape_.ids.at(id_++); }
  std::uint64_t random() override { return 0; }
  TimePoint now() override { return tape_.nows.at(now_++); }
  WallTime wall() override { return tape_.walls.at(wall_++); }
  void begin(const std::shared_ptr<const RunInfo>&) override {}
  void model(const EffectSite&, const ChatRequest& request, Function<void(ChatChunk&)>& sink) override {
    EXPECT_EQ(body_of(request), tape_.requests.at(model_));
    const auto& taped = tape_.models.at(model_++);
    for (ChatChunk chunk : taped.chunks) sink(chunk);
    if (taped.error) throw *taped.error;
  }
  void tools(const EffectSite&, std::span<const ToolCall>, Function<void(SettledCall&)>& sink) override {
    for (SettledCall settled : tape_.tools.at(tools_++)) sink(settled);
  }
  std::vector<SessionEntry> load_session() override { return {}; }
  std::uint64_t append_session(std::uint64_t last, std::vector<SessionEntry> entries) override {
    return last + entries.size();
  }
  void end(const Event&) noexcept override {}

 private:
  Tape& tape_;
  std::size_t id_ = 0, now_ = 0, wall_ = 0, model_ = 0, tools_ = 0;
};

/// Breaks the test when it is used at all.
class ForbiddenModel final : public ChatModel {
 public:
  Stream<ChatChunk> stream(ChatRequest) override {
    ADD_FAILURE() << "the loop called the model behind the seam";
    return {};
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  ModelInfo info_{.provider = "test", .model = "model-1"};
};

std::string text_of(const std::vector<Event>& events) {
  std::string out;
  for (const Event& event : events) out += to_json(event).dump() + "\n";
  return out;
}

TEST(Agent, ReplaysARecordedRunBitForBitWithoutModelToolsOrClock) {
  for (const bool fails : {false, true}) {
    const auto model = model_of([fails](std::size_t turn, const ChatRequest&, Yield<ChatChunk>& yield) {
      yield(text("turn "));
      yield(text(std::to_string(turn)));
      if (turn < 3) {
        yield(call(0, "", "a"));
        yield(call(1, "", "b"));
        yield(end(StopReason::tool_calls));
      } else if (fails) {
        throw Error(ErrorCode::unavailable, "gone");
      } else {
        yield(end());
      }
    });
    AgentOptions options{
        .model = model,
        .tools = {tool_of("a", [](const Json&,
                                  const ToolCallInfo&) { return yield_now(), ToolOutput{.content = "A"}; }),
                  constant_tool("b", "B")},
        .budget = {.max_time = 1h}};
    Tape tape;
    options.effects = std::make_shared<Recorder>(tape);
    RunInput input("go");
    const std::string recorded = text_of(events_of(Agent(options), input));

    const auto forbidden = [](const Json&, const ToolCallInfo&) {
      ADD_FAILURE() << "the loop called a tool behind the seam";
      return ToolOutput{};
    };
    options.model = std::make_shared<ForbiddenModel>();
    options.tools = {tool_of("a", forbidden), tool_of("b", forbidden)};
    options.effects = std::make_shared<Player>(tape);
    EXPECT_EQ(text_of(events_of(Agent(options), input)), recorded);
    EXPECT_THAT(recorded, HasSubstr(fails ? "run_failed" : "run_completed"));
  }
}

}  // namespace
}  // namespace beluga
