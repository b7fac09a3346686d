#include "beluga/contract/runnable.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/result.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;

class Replay final : public Runnable {
 public:
  explicit Replay(std::vector<Event> events) : events_(std::move(events)) {}
  std::string_view name() const noexcept override { return "replay"; }
  Stream<Event> stream(RunInput) override {
    return Stream<Event>::from([events = events_, i = std::size_t{0}]() mutable -> Event* {
      return i < events.size() ? &events[i++] : nullptr;
    });
  }

 private:
  std::vector<Event> events_;
};

const auto kRoot = std::make_shared<const RunInfo>(RunInfo{"root", "", "boss"});
const auto kChild = std::make_shared<const RunInfo>(RunInfo{"child", "root", "boss/helper"});

Event of(std::shared_ptr<const RunInfo> run, EventPayload payload) {
  return Event{std::move(run), 1, {}, std::move(payload)};
}

Result<Reply> invoke(std::vector<Event> events) {
  Replay runnable(std::move(events));
  return attempt([&] { return runnable.invoke("question"); });
}

TEST(Runnable, ReturnsTheReplyOfTheRootAndNotOfAChild) {
  const auto reply = invoke({of(kRoot, RunStarted{"m"}), of(kChild, RunStarted{"m"}),
                             of(kChild, RunCompleted{.message = Message::assistant("child says")}),
                             of(kChild, RunFailed{Error(ErrorCode::internal, "a second child")}),
                             of(kRoot, RunCompleted{.message = Message::assistant("boss says"),
                                                    .reason = StopReason::max_tokens,
                                                    .summary = {.steps = 3}})});
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->text(), "boss says");
  EXPECT_EQ(reply->reason, StopReason::max_tokens);
  EXPECT_EQ(reply->summary.steps, 3u);
  EXPECT_EQ(reply->run_id, "root");
}

TEST(Runnable, ThrowsTheVeryErrorOfAFailedRun) {
  const auto reply =
      invoke({of(kRoot, RunStarted{"m"}),
              of(kRoot, RunFailed{Error(ErrorCode::unavailable, "down").with_http_status(503)})});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(reply.error().http_status(), 503);
}

TEST(Runnable, ThrowsCancelledWithItsCause) {
  const auto reply = invoke(
      {of(kRoot, RunCancelled{Error(ErrorCode::resource_exhausted, "the budget is spent"), "partial"})});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::cancelled);
  EXPECT_THAT(reply.error().message(), HasSubstr("the budget is spent"));
  ASSERT_NE(reply.error().cause(), nullptr);
  EXPECT_EQ(reply.error().cause()->code(), ErrorCode::resource_exhausted);
}

TEST(Runnable, SaysThatAPausedRunWaitsForAHuman) {
  const auto reply = invoke({of(kRoot, RunPaused{.reason = "approve delete_file"})});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(reply.error().message(), HasSubstr("approve delete_file"));
}

TEST(Runnable, RefusesAStreamWithoutTerminalEvent) {
  for (const auto& events :
       {std::vector<Event>{}, std::vector<Event>{of(kRoot, RunStarted{"m"}), of(kRoot, TextDelta{"x"})}}) {
    const auto reply = invoke(events);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code(), ErrorCode::internal);
  }
}

TEST(RunInput, IsMadeFromAQuestion) {
  const RunInput input = "hello";
  ASSERT_EQ(input.messages.size(), 1u);
  EXPECT_EQ(input.messages[0].role, Role::user);
  EXPECT_EQ(input.messages[0].text(), "hello");
}

}  // namespace
}  // namespace beluga
