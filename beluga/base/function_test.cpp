#include "beluga/base/function.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace beluga {
namespace {

int twice(int n) {
  return 2 * n;
}

TEST(Function, CallsWhatItHoldsInsideOrOnTheHeap) {
  Function<int(int)> small = [](int n) { return n + 1; };
  EXPECT_EQ(small(1), 2);
  Function<int(int)> pointer = twice;
  EXPECT_EQ(pointer(4), 8);
  const std::string a(100, 'a'), b(100, 'b');
  Function<std::string(int)> large = [a, b](int n) { return n == 0 ? a : b; };
  EXPECT_EQ(large(1), b);
}

TEST(Function, MovesWhatItOwns) {
  auto owned = std::make_unique<int>(7);
  Function<int()> first = [owned = std::move(owned)] { return *owned; };
  Function<int()> second = std::move(first);
  EXPECT_EQ(second(), 7);
  second = nullptr;
  EXPECT_FALSE(second);
}

TEST(Function, StaysEmptyForAnEmptySource) {
  int (*none)(int) = nullptr;
  EXPECT_FALSE((Function<int(int)>(none)));
  EXPECT_FALSE((Function<int(int)>(std::function<int(int)>())));
  EXPECT_FALSE((Function<long(int)>(Function<int(int)>())));
  EXPECT_TRUE((Function<int(int)>(std::function<int(int)>(twice))));
}

}  // namespace
}  // namespace beluga
