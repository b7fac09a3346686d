#include "beluga/llm/retry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/result.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/llm/scripted.hpp"

namespace beluga::llm {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ChatRequest kHello{.messages = {Message::user("hello")}};

Error down() {
  return Error(ErrorCode::unavailable, "overloaded");
}
Error limited(std::chrono::milliseconds wait) {
  return Error(ErrorCode::resource_exhausted, "rate limit").with_retryable(true).with_retry_after(wait);
}

/// Runs on a virtual clock, where waiting costs nothing.
class Retry : public ::testing::Test {
 protected:
  struct Outcome {
    Result<ChatResponse> response{Error(ErrorCode::internal, "not run")};
    std::size_t restarts = 0;
    std::string seen;  ///< as a reader without a fold would show it, "|" for a restart
    Duration elapsed{};
  };
  Outcome run(std::vector<ScriptedTurn> turns, RetryOptions options = {}, Duration timeout = 24h) {
    if (!options.random) options.random = [] { return 1.0; };
    options.on_retry = [this](const Error&, unsigned attempt, Duration delay) {
      EXPECT_EQ(attempt, delays_.size() + 1);
      delays_.push_back(delay);
    };
    model_ = std::make_shared<ScriptedModel>(std::move(turns));
    return runtime_.run([&] {
      const ContextScope scope(Context::current().with_timeout(timeout));
      const ChatModelPtr model = ChatModelPtr(model_) | retry(options);
      Outcome outcome;
      const TimePoint start = clock_.now();
      outcome.response = attempt([&] {
        ChatFold fold;
        for (const ChatChunk& chunk : model->stream(kHello)) {
          if (const auto* text = std::get_if<TextDelta>(&chunk)) outcome.seen += text->text;
          if (const auto* thought = std::get_if<ReasoningDelta>(&chunk))
            outcome.seen += "(" + thought->text + ")";
          if (std::holds_alternative<ResponseRestart>(chunk)) {
            outcome.seen += "|";
            ++outcome.restarts;
          }
          fold.add(chunk);
        }
        return fold.take();
      });
      outcome.elapsed = clock_.now() - start;
      return outcome;
    });
  }

  ManualClock clock_{ManualClock::Mode::jump_when_idle};
  Runtime runtime_{{.workers = 1, .clock = &clock_}};
  std::shared_ptr<ScriptedModel> model_;
  std::vector<Duration> delays_;
};

TEST_F(Retry, IsInvisibleBeforeTheFirstChunk) {
  const Outcome outcome =
      run({{.fault = ScriptedFault::fail(down())}, {.fault = ScriptedFault::fail(down())}, {.text = "hi"}});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_EQ(outcome.response->message.text(), "hi");
  EXPECT_EQ(outcome.restarts, 0u);
  EXPECT_THAT(delays_, ElementsAre(500ms, 1s));
  EXPECT_EQ(outcome.elapsed, 1500ms);
}

TEST_F(Retry, AnnouncesARestartAndDuplicatesNothing) {
  const Outcome outcome =
      run({{.text = "one two three", .chunk_bytes = 4, .fault = ScriptedFault::fail(down(), 2)},
           {.text = "one two three", .chunk_bytes = 4, .fault = ScriptedFault::cut(1)},
           {.text = "one two three", .chunk_bytes = 4}});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_EQ(outcome.response->message.text(), "one two three");
  EXPECT_EQ(outcome.seen, "one two |one |one two three");
}

TEST_F(Retry, RestartsReasoningAndHalfACallToo) {
  const Outcome outcome =
      run({{.reasoning = "hm", .fault = ScriptedFault::fail(down(), 1)},
           {.calls = {{"", "launch", R"({"rocket":"big"})"}}, .fault = ScriptedFault::fail(down(), 2)},
           {.calls = {{"", "launch", R"({"rocket":"big"})"}}}});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_EQ(outcome.restarts, 2u);
  EXPECT_EQ(outcome.response->message.find<Reasoning>(), nullptr);
  ASSERT_EQ(outcome.response->message.tool_calls().size(), 1u);
  EXPECT_EQ(outcome.response->message.tool_calls()[0]->arguments, R"({"rocket":"big"})");
}

TEST_F(Retry, GivesUpAfterTheLastAttempt) {
  const Outcome outcome = run({{.fault = ScriptedFault::fail(down())},
                               {.fault = ScriptedFault::fail(down())},
                               {.fault = ScriptedFault::fail(down())}});
  ASSERT_FALSE(outcome.response.ok());
  EXPECT_EQ(outcome.response.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(outcome.response.error().message(), HasSubstr("after 3 attempts: overloaded"));
  EXPECT_EQ(model_->request_count(), 3u);
}

TEST_F(Retry, DoesNotRepeatWhatCannotPass) {
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::unauthenticated,
                               ErrorCode::resource_exhausted, ErrorCode::internal}) {
    const Outcome outcome = run({{.fault = ScriptedFault::fail(Error(code, "no"))}, {.text = "hi"}});
    ASSERT_FALSE(outcome.response.ok());
    EXPECT_EQ(outcome.response.error().message(), "no");
    EXPECT_EQ(model_->request_count(), 1u);
  }
}

TEST_F(Retry, HonoursRetryAfterAndAddsJitter) {
  const Outcome outcome =
      run({{.fault = ScriptedFault::fail(limited(7s))}, {.text = "hi"}}, {.random = [] { return 0.5; }});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_THAT(delays_, ElementsAre(7s + 250ms));
}

