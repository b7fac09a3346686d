// RFC 8259, section by section: what must be accepted, what must be refused, and what the RFC leaves to the
// reader, with our choice. The shape of the table follows N. Seriot, "Parsing JSON is a Minefield"; the
// inputs are our own.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"

namespace beluga {
namespace {
using namespace std::string_view_literals;

bool accepted(std::string_view text) {
  try {
    const Json read = Json::parse(text);
    EXPECT_EQ(Json::parse(read.dump()), read) << text;
    EXPECT_EQ(Json::parse(read.dump(3)), read) << text;
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << text;
    EXPECT_EQ(error.message().rfind("line ", 0), 0U) << error.message();
    return false;
  }
}

constexpr std::string_view kAccept[] = {
    // Section 2: structure, white space, any value at the top
    "null"sv,
    "true"sv,
    "false"sv,
    "0"sv,
    "\"\""sv,
    "[]"sv,
    "{}"sv,
    " \t\r\n[ \t\r\n] \t\r\n"sv,
    "{ \"a\" : 1 , \"b\" : 2 }"sv,
    "[null]"sv,
    "[\n1\r,\t2 ]"sv,
    "\n\n1\n"sv,
    // Section 4: objects
    "{\"\":0}"sv,
    "{\"a\":{\"a\":{\"a\":null}}}"sv,
    "{\"a\\u0000b\":1}"sv,
    "{\"a\":1,\"A\":2}"sv,
    "{\"a\":1,\"a \":2}"sv,
    // Section 5: arrays
    "[[]   ]"sv,
    "[1,null,true,\"x\",[],{}]"sv,
    "[[[[[[[[[[]]]]]]]]]]"sv,
    // Section 6: numbers
    "-0"sv,
    "-1"sv,
    "10"sv,
    "1.5"sv,
    "1.50"sv,
    "0.0"sv,
    "-0.0"sv,
    "1e1"sv,
    "1E1"sv,
    "1e+1"sv,
    "1e-1"sv,
    "0e0"sv,
    "0e+01"sv,
    "1.5e300"sv,
    "[0.4e00669999999999999999999999999999999999]"sv,
    "123456789012345678901234567890.123456789012345678901234567890"sv,
    "1e400"sv,
    "-1e-400"sv,
    "[-9223372036854775809]"sv,
    // Section 7: strings
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""sv,
    "\"\\u0000\""sv,
    "\"\\u001F\""sv,
    "\"\\uFFFF\""sv,
    "\"\\uD83D\\uDE00\""sv,
    "\"\\ud83d\\ude00x\""sv,
    "\"\x7F\""sv,
    "\"\xC2\x80\""sv,
    "\"\xE2\x80\xA8\xE2\x80\xA9\""sv,
    "\"\xEF\xBF\xBF\""sv,
    "\"\xF4\x8F\xBF\xBF\""sv,
    "\"\xEF\xBB\xBF\""sv,
    "\"/\""sv,
    "\"\\\\u000A\""sv,
    "\"// no comment\""sv,
    "\"\xF0\x9F\x98\x80\""sv,
};

constexpr std::string_view kRefuse[] = {
    // Section 2: structure
    ""sv,
    " "sv,
    "[1] 2"sv,
    "[]]"sv,
    "{}}"sv,
    "[] []"sv,
    "\"a\" \"b\""sv,
    "nul"sv,
    "nulll"sv,
    "Null"sv,
    "TRUE"sv,
    "tru e"sv,
    "undefined"sv,
    "NaN"sv,
    "Infinity"sv,
    "-Infinity"sv,
    "\v1"sv,
    "\f1"sv,
    "\xC2\xA0[]"sv,
    "[\xE2\x81\xA0]"sv,
    "1\0"sv,
    "\0"sv,
    "// c\n1"sv,
    "/* c */1"sv,
    "#1"sv,
    "1;"sv,
    "()"sv,
    "<null>"sv,
    "'a'"sv,
    "`a`"sv,
    "a"sv,
    "*"sv,
    // Section 4: objects
    "{"sv,
    "}"sv,
    "{\"a\"}"sv,
    "{\"a\":}"sv,
    "{\"a\" 1}"sv,
    "{\"a\"::1}"sv,
    "{:1}"sv,
    "{,}"sv,
    "{\"a\":1,}"sv,
    "{\"a\":1,,\"b\":2}"sv,
    "{\"a\":1 \"b\":2}"sv,
    "{a:1}"sv,
    "{'a':1}"sv,
    "{1:1}"sv,
    "{null:1}"sv,
    "{\"a\":1"sv,
    "{\"a\":1]"sv,
    "{\"a\",1}"sv,
    "{\"a\":1,\"b\"}"sv,
    "{\"a\":1;\"b\":2}"sv,
    "{[]:1}"sv,
    "{\"a\"=1}"sv,
    // Section 5: arrays
    "["sv,
    "]"sv,
    "[,]"sv,
    "[1,]"sv,
    "[,1]"sv,
    "[1,,2]"sv,
    "[1 2]"sv,
    "[1:2]"sv,
    "[1}"sv,
    "[\"a\",\n1,"sv,
    "[[]"sv,
    "[\"x\"]]"sv,
    "[3[4]]"sv,
    // Section 6: numbers
    "+1"sv,
    "01"sv,
    "-01"sv,
    "00"sv,
    "-"sv,
    "--1"sv,
    "1."sv,
    ".5"sv,
    "-.5"sv,
    "1.e1"sv,
    "1e"sv,
    "1e+"sv,
    "1E-"sv,
    "1ee1"sv,
    "1e1.5"sv,
    "0x10"sv,
    "1_000"sv,
    "1,000"sv,
    "1 000"sv,
    "0b1"sv,
    "1f"sv,
    "1a"sv,
    "- 1"sv,
    "1-"sv,
    "\xEF\xBC\x91"sv,
    "[1.2.3]"sv,
    "[0e]"sv,
    "[-]"sv,
    "[1+2]"sv,
    // Section 7: strings
    "\""sv,
    "\"a"sv,
    "\"\\\""sv,
    "\"\\"sv,
    "\"\\a\""sv,
    "\"\\x41\""sv,
    "\"\\'\""sv,
    "\"\\0\""sv,
    "\"\\u\""sv,
    "\"\\u00\""sv,
    "\"\\u00G0\""sv,
    "\"\\U0041\""sv,
    "\"\\u{41}\""sv,
    "\"\\\n\""sv,
    "\"a\nb\""sv,
    "\"a\tb\""sv,
    "\"a\0b\""sv,
    "\"\x1F\""sv,
    "\"a\" b"sv,
    "\"\\u-123\""sv,
    "\"\\u12\xC3\xA9\""sv,
    "\"\\ud8\""sv,
    // Section 8.1: UTF-8
    "\"\x80\""sv,
    "\"\xC0\xAF\""sv,
    "\"\xE0\x80\xAF\""sv,
    "\"\xED\xA0\x80\""sv,
    "\"\xF4\x90\x80\x80\""sv,
    "\"\xE2\x82\""sv,
    "\"\xFF\""sv,
    "[\xC3]"sv,
    "\xFE\xFF\0[\0]"sv,
    "[\0]\0"sv,
    "\xEF\xBB"sv,
    "\xEF\xBB\xBF"sv,
};

struct Choice {
  std::string_view text;
  bool accept;
  std::string_view why;
};
constexpr Choice kChoices[] = {
    {"\xEF\xBB\xBF[1]"sv, true, "section 8.1 lets a reader skip a byte order mark"},
    {"[1]\xEF\xBB\xBF"sv, false, "only at the start"},
    {"{\"a\":1,\"a\":2}"sv, false, "section 4: names SHOULD be unique; readers disagree on which one counts"},
    {"{\"a\":1,\"\\u0061\":2}"sv, false, "the same name in another spelling (section 8.3)"},
    {"\"\\uD800\""sv, false, "section 8.2: a lone surrogate has no UTF-8"},
    {"\"\\uDC00\""sv, false, "the same, low"},
    {"\"\\uD800\\u0041\""sv, false, "the same, followed by another character"},
    {"\"\\uD800\\uD800\""sv, false, "the same, twice high"},
    {"\"\\uD800n\""sv, false, "the same, followed by text"},
    {"1e999999999999999999999"sv, true, "section 6 sets no limits; the text is kept, as_double() refuses"},
    {"\"\\uFDD0\\uFFFE\""sv, true, "noncharacters are code points like others"},
};

TEST(JsonConformance, AcceptsWhatTheRfcAllows) {
  for (const std::string_view text : kAccept)
    EXPECT_TRUE(accepted(text)) << testing::PrintToString(std::string(text));
}

TEST(JsonConformance, RefusesWhatTheRfcForbids) {
  for (const std::string_view text : kRefuse)
    EXPECT_FALSE(accepted(text)) << testing::PrintToString(std::string(text));
}

TEST(JsonConformance, KeepsItsChoicesWhereTheRfcLeavesThem) {
  for (const Choice& choice : kChoices)
    EXPECT_EQ(accepted(choice.text), choice.accept)
        << testing::PrintToString(std::string(choice.text)) << choice.why;
}

TEST(JsonConformance, RefusesEveryProperPrefixOfADocument) {
  const std::string text = R"({"a":[1.5e-3,true,"\u00e9\\",{"b":null}],"c":"x"})";
  EXPECT_TRUE(accepted(text));
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(accepted(text.substr(0, length))) << length;
}

TEST(JsonConformance, RefusesOrReadsEveryTextWithOneByteChanged) {
  // No crash, no hang and never a value that does not survive its own dump: accepted() checks that.
  const std::string text = R"({"a":[1.5e-3,true,"\u00e9\\",{"b":null}],"c":"x"})";
  std::size_t read = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      read += accepted(changed) ? 1U : 0U;
    }
  EXPECT_GT(read, text.size());
}

}  // namespace
}  // namespace beluga
