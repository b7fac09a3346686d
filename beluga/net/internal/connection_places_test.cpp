#include "beluga/net/internal/connection_places.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace beluga::detail {
namespace {

TEST(ConnectionPlaces, AreLimitedInAllAndForEachAddress) {
  const auto places = std::make_shared<ConnectionPlaces>(3, 2);
  const auto one = places->take("a");
  std::optional<ConnectionPlace> two = places->take("a");
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
  EXPECT_FALSE(places->take("a"));
  EXPECT_EQ(places->taken(), 2U);
  const auto three = places->take("b");
  EXPECT_TRUE(three);
  EXPECT_FALSE(places->take("c"));
  two.reset();
  EXPECT_EQ(places->taken(), 2U);
  EXPECT_TRUE(places->take("a"));
  EXPECT_EQ(places->taken(), 2U);
}

TEST(ConnectionPlaces, MoveWithTheirConnectionAndAreGivenBackOnce) {
  auto places = std::make_shared<ConnectionPlaces>(10, 10);
  ConnectionPlace outer;
  {
    ConnectionPlace inner = *places->take("a");
    outer = std::move(inner);
  }
  EXPECT_EQ(places->taken(), 1U);
  outer = *places->take("b");
  EXPECT_EQ(places->taken(), 1U);
  outer = {};
  EXPECT_EQ(places->taken(), 0U);
  outer = *places->take("a");
  places.reset();  // the server is gone, the connection is not
}

TEST(ConnectionPlaces, OfNoneAreNone) {
  EXPECT_FALSE(std::make_shared<ConnectionPlaces>(0, 1)->take("a"));
  EXPECT_FALSE(std::make_shared<ConnectionPlaces>(1, 0)->take("a"));
}

}  // namespace
}  // namespace beluga::detail