TEST_F(Retry, IgnoresRetryAfterWhenToldTo) {
  const Outcome outcome =
      run({{.fault = ScriptedFault::fail(limited(7s))}, {.text = "hi"}}, {.honour_retry_after = false});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_THAT(delays_, ElementsAre(500ms));
}

TEST_F(Retry, FailsAtOnceWhenTheWaitWouldPassTheDeadline) {
  const Outcome outcome = run({{.fault = ScriptedFault::fail(limited(20s))}, {.text = "hi"}}, {}, 10s);
  ASSERT_FALSE(outcome.response.ok());
  EXPECT_EQ(outcome.response.error().code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(outcome.response.error().retry_after(), 20s);
  EXPECT_THAT(outcome.response.error().message(), HasSubstr("would pass the deadline"));
  EXPECT_EQ(outcome.elapsed, Duration::zero());
}

TEST_F(Retry, FailsAtOnceWhenTheProviderAsksForTooLongAWait) {
  const Outcome outcome = run({{.fault = ScriptedFault::fail(limited(1h))}, {.text = "hi"}});
  ASSERT_FALSE(outcome.response.ok());
  EXPECT_THAT(outcome.response.error().message(), HasSubstr("max_retry_after"));
  EXPECT_EQ(outcome.elapsed, Duration::zero());
}

TEST_F(Retry, DoublesTheWaitUpToItsMaximum) {
  std::vector<ScriptedTurn> turns(8, ScriptedTurn{.fault = ScriptedFault::fail(down())});
  turns.push_back({.text = "hi"});
  const Outcome outcome = run(std::move(turns), {.max_attempts = 9, .base_delay = 1s, .max_delay = 10s});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_THAT(delays_, ElementsAre(1s, 2s, 4s, 8s, 10s, 10s, 10s, 10s));
}

TEST_F(Retry, DrawsTheWaitBetweenZeroAndItsBound) {
  std::vector<double> draws{0.0, 0.25, 0.999};
  std::size_t next = 0;
  std::vector<ScriptedTurn> turns(3, ScriptedTurn{.fault = ScriptedFault::fail(down())});
  turns.push_back({.text = "hi"});
  const Outcome outcome =
      run(std::move(turns), {.max_attempts = 4, .base_delay = 1s, .random = [&] { return draws[next++]; }});
  ASSERT_TRUE(outcome.response.ok());
  EXPECT_THAT(delays_, ElementsAre(0s, 500ms, 3996ms));
}

TEST_F(Retry, StopsWaitingWhenCancelled) {
  auto model = std::make_shared<ScriptedModel>(
      std::vector<ScriptedTurn>{{.fault = ScriptedFault::fail(down())}, {.text = "hi"}});
  const CancelSource source;
  const auto result = runtime_.run([&] {
    const ContextScope scope(Context::current().with_cancel(source.token()));
    const ChatModelPtr retrying =
        ChatModelPtr(model) |
        retry({.random = [] { return 1.0; },
               .on_retry = [&](const Error&, unsigned,
                               Duration) { source.cancel(Error(ErrorCode::cancelled, "enough")); }});
    return attempt([&] { return retrying->generate(kHello); });
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(model->request_count(), 1u);
}

TEST_F(Retry, DoesNotRepeatTheDeadlineOfItsCaller) {
  const Outcome outcome = run({{.fault = ScriptedFault::stall()}, {.text = "hi"}}, {}, 10s);
  ASSERT_FALSE(outcome.response.ok());
  EXPECT_EQ(outcome.response.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_EQ(model_->request_count(), 1u);
}

TEST_F(Retry, OfARetryStaysCorrect) {
  auto inner = std::make_shared<ScriptedModel>(
      std::vector<ScriptedTurn>{{.text = "aaaa", .chunk_bytes = 1, .fault = ScriptedFault::fail(down(), 2)},
                                {.text = "bbbb", .chunk_bytes = 1, .fault = ScriptedFault::fail(down(), 2)},
                                {.text = "cccc", .chunk_bytes = 1}});
  const auto response = runtime_.run([&] {
    return (ChatModelPtr(inner) | retry({.max_attempts = 2}) | retry({.max_attempts = 2}))->generate(kHello);
  });
  EXPECT_EQ(response.message.text(), "cccc");
}

TEST_F(Retry, DrawsFromAGeneratorOfItsOwnByDefault) {
  std::vector<Duration> delays;
  runtime_.run([&] {
    auto model = std::make_shared<ScriptedModel>(
        [](const ChatRequest&) { return ScriptedTurn{.fault = ScriptedFault::fail(down())}; });
    const ChatModelPtr retrying =
        ChatModelPtr(model) |
        retry({.max_attempts = 50,
               .base_delay = 1s,
               .max_delay = 1s,
               .on_retry = [&](const Error&, unsigned, Duration delay) { delays.push_back(delay); }});
    EXPECT_THROW(retrying->generate(kHello), Error);
  });
  ASSERT_EQ(delays.size(), 49u);
  EXPECT_GT(*std::max_element(delays.begin(), delays.end()), 700ms);
  EXPECT_LT(*std::min_element(delays.begin(), delays.end()), 300ms);
  for (const Duration delay : delays) EXPECT_LT(delay, 1s);
}

}  // namespace
}  // namespace beluga::llm
