#include "beluga/tool/tool_set.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/tool/typed.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

struct SearchArgs {
  Field<std::string, "What to look for", Limits{.min_length = 1}> query;
  Field<int, "How many results", Limits{.minimum = 1, .maximum = 50}> limit = 10;
};
struct Hit {
  std::string title;
  int rank = 0;
};

ToolPtr search() {
  return tool::make("search", "Searches the web", [](const SearchArgs& args) {
    std::vector<Hit> hits;
    for (int i = 0; i < std::min(2, *args.limit); ++i) hits.push_back({*args.query + std::to_string(i), i});
    return hits;
  });
}

ToolResult call(const ToolSet& set, std::string name, std::string arguments) {
  return set.call({.id = "c1", .name = std::move(name), .arguments = std::move(arguments)},
                  {.run_id = "r", .call_id = "c1"});
}
std::string content(const ToolPtr& tool, std::string arguments) {
  const ToolResult result = call(ToolSet({tool}), tool->schema().name, std::move(arguments));
  EXPECT_FALSE(result.is_error) << result.content;
  return result.content;
}
Json error_of(const ToolResult& result) {
  EXPECT_TRUE(result.is_error);
  return Json::parse(result.content).at("error");
}

TEST(TypedTool, TellsTheModelTheSchemaOfItsArguments) {
  const ToolPtr tool = search();
  const ToolSchema& schema = tool->schema();
  EXPECT_EQ(schema.name, "search");
  EXPECT_EQ(schema.description, "Searches the web");
  EXPECT_EQ(schema.parameters.pointer("/properties/limit/maximum")->dump(), "50");
  EXPECT_EQ(schema.parameters.at("required").dump(), R"(["query"])");
}

TEST(TypedTool, TurnsEveryKindOfResultIntoContent) {
  struct None {};
  EXPECT_EQ(content(search(), R"({"query":"gpu","limit":1})"), R"([{"title":"gpu0","rank":0}])");
  EXPECT_EQ(content(tool::make("t", "", [] { return "literal"; }), ""), "literal");
  EXPECT_EQ(content(tool::make("t", "", [](None) { return std::string("text"); }), "{}"), "text");
  EXPECT_EQ(content(tool::make("t", "", [] { return std::string_view("view"); }), ""), "view");
  EXPECT_EQ(content(tool::make("t", "", [] { return Json::object({{"a", 1}}); }), ""), R"({"a":1})");
  EXPECT_EQ(content(tool::make("t", "", [] { return 42; }), ""), "42");
  EXPECT_EQ(content(tool::make("t", "", [] { return true; }), ""), "true");
  EXPECT_EQ(content(tool::make("t", "", [] { return Hit{"x", 2}; }), ""), R"({"title":"x","rank":2})");
  EXPECT_EQ(content(tool::make("t", "", [] { return std::map<std::string, double>{{"k", 0.5}}; }), ""),
            R"({"k":0.5})");
  EXPECT_EQ(content(tool::make("t", "", [] { return std::optional<int>(); }), ""), "null");
  EXPECT_EQ(content(tool::make("t", "", [] { return Result<int>(7); }), ""), "7");
  EXPECT_EQ(content(tool::make("t", "", [] {}), ""), "done");
  EXPECT_EQ(content(tool::make("t", "", [] { return ToolOutput{.content = "own"}; }), ""), "own");
}

int twice(const SearchArgs& args) {
  return *args.limit * 2;
}

TEST(TypedTool, TakesFunctionsMoveOnlyCapturesAndCallInfo) {
  EXPECT_EQ(content(tool::make("t", "", &twice), R"({"query":"q","limit":4})"), "8");
  EXPECT_EQ(content(tool::make("t", "",
                               [p = std::make_unique<int>(3)](SearchArgs args) { return *p * *args.limit; }),
                    R"({"query":"q"})"),
            "30");
  EXPECT_EQ(content(tool::make("t", "", [](const ToolCallInfo& info) { return info.call_id; }), ""), "c1");
  EXPECT_EQ(
      content(tool::make("t", "",
                         [](SearchArgs args, const ToolCallInfo& info) { return *args.query + info.run_id; }),
              R"({"query":"q"})"),
      "qr");
  EXPECT_EQ(content(tool::make("t", "", [](const Json& json) { return json.dump(); }), R"({"free":[1]})"),
            R"({"free":[1]})");
}

