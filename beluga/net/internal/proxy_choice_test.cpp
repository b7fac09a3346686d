#include "beluga/net/internal/proxy_choice.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace beluga::detail {
namespace {

TEST(ProxyChoice, FollowsTheNoProxyList) {
  EXPECT_TRUE(bypasses_proxy("*", "anything"));
  EXPECT_TRUE(bypasses_proxy("example.com", "example.com"));
  EXPECT_TRUE(bypasses_proxy("a, .Example.com ,b", "api.example.com"));
  EXPECT_TRUE(bypasses_proxy("a .example.com", "example.com"));
  EXPECT_FALSE(bypasses_proxy("example.com", "badexample.com"));
  EXPECT_FALSE(bypasses_proxy("example.com", "example.com.evil.net"));
  EXPECT_FALSE(bypasses_proxy("", "h"));
  EXPECT_FALSE(bypasses_proxy(" ,, .", "h"));
  EXPECT_TRUE(bypasses_proxy("10.0.0.0/8", "10.9.9.9"));
  EXPECT_FALSE(bypasses_proxy("10.0.0.0/x", "10.9.9.9"));
  EXPECT_TRUE(bypasses_proxy("127.0.0.1", "127.0.0.1"));
  EXPECT_TRUE(bypasses_proxy("[::1]", "::1"));
  EXPECT_FALSE(bypasses_proxy("0.0.1", "127.0.0.1"));
}

TEST(ProxyChoice, TakesTheProxyOfTheScheme) {
  const HttpProxy proxy{.http = "h:1", .https = "https://s:2", .no_proxy = "local"};
  EXPECT_EQ(choose_proxy(proxy, Url::parse("http://x/")), "http://h:1");
  EXPECT_EQ(choose_proxy(proxy, Url::parse("https://x/")), "https://s:2");
  EXPECT_EQ(choose_proxy(proxy, Url::parse("https://local/")), "");
}

TEST(ProxyChoice, ReadsTheEnvironmentButNotHttpProxyInUpperCase) {
  ::setenv("HTTP_PROXY", "http://attacker:1", 1);
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
  ::unsetenv("ALL_PROXY");
  EXPECT_EQ(HttpProxy::from_environment().http, "");
  ::setenv("http_proxy", "http://mine:1", 1);
  ::setenv("https_proxy", "", 1);
  ::setenv("ALL_PROXY", "http://all:1", 1);
  EXPECT_EQ(HttpProxy::from_environment().http, "http://mine:1");
  EXPECT_EQ(HttpProxy::from_environment().https, "http://all:1");
  ::unsetenv("HTTP_PROXY");
  ::unsetenv("ALL_PROXY");
  ::unsetenv("http_proxy");
  ::unsetenv("https_proxy");
}

}  // namespace
}  // namespace beluga::detail
