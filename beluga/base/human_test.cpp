#include "beluga/base/human.hpp"

#include <gtest/gtest.h>

namespace beluga {
namespace {
using namespace std::chrono_literals;

TEST(Duration, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("1m30s"), 90s);
  EXPECT_EQ(parse_duration("1.5h"), 90min);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("1d2h3m4s5ms6us7ns"), 24h + 2h + 3min + 4s + 5ms + 6us + 7ns);
  EXPECT_EQ(parse_duration("7\xC2\xB5s"), 7us);
  EXPECT_EQ(parse_duration("-2s"), -2s);
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("9223372036854775807ns"), std::chrono::nanoseconds::max());
  for (const char* bad : {"", "30", "s", "1s1m", "1s1s", "1 s", "1.s", ".5s", "1..5s", "1x", "--1s",
                          "9223372036854775808ns", "200000d1h9999999999999h", "107000d", "1e3s", "infs"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Duration, IsWrittenBriefly) {
  EXPECT_EQ(format_duration(0ns), "0s");
  EXPECT_EQ(format_duration(850ns), "850ns");
  EXPECT_EQ(format_duration(1500ns), "1.5us");
  EXPECT_EQ(format_duration(12345us), "12.3ms");
  EXPECT_EQ(format_duration(999960us), "1s");
  EXPECT_EQ(format_duration(4200ms), "4.2s");
  EXPECT_EQ(format_duration(59960ms), "1m");
  EXPECT_EQ(format_duration(90s), "1m30s");
  EXPECT_EQ(format_duration(3599600ms), "1h");
  EXPECT_EQ(format_duration(2h + 5min), "2h5m");
  EXPECT_EQ(format_duration(76h), "3d4h");
  EXPECT_EQ(format_duration(-90s), "-1m30s");
  EXPECT_EQ(format_duration(std::chrono::nanoseconds::min()).front(), '-');
}

TEST(Bytes, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_bytes("4096"), 4096U);
  EXPECT_EQ(parse_bytes("10 kB"), 10000U);
  EXPECT_EQ(parse_bytes("64KiB"), 65536U);
  EXPECT_EQ(parse_bytes("64k"), 65536U);
  EXPECT_EQ(parse_bytes("1.5GB"), 1500000000U);
  EXPECT_EQ(parse_bytes("16 MIB"), 16U << 20U);
  EXPECT_EQ(parse_bytes("1b"), 1U);
  for (const char* bad : {"", "k", "-1", "1x", "1 kBs", "1.kB", "99999999999999999999", "16EiB", "1e3"})
    EXPECT_FALSE(parse_bytes(bad)) << bad;
}

TEST(Bytes, AreWrittenBriefly) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(std::uint64_t{2} << 30U), "2 GiB");
  EXPECT_EQ(format_bytes((std::uint64_t{1} << 20U) - 1), "1 MiB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "16 EiB");
}

}  // namespace
}  // namespace beluga