TEST(TypedTool, RefusesNamesThatProvidersReject) {
  for (const char* name : {"", "a b", "a.b", "n\xC3\xA4me",
                           "x23456789012345678901234567890123456789012345678901234567890123456"})
    EXPECT_THROW(tool::make(name, "", [] { return 1; }), Error) << name;
}

TEST(ToolSet, RefusesTwoToolsOfOneNameAndBadSchemas) {
  EXPECT_EQ(attempt([] { return ToolSet({search(), search()}); }).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(attempt([] { return ToolSet({ToolPtr()}); }).error().code(), ErrorCode::invalid_argument);
  class Bad final : public Tool {
   public:
    const ToolSchema& schema() const noexcept override { return schema_; }
    const ToolTraits& traits() const noexcept override { return traits_; }
    ToolOutput call(const Json&, const ToolCallInfo&) const override { return {}; }
    ToolSchema schema_{.name = "bad", .description = "", .parameters = Json::parse(R"({"type":"objekt"})")};
    ToolTraits traits_;
  };
  EXPECT_THAT(attempt([] { return ToolSet({std::make_shared<Bad>()}); }).error().message(),
              HasSubstr("tool 'bad': JSON Schema: /type"));
}

TEST(ToolSet, AnUnknownToolIsAnErrorResultThatNamesTheNearest) {
  const ToolResult result = call(ToolSet({search()}), "serach", "{}");
  EXPECT_EQ(result.call_id, "c1");
  EXPECT_EQ(error_of(result).at("code").as_string(), "not_found");
  EXPECT_EQ(error_of(result).at("message").as_string(), "there is no tool 'serach'; did you mean 'search'?");
}

TEST(ToolSet, BadArgumentsAreAnErrorResultWithThePath) {
  const ToolSet set({search()});
  Json error = error_of(call(set, "search", R"({"query":"q","limit":99})"));
  EXPECT_EQ(error.dump(),
            R"({"code":"invalid_argument","message":"/limit: 99 is above the maximum 50","path":"/limit"})");
  error = error_of(call(set, "search", R"({"limit":"many","offset":1})"));
  EXPECT_THAT(error.at("message").as_string(), HasSubstr("the member 'query' is required"));
  EXPECT_THAT(error.at("message").as_string(), HasSubstr("/limit: expected integer, got string \"many\""));
  EXPECT_THAT(error.at("message").as_string(), HasSubstr("/offset: unknown member"));
  EXPECT_THAT(error_of(call(set, "search", R"({"query": )")).at("message").as_string(),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(call(set, "search", "[1]")).at("message").as_string(),
              HasSubstr("expected object, got array"));
}

TEST(ToolSet, TakesTheWaysInWhichModelsWriteNoArguments) {
  const ToolPtr tool = tool::make("ping", "", [] { return "pong"; });
  for (const char* arguments : {"", "  \n", "{}", "null", R"("{}")"})
    EXPECT_EQ(content(tool, arguments), "pong");
  EXPECT_EQ(content(search(), R"("{\"query\":\"x\",\"limit\":1}")"), R"([{"title":"x0","rank":0}])");
}

TEST(ToolSet, WhatAToolThrowsBecomesARedactedErrorResult) {
  const ToolPtr error = tool::make("t", "", [] {
    raise(Error(ErrorCode::unavailable,
                "GET https://x.example/?api_key=sk-abcdefghijklmnopqrstuvwxyz012345 failed"));
  });
  const Json json = error_of(call(ToolSet({error}), "t", ""));
  EXPECT_EQ(json.at("code").as_string(), "unavailable");
  EXPECT_THAT(json.at("message").as_string(), Not(HasSubstr("abcdefghijklmnopqrstuvwxyz")));
  EXPECT_THAT(json.at("message").as_string(), HasSubstr("failed"));
  const ToolPtr foreign = tool::make("t", "", []() -> int { throw std::out_of_range("index 7"); });
  EXPECT_EQ(error_of(call(ToolSet({foreign}), "t", "")).at("message").as_string(), "index 7");
}

TEST(ToolSet, CutsLongOutputAtACharacterAndSaysSo) {
  const ToolPtr tool = tool::make("t", "", [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "\xC3\xA4";
    return text;
  });
  const ToolResult result =
      ToolSet({tool}, {.max_output = 11}).call({.id = "c", .name = "t", .arguments = ""}, {});
  EXPECT_EQ(result.content,
            "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\n[cut: these are the first 10 of 200 bytes; ask for "
            "less to see the rest]");
}

TEST(ToolSet, RunsOnAPoolThreadUnlessInline) {
  const auto where = [](bool inline_call) {
    return tool::make("t", "", [] { return Runtime::on_fiber(); }, {.inline_call = inline_call});
  };
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    EXPECT_EQ(content(where(true), ""), "true");
    EXPECT_EQ(content(where(false), ""), "false");
  });
}

TEST(ToolSet, ATimeoutOfTheToolIsAnErrorResult) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  const ToolPtr tool =
      tool::make("slow", "", [] { sleep_for(10min); }, {.inline_call = true, .timeout = 90s});
  runtime.run([&] {
    const Json error = error_of(call(ToolSet({tool}), "slow", ""));
    EXPECT_EQ(error.at("code").as_string(), "deadline_exceeded");
    EXPECT_EQ(error.at("message").as_string(), "the tool 'slow' did not finish within 90 s");
  });
}

