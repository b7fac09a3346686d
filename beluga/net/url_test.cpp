#include "beluga/net/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Url, TakesAUrlApart) {
  const Url url = Url::parse("HTTPS://user:p%40ss@API.Example.com:8443/v1/a%20b?x=1&y#frag");
  EXPECT_EQ(url.scheme(), "https");
  EXPECT_EQ(url.host(), "api.example.com");
  EXPECT_EQ(url.port(), 8443);
  EXPECT_EQ(url.user(), "user");
  EXPECT_EQ(url.password(), "p@ss");
  EXPECT_EQ(url.path(), "/v1/a%20b");
  EXPECT_EQ(url.query(), "x=1&y");
  EXPECT_EQ(url.fragment(), "frag");
  EXPECT_EQ(url.str(), "https://api.example.com:8443/v1/a%20b?x=1&y");
  EXPECT_EQ(url.origin(), "https://api.example.com:8443");
  EXPECT_EQ(url.target(), "/v1/a%20b?x=1&y");
}

TEST(Url, FillsInWhatIsLeftOut) {
  EXPECT_EQ(Url::parse("http://h").str(), "http://h/");
  EXPECT_EQ(Url::parse("http://h?q").str(), "http://h/?q");
  EXPECT_EQ(Url::parse("http://h/?").target(), "/?");
  EXPECT_EQ(Url::parse("http://h:80/").authority(), "h");
  EXPECT_EQ(Url::parse("http://h:/").port(), 80);
  EXPECT_EQ(Url::parse("wss://h").port(), 443);
  EXPECT_EQ(Url::parse("http://[0:0::1]:8080/x").authority(), "[::1]:8080");
  EXPECT_EQ(Url::parse("http://[::1]").host(), "::1");
}

TEST(Url, EncodesWhatMayNotStandInPathAndQuery) {
  EXPECT_EQ(Url::parse("http://h/a b\"<\xC3\xBC>%zz%41?q={x|y}^`").str(),
            "http://h/a%20b%22%3C%C3%BC%3E%25zz%41?q=%7Bx%7Cy%7D%5E%60");
  EXPECT_EQ(percent_encode("a/b c~%\xFF"), "a%2Fb%20c~%25%FF");
  EXPECT_EQ(percent_decode("a%2Fb%20c~%25%FF%G1%4"), "a/b c~%\xFF%G1%4");
}

TEST(Url, RefusesWhatCanBeReadInTwoWays) {
  for (std::string_view bad : {"",
                               "http",
                               "http:",
                               "http:/h",
                               "//h/",
                               "/path",
                               "ftp://h/",
                               "file:///etc/passwd",
                               "javascript:alert(1)",
                               "http://",
                               "http:///path",
                               "http://:80/",
                               "http://h:0/",
                               "http://h:65536/",
                               "http://h:8o/",
                               "http://h:-1/",
                               "http://h:80:80/",
                               "http://a@b@c/",
                               "http://good.com\\@evil.com/",
                               "http://h\\x/",
                               "http://h\r\nHost: x/",
                               "http://h/\n",
                               "http://h/a\tb",
                               " http://h/",
                               "http://h /",
                               "http://h%2ecom/",
                               "http://\xC3\xBC.de/",
                               "http://[::1/",
                               "http://[::1]x/",
                               "http://[1.2.3.4]/",
                               "http://[fe80::1%25lo]/",
                               "http://[]/",
                               "http://a<b/"}) {
    const auto result = attempt([&] { return Url::parse(bad); });
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  }
  const auto secret = attempt([&] { return Url::parse("http://user:hunter2@ho st/?key=hunter3"); });
  EXPECT_THAT(secret.error().message(), Not(HasSubstr("hunter")));
}

// RFC 3986 section 5.4: the examples of reference resolution.
TEST(Url, ResolvesReferences) {
  const Url base = Url::parse("http://a/b/c/d;p?q");
  const std::pair<std::string_view, std::string_view> examples[] = {
      {"http://g:81/x", "http://g:81/x"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {";x", "http://a/b/c/;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"%2e%2E/g", "http://a/b/g"},
      {"https:g", ""},
      {"mailto:x@y", ""},
  };
  for (const auto& [reference, expected] : examples) {
    const auto result = attempt([&] { return base.resolve(reference); });
    if (expected.empty()) {
      EXPECT_FALSE(result.ok()) << reference;
    } else {
      EXPECT_EQ(result->str(), expected) << reference;
    }
  }
}

TEST(Url, KeepsUserinfoOnlyBelowTheSameAuthority) {
  const Url base = Url::parse("https://u:p@h/a");
  EXPECT_EQ(base.resolve("b").user(), "u");
  EXPECT_EQ(base.resolve("//h/b").user(), "");
  EXPECT_TRUE(base.same_origin(Url::parse("https://h:443/zzz")));
  EXPECT_FALSE(base.same_origin(Url::parse("http://h:443/")));
  EXPECT_FALSE(base.same_origin(Url::parse("https://h:444/")));
}

TEST(Url, AddsQueryPairs) {
  EXPECT_EQ(Url::parse("http://h/").with_query({{"q", "a&b=c d"}, {"n", "1"}}).str(),
            "http://h/?q=a%26b%3Dc%20d&n=1");
  EXPECT_EQ(Url::parse("http://h/?a").with_query({{"b", ""}}).str(), "http://h/?a&b=");
}

}  // namespace
}  // namespace beluga
