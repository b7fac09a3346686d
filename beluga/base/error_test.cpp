#include "beluga/base/error.hpp"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>

#include "beluga/base/result.hpp"

namespace beluga {
namespace {

static_assert(std::is_nothrow_copy_constructible_v<Error>);
static_assert(std::is_nothrow_copy_assignable_v<Error>);

template <class T>
Error caught(T thrown) {
  try {
    throw thrown;
  } catch (...) {
    return current_error();
  }
}

TEST(Error, SaysCodeAndMessage) {
  const Error error(ErrorCode::not_found, "no tool is called 'x'");
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_EQ(error.message(), "no tool is called 'x'");
  EXPECT_STREQ(error.what(), "not_found: no tool is called 'x'");
}

TEST(Error, DecoratesWhatWithTheOriginThatIsKnown) {
  const Error plain(ErrorCode::unavailable, "overloaded");
  EXPECT_STREQ(plain.with_http_status(503).what(), "unavailable: overloaded (HTTP 503)");
  const Error full = plain.with_request_id("r-1").with_provider("openai").with_http_status(503);
  EXPECT_STREQ(full.what(), "unavailable: overloaded (openai, HTTP 503, request r-1)");
  EXPECT_EQ(full.message(), "overloaded");
  EXPECT_EQ(full.provider(), "openai");
  EXPECT_EQ(full.request_id(), "r-1");
  EXPECT_STREQ(plain.what(), "unavailable: overloaded") << "with_ must not touch the original";
}

TEST(Error, IsRetryableByCodeUnlessToldOtherwise) {
  for (int code = 1; code <= 16; ++code) {
    const Error error(static_cast<ErrorCode>(code), "x");
    EXPECT_EQ(error.retryable(), code == 10 || code == 14) << to_string(error.code());
  }
  EXPECT_FALSE(Error(ErrorCode::unavailable, "x").with_retryable(false).retryable());
  const Error limited = Error(ErrorCode::resource_exhausted, "x")
                            .with_retryable(true)
                            .with_retry_after(std::chrono::milliseconds(1500));
  EXPECT_TRUE(limited.retryable());
  EXPECT_EQ(limited.retry_after(), std::chrono::milliseconds(1500));
}

TEST(Error, KeepsItsCauseAndGrowsContextOutwards) {
  const Error root(ErrorCode::data_loss, "cut");
  const Error outer =
      Error(ErrorCode::unavailable, "no answer").with_cause(root).with_context("model").with_context("run");
  EXPECT_EQ(outer.message(), "run: model: no answer");
  ASSERT_NE(outer.cause(), nullptr);
  EXPECT_EQ(outer.cause()->message(), "cut");
  EXPECT_EQ(root.cause(), nullptr);
}

TEST(Error, WhatOutlivesTheCopyItCameFrom) {
  const char* text = nullptr;
  const Error kept(ErrorCode::internal, "a message that is too long for a small string buffer");
  {
    const Error copy = kept;
    text = copy.what();
  }
  EXPECT_STREQ(text, kept.what());
}

TEST(Error, CanStillBeAskedAfterAMove) {
  Error error(ErrorCode::internal, "x");
  const Error moved = std::move(error);
  EXPECT_EQ(moved.message(), "x");
  EXPECT_NE(error.what(), nullptr);  // NOLINT: the point of the test
}

TEST(CurrentError, TranslatesForeignExceptions) {
  EXPECT_EQ(caught(Error(ErrorCode::aborted, "mine")).code(), ErrorCode::aborted);
  const Error runtime = caught(std::runtime_error("theirs"));
  EXPECT_EQ(runtime.code(), ErrorCode::unknown);
  EXPECT_EQ(runtime.message(), "theirs");
  EXPECT_EQ(caught(std::bad_alloc()).code(), ErrorCode::resource_exhausted);
  const Error system = caught(std::system_error(ENOENT, std::generic_category(), "open"));
  EXPECT_EQ(system.code(), ErrorCode::unknown);
  EXPECT_EQ(system.message(), "open: No such file or directory");
  EXPECT_EQ(caught(42).message(), "an exception of type int that does not derive from std::exception");
}

TEST(CurrentError, OutsideACatchBlockIsAnErrorAndNotTheEndOfTheProcess) {
  EXPECT_EQ(current_error().code(), ErrorCode::internal);
}

TEST(Attempt, GivesTheValueOrTheError) {
  EXPECT_EQ(*attempt([] { return 7; }), 7);
  const Result<int> failed = attempt([]() -> int { raise(Error(ErrorCode::not_found, "gone")); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::not_found);
  EXPECT_THROW(static_cast<void>(failed.value()), Error);
  EXPECT_TRUE(attempt([] {}));
  EXPECT_EQ(attempt([] { throw std::logic_error("no"); }).error().message(), "no");
}

}  // namespace
}  // namespace beluga