TEST(ToolSet, TheDeadlineOfTheRunIsThrownNotTold) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  const ToolPtr tool = tool::make("slow", "", [] { sleep_for(10min); }, {.inline_call = true});
  runtime.run([&] {
    const ContextScope scope(Context::current().with_timeout(1s));
    const auto outcome = attempt([&] { return call(ToolSet({tool}), "slow", ""); });
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::deadline_exceeded);
  });
}

TEST(ToolSet, CancellingTheRunIsThrownAndReachesTheTool) {
  Runtime runtime({.workers = 1});
  auto started = std::make_shared<Signal>();
  auto told = std::make_shared<std::atomic<bool>>(false);
  const ToolPtr tool = tool::make("wait", "", [started, told] {
    started->set();
    const auto outcome = attempt([] { sleep_for(10min); });
    *told = !outcome.ok() && outcome.error().code() == ErrorCode::cancelled;
    outcome.value();
  });
  runtime.run([&] {
    CancelSource source(Context::current().cancel_token());
    Scope scope(Scope::OnFailure::keep_going);
    auto result = scope.spawn("call", [&] {
      const ContextScope cancellable(Context::current().with_cancel(source.token()));
      return attempt([&] { return call(ToolSet({tool}), "wait", ""); });
    });
    started->wait();
    source.cancel(Error(ErrorCode::cancelled, "the user left"));
    const auto& outcome = result.get();
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().message(), "the user left");
  });
  runtime.shutdown(5s);
  EXPECT_TRUE(*told);
}

TEST(ToolSet, StartsNoToolOfARunThatIsOver) {
  bool ran = false;
  const ToolPtr tool = tool::make("t", "", [&ran] { ran = true; }, {.inline_call = true});
  CancelSource source;
  source.cancel();
  const ContextScope scope(Context::current().with_cancel(source.token()));
  EXPECT_THROW(call(ToolSet({tool}), "t", ""), Error);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace beluga
