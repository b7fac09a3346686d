#include "beluga/base/number.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <limits>

#include "beluga/base/ascii.hpp"

namespace beluga {
namespace {

TEST(Number, ReadsWholeTextsOnly) {
  EXPECT_EQ(parse_int64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_uint64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", " 1", "1 ", "+1", "1.0", "0x10", "9223372036854775808", "-"})
    EXPECT_FALSE(parse_int64(bad)) << bad;
  EXPECT_FALSE(parse_uint64("-1"));
  EXPECT_EQ(parse_double("1e-3"), 0.001);
  for (const char* bad : {"", "nan", "inf", "1,5", "1e999", " 1", "1 "})
    EXPECT_FALSE(parse_double(bad)) << bad;
}

TEST(Number, WritesTheShortestTextThatReadsBack) {
  EXPECT_EQ(format_double(0.1), "0.1");
  EXPECT_EQ(format_double(1e22), "1e+22");
  EXPECT_EQ(format_fixed(2.005, 2), "2.00");
  EXPECT_EQ(format_fixed(-0.04, 1), "-0.0");
  EXPECT_EQ(format_fixed(std::numeric_limits<double>::max(), 20).size(), 309U + 21U);
}

TEST(Number, DoesNotListenToTheLocale) {
  // C.UTF-8 is always there; a locale with a decimal comma is used where the machine has one.
  const char* comma = std::setlocale(LC_ALL, "de_DE.UTF-8");
  EXPECT_EQ(format_fixed(1.5, 1), "1.5");
  EXPECT_EQ(parse_double("1.5"), 1.5);
  if (comma != nullptr) std::setlocale(LC_ALL, "C");
}

TEST(Ascii, FoldsLettersOnly) {
  EXPECT_EQ(ascii_lower("AZ\xC3\x89[`"), "az\xC3\x89[`");
  EXPECT_EQ(ascii_upper("az\xC3\xA9{@"), "AZ\xC3\xA9{@");
  EXPECT_TRUE(equal_ignoring_case("Content-Type", "content-tYPE"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("@", "`"));
  EXPECT_EQ(trim_ascii(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim_ascii("  "), "");
}

}  // namespace
}  // namespace beluga
