#include "beluga/net/http.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"

namespace beluga {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpHeaders, LooksUpWithoutRegardToCaseAndKeepsSpellingAndOrder) {
  HttpHeaders headers{{"X-One", "1"}, {"Content-Type", "text/plain"}, {"x-one", "2"}};
  EXPECT_EQ(headers.get("x-ONE"), "1");
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.get("absent"), std::nullopt);
  EXPECT_EQ(headers.get_or("absent", "x"), "x");
  EXPECT_THAT(headers.get_all("X-ONE"), ElementsAre("1", "2"));
  EXPECT_EQ(headers.get_joined("X-ONE"), "1, 2");
  EXPECT_EQ(headers.begin()->name, "X-One");
  EXPECT_EQ(headers.size(), 3U);
}

TEST(HttpHeaders, SetReplacesAllFieldsInThePlaceOfTheFirst) {
  HttpHeaders headers{{"a", "1"}, {"b", "2"}, {"A", "3"}, {"c", "4"}};
  headers.set("A", "9");
  EXPECT_EQ(headers, (HttpHeaders{{"A", "9"}, {"b", "2"}, {"c", "4"}}));
  headers.set("d", "5");
  EXPECT_EQ(headers.get("d"), "5");
  EXPECT_EQ(headers.remove("A"), 1U);
  EXPECT_EQ(headers.remove("A"), 0U);
}

TEST(HttpHeaders, MayBeSetFromItsOwnValue) {
  HttpHeaders headers{{"a", "first"}, {"a", "second, long enough to live on the heap"}};
  headers.set("a", headers.get_all("a")[1]);
  EXPECT_EQ(headers, (HttpHeaders{{"a", "second, long enough to live on the heap"}}));
}

TEST(HttpHeaders, RefusesInjectionThroughNameOrValueWithoutShowingTheValue) {
  HttpHeaders headers;
  for (const std::string& bad :
       std::vector<std::string>{"a\r\nX: y", "a\nb", "a\rb", std::string("a\0b", 3), "a\x7f", "a\x01"}) {
    auto result = attempt([&] { headers.add("Authorization", bad); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(result.error().message(), Not(HasSubstr(bad)));
    EXPECT_FALSE(attempt([&] { headers.set("Authorization", bad); }).ok());
  }
  for (std::string_view bad : {"", "a b", "a:", "a\r\n", "\xc3\xa4", "(x)"}) {
    EXPECT_FALSE(attempt([&] { headers.add(bad, "x"); }).ok()) << bad;
  }
  EXPECT_TRUE(headers.empty());
}

TEST(HttpHeaders, DropsWhitespaceAroundAValueAndAllowsUtf8AndTabs) {
  HttpHeaders headers;
  headers.add("a", " \t gr\xc3\xbc\xc3\x9f\tGott \t");
  headers.add("empty", "  ");
  EXPECT_EQ(headers.get("a"), "gr\xc3\xbc\xc3\x9f\tGott");
  EXPECT_EQ(headers.get("empty"), "");
}

TEST(HttpHeaders, FindsTokensInLists) {
  HttpHeaders headers{{"Connection", "keep-alive, Upgrade"}, {"connection", "TE"}};
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_TRUE(headers.has_token("Connection", "te"));
  EXPECT_FALSE(headers.has_token("Connection", "keep"));
  EXPECT_FALSE(headers.has_token("Other", "te"));
}

TEST(Http, KnowsTokensAndReasons) {
  EXPECT_TRUE(is_http_token("GET"));
  EXPECT_FALSE(is_http_token("G ET"));
  EXPECT_FALSE(is_http_token(""));
  EXPECT_EQ(http_reason(404), "Not Found");
  EXPECT_EQ(http_reason(799), "");
  EXPECT_TRUE(HttpResponse{.status = 204}.ok());
  EXPECT_FALSE(HttpResponse{.status = 302}.ok());
}

}  // namespace
}  // namespace beluga
