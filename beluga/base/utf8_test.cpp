#include "beluga/base/utf8.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace beluga {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(Utf8, AcceptsExactlyTheWellFormed) {
  for (const char* good : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_valid_utf8(good)) << testing::PrintToString(good);
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xED\xA0\x80",
                          "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << testing::PrintToString(bad);
    EXPECT_FALSE(is_valid_utf8(std::string(100, 'x') + bad)) << testing::PrintToString(bad);
  }
}

TEST(Utf8, ReplacesMaximalSubparts) {
  // The example of Unicode 15 section 3.9, table 3-8.
  EXPECT_EQ(sanitize_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + kBad + kBad + kBad + "b" + kBad + "c" + kBad + kBad + "d");
  EXPECT_EQ(sanitize_utf8("plain \xC3\xA9"), "plain \xC3\xA9");
}

TEST(Utf8, NeverCutsInsideACharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  for (std::size_t length = 0; length <= text.size() + 1; ++length) {
    const std::string_view cut = truncate_utf8(text, length);
    EXPECT_TRUE(is_valid_utf8(cut)) << length;
    EXPECT_LE(cut.size(), length);
    EXPECT_GE(cut.size() + 3, std::min(length, text.size())) << length;
    EXPECT_TRUE(is_valid_utf8(shorten(text, length)));
    EXPECT_LE(shorten(text, length).size(), length);
  }
  EXPECT_EQ(shorten("abcdefgh", 6), "abc...");
  EXPECT_EQ(shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(truncate_utf8("\x80\x80\x80\x80\x80\x80", 5).size(), 5U);
}

TEST(Utf8, WalksCodePoints) {
  std::vector<std::string> seen;
  for (const std::string_view c : CodePoints("a\xC3\xA9\xE2\x82\xF0\x9F\x98\x80")) seen.emplace_back(c);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "\xC3\xA9", "\xE2\x82", "\xF0\x9F\x98\x80"}));
  EXPECT_EQ(count_code_points("a\xC3\xA9\xE2\x82\xF0\x9F\x98\x80"), 4U);
  EXPECT_EQ(count_code_points(""), 0U);
}

TEST(Utf8, SanitizesAStreamLikeTheWholeText) {
  const std::string text =
      "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 \xE2\x82 \xF0\x9F\x98\xC3\xA9\xFF\xED\xA0\x80 z\xF0\x9F";
  for (std::size_t first = 0; first <= text.size(); ++first)
    for (std::size_t second = first; second <= text.size(); ++second) {
      Utf8Sanitizer stream;
      std::string out;
      stream.feed(std::string_view(text).substr(0, first), out);
      EXPECT_TRUE(is_valid_utf8(out));
      stream.feed(std::string_view(text).substr(first, second - first), out);
      stream.feed(std::string_view(text).substr(second), out);
      stream.finish(out);
      ASSERT_EQ(out, sanitize_utf8(text)) << first << ' ' << second;
    }
}

}  // namespace
}  // namespace beluga
