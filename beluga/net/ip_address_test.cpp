#include "beluga/net/ip_address.hpp"

#include <gtest/gtest.h>

namespace beluga {
namespace {

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(IpAddress::parse("10.1.2.3")->to_string(), "10.1.2.3");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0::1")->to_string(), "2001:db8::1");
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "0x7f.0.0.1", "[::1]", "::1%lo", "localhost", " 1.2.3.4",
                          "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
}

TEST(IpAddress, KnowsWhatIsNotThePublicInternet) {
  for (const char* address : {"0.0.0.0",
                              "10.0.0.1",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.1.2",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.8",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.7",
                              "203.0.113.9",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",  //
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:8.8.8.8",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b::a9fe:a9fe",
                              "64:ff9b:1::808:808",
                              "2002:7f00:1::",
                              "2002:c0a8:101::1",
                              "2001::1",
                              "2001:db8::1",
                              "3fff::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "100::1",
                              "4000::1"}) {
    EXPECT_FALSE(IpAddress::parse(address)->is_global()) << address;
  }
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808",
        "2002:808:808::1", "2001:200::1"}) {
    EXPECT_TRUE(IpAddress::parse(address)->is_global()) << address;
  }
}

TEST(IpAddress, ComparesPrefixesOfAnyLength) {
  const IpAddress address = *IpAddress::parse("192.168.77.3");
  EXPECT_TRUE(address.in(*IpAddress::parse("192.168.64.0"), 20));
  EXPECT_TRUE(address.in(*IpAddress::parse("192.168.64.0"), 18));
  EXPECT_FALSE(address.in(*IpAddress::parse("192.168.64.0"), 21));
  EXPECT_TRUE(address.in(*IpAddress::parse("1.2.3.4"), 0));
  EXPECT_TRUE(address.in(address, 99));
  EXPECT_FALSE(address.in(*IpAddress::parse("::"), 0));
  EXPECT_TRUE(IpAddress::parse("::ffff:127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
}

}  // namespace
}  // namespace beluga
