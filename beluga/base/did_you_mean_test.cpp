#include "beluga/base/did_you_mean.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace beluga {
namespace {

TEST(EditDistance, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("opnai", "openai"), 1U);
  EXPECT_EQ(edit_distance("oepnai", "openai"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("ABC", "abc"), 0U);
  EXPECT_EQ(edit_distance("abcdef", "uvwxyz", 2), 3U) << "stops at the limit";
  EXPECT_EQ(edit_distance("ab", "ba", 1), 1U) << "a swap is found even when the row before is over the limit";
}

TEST(DidYouMean, FindsTheNearestName) {
  const std::array<std::string_view, 4> known = {"openai", "offline", "anthropic", "max_steps"};
  EXPECT_EQ(nearest_name("opnai", known), "openai");
  EXPECT_EQ(nearest_name("OFFLINE", known), "offline");
  EXPECT_EQ(nearest_name("max-steps", known), "max_steps");
  EXPECT_EQ(nearest_name("steps", known), "max_steps");
  EXPECT_EQ(nearest_name("zebra", known), "");
  EXPECT_EQ(nearest_name("", known), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'x'), known), "");
}

TEST(DidYouMean, ListsWhatIsKnownWhenNothingIsNear) {
  const std::vector<std::string> known = {"read_file", "calculator"};
  EXPECT_EQ(did_you_mean("calcluator", known), "; did you mean 'calculator'?");
  EXPECT_EQ(did_you_mean("zebra", known), "; known: read_file, calculator");
  EXPECT_EQ(did_you_mean("zebra", std::span<const std::string>()), "");
  EXPECT_EQ(did_you_mean("zebra", std::vector<std::string>(12, "tool")),
            "; known: tool, tool, tool, tool, tool, tool, tool, tool, tool, tool, ...");
}

}  // namespace
}  // namespace beluga
