#include "beluga/contract/usd.hpp"

#include <gtest/gtest.h>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"

namespace beluga {
namespace {

TEST(Usd, ReadsAndWritesDecimalsExactly) {
  for (const char* text : {"0", "1", "0.25", "0.000000000001", "2.5", "123456.789", "9223372"})
    EXPECT_EQ(Usd::parse(text).text(), text);
  EXPECT_EQ(Usd::parse("2.50").text(), "2.5");
  EXPECT_EQ(Usd::parse(".5").text(), "0.5");
  EXPECT_EQ(Usd::parse("10.").text(), "10");
  EXPECT_EQ(Usd::parse("0.1000000000000000").pico(), 100'000'000'000);
}

TEST(Usd, RefusesWhatIsNoAmount) {
  for (const char* text : {"", ".", "-1", "+1", "1e3", "1.2.3", "0.0000000000001", " 1", "1 ", "9223373",
                           "ten", "99999999999999999999999999"}) {
    const auto parsed = attempt([&] { return Usd::parse(text); });
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_argument);
  }
}

TEST(Usd, SumsWithoutRoundingAndWithoutOverflow) {
  Usd sum;
  for (int i = 0; i < 10; ++i) sum += Usd::parse("0.1");
  EXPECT_EQ(sum, Usd::parse("1"));
  sum += Usd::pico(INT64_MAX);
  EXPECT_EQ(sum.pico(), INT64_MAX);
  EXPECT_EQ((Usd::parse("1") - Usd::parse("1.5")).text(), "-0.5");
  EXPECT_EQ(Usd::pico(INT64_MIN).text(), "-9223372.036854775808");
}

}  // namespace
}  // namespace beluga
