#include "beluga/fiber/future.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga {
namespace {

TEST(Future, AnAssignedOverPromiseFailsItsFutureToo) {
  Promise<int> promise;
  const Future<int> future = promise.future();
  promise = Promise<int>();
  ASSERT_TRUE(future.ready());
  const auto result = attempt([&] { return future.get(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::aborted);
}

TEST(Future, TheFirstToSettleAPromiseWins) {
  Promise<std::string> promise;
  const Future<std::string> future = promise.future();
  EXPECT_TRUE(promise.set("first"));
  const std::string& value = future.get();
  EXPECT_FALSE(promise.set("second"));
  EXPECT_FALSE(promise.fail(Error(ErrorCode::internal, "late")));
  EXPECT_FALSE(promise.set_from([] { return std::string("third"); }));
  EXPECT_EQ(value, "first");
  Promise<std::string> failed;
  EXPECT_TRUE(failed.fail(Error(ErrorCode::not_found, "none")));
  EXPECT_FALSE(failed.set("late"));
  EXPECT_EQ(attempt([&] { return failed.future().get(); }).error().code(), ErrorCode::not_found);
}

TEST(Future, ManyWhoSettleAtOnceLeaveOneWholeValue) {
  for (int round = 0; round < 200; ++round) {
    Promise<std::string> promise;
    const Future<std::string> future = promise.future();
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&, i] { winners += promise.set(std::string(100, static_cast<char>('a' + i))); });
    const std::string& value = future.get();
    EXPECT_EQ(value, std::string(100, value[0]));
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(value, std::string(100, value[0]));
  }
}

TEST(Future, ATemporaryHandsOutItsValue) {
  Scope scope;
  int sum = 0;
  for (int i : scope.spawn("numbers", [] { return std::vector{1, 2, 3}; }).get()) sum += i;
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(*scope.spawn("unique", [] { return std::make_unique<int>(7); }).get(), 7);
  static_assert(std::is_same_v<decltype(std::declval<const Future<int>&>().get()), const int&>);
  static_assert(std::is_same_v<decltype(std::declval<Future<int>>().get()), int>);
}

TEST(Future, TheLastOneMovesItsValueAndOthersKeepTheirs) {
  std::optional<Promise<std::vector<int>>> promise(std::in_place);
  Future<std::vector<int>> a = promise->future();
  Future<std::vector<int>> b = a;
  promise->set(std::vector{1, 2, 3});
  promise.reset();
  const int* const data = a.get().data();
  const std::vector<int> copy = std::move(a).get();
  EXPECT_NE(copy.data(), data);
  EXPECT_FALSE(a.valid());
  const std::vector<int> moved = std::move(b).get();
  EXPECT_EQ(moved.data(), data);
}

TEST(Future, AnEmptyOneSaysSo) {
  const Future<int> future;
  EXPECT_FALSE(future.valid());
  for (const auto& error :
       {attempt([&] { return future.get(); }).error(), attempt([&] { return future.ready(); }).error(),
        attempt([&] { future.wait(); }).error(), attempt([&] { return future.wait_until({}); }).error()})
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  Promise<int> promise;
  Promise<int> other = std::move(promise);
  EXPECT_EQ(attempt([&] { promise.set(1); }).error().code(), ErrorCode::failed_precondition);
  EXPECT_TRUE(other.set(1));
}

TEST(Future, AValueThatCannotBeMadeFailsTheFuture) {
  struct Picky {
    explicit Picky(int) { raise(Error(ErrorCode::invalid_argument, "not this one")); }
  };
  Promise<Picky> promise;
  EXPECT_TRUE(promise.set(1));
  EXPECT_EQ(attempt([&] {
              promise.future().wait();
              promise.future().get();
            })
                .error()
                .code(),
            ErrorCode::invalid_argument);
}

struct Mine : std::invalid_argument {
  Mine() : std::invalid_argument("mine") {}
};

TEST(Future, AForeignExceptionArrivesAsItWasThrown) {
  Scope scope(Scope::OnFailure::keep_going);
  const Future<int> future = scope.spawn("thrower", []() -> int { throw Mine(); });
  EXPECT_THROW(future.get(), Mine);
  EXPECT_THROW(future.get(), Mine);
  EXPECT_THROW(scope.join(), Mine);
}

TEST(Runtime, AForeignExceptionArrivesAsItWasThrown) {
  Runtime runtime{{.workers = 1}};
  EXPECT_THROW(runtime.run([] { throw Mine(); }), Mine);
  EXPECT_THROW(runtime.run([]() -> int { throw 7; }), int);
  EXPECT_EQ(attempt([&] { runtime.run([] { throw Mine(); }); }).error().code(), ErrorCode::unknown);
}

TEST(Stream, AForeignExceptionArrivesAsItWasThrown) {
  Runtime runtime{{.workers = 1}};
  const auto make = [] {
    return Stream<int>::generate([](Yield<int>& yield) {
      yield(1);
      throw Mine();
    });
  };
  const auto pull = [&] {
    auto stream = make();
    EXPECT_EQ(*stream.next(), 1);
    for (int i = 0; i < 2; ++i) EXPECT_THROW(stream.next(), Mine);
  };
  pull();
  runtime.run(pull);
}

}  // namespace
}  // namespace beluga
