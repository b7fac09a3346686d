#include "beluga/base/json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

static_assert(std::is_nothrow_move_constructible_v<Json>);
static_assert(std::is_nothrow_move_assignable_v<Json>);

std::string error_of(std::string_view text, Json::ParseOptions options = {}) {
  try {
    static_cast<void>(Json::parse(text, options));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "accepted";
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

TEST(Json, KeepsTheTextOfNumbers) {
  for (const char* text : {"0", "-0", "1.0", "1.10", "1e5", "1E+05", "123456789012345678901234567890",
                           "0.1000000000000000055511151231257827", "1e-400", "1e400", "-0.0e-0"}) {
    EXPECT_EQ(Json::parse(text).dump(), text);
    EXPECT_EQ(Json::parse(text).number_text(), text);
    EXPECT_EQ(Json::number(text).dump(), text);
  }
}

TEST(Json, KeepsTheOrderOfMembers) {
  const std::string text = R"({"z":1,"a":2,"m":{"y":[],"b":{}}})";
  EXPECT_EQ(Json::parse(text).dump(), text);
}

TEST(Json, ReadsEveryEscape) {
  EXPECT_EQ(Json::parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00")").as_string(),
            "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(Json::parse(R"("\u0000")").as_string(), std::string(1, '\0'));
}

TEST(Json, WritesControlCharactersAsEscapesAndTheRestAsItIs) {
  EXPECT_EQ(Json(std::string("a\"\\\b\f\n\r\t\x01\x1F\x7F/\xC3\xA9\0z", 16)).dump(),
            "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7F/\xC3\xA9\\u0000z\"");
}

TEST(Json, ReplacesInvalidUtf8WhenItWrites) {
  EXPECT_EQ(Json("a\xFFz\xE2\x82").dump(), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
  const std::string tail(100, 'x');
  EXPECT_EQ(Json(tail + "\xED\xA0\x80").dump(), '"' + tail + "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(Json, EscapesAtEveryOffsetOfAVectorStep) {
  for (std::size_t length = 0; length < 70; ++length)
    for (std::size_t at = 0; at <= length; ++at)
      for (const char special : {'"', '\\', '\n', '\x1F'}) {
        std::string text(length, 'x');
        text.insert(at, 1, special);
        EXPECT_EQ(Json::parse(Json(text).dump()).as_string(), text);
      }
}

TEST(Json, SaysWhereAnErrorIs) {
  EXPECT_EQ(error_of("{\n  \"a\": 1\n  \"b\": 2\n}"), "line 3, column 3: expected ',' or '}', found '\"'");
  EXPECT_EQ(error_of("[1,2"), "line 1, column 5: expected ',' or ']', found the end of the text");
  EXPECT_EQ(error_of("[\"\xC3\xA9\", x]"), "line 1, column 7: expected a value, found 'x'");
  EXPECT_EQ(error_of("[1,]"), "line 1, column 4: expected a value after ',', found ']'");
  EXPECT_EQ(error_of("{\"a\":1,}"), "line 1, column 8: expected a key in double quotes, found '}'");
  EXPECT_EQ(error_of("\"abc"), "line 1, column 1: this string has no closing quote");
  EXPECT_EQ(error_of("\"a\nb\""),
            "line 1, column 3: the control character U+000A must be written as an escape inside a string");
  EXPECT_EQ(error_of("01"), "line 1, column 2: expected the end of the text, found '1'");
  EXPECT_EQ(error_of("-x"), "line 1, column 1: '-x' is not a JSON number");
  EXPECT_EQ(error_of(""), "line 1, column 1: expected a value, found the end of the text");
  EXPECT_EQ(error_of("\"\\ud800\""), "line 1, column 2: a high surrogate without its low one");
  EXPECT_EQ(error_of("\n\"\xC0\x80\""), "line 2, column 2: this is not UTF-8");
}

TEST(Json, RefusesDuplicateKeysUnlessToldThatTheLastWins) {
  EXPECT_EQ(error_of(R"({"a":1,"b":2,"a":3})"),
            "line 1, column 14: the key \"a\" occurs twice in this object; it is already in line 1");
  EXPECT_EQ(error_of(R"({"a":1,"\u0061":3})"),
            "line 1, column 8: the key \"a\" occurs twice in this object; it is already in line 1");
  const Json::ParseOptions last{.duplicate_keys = Json::DuplicateKeys::last_wins};
  EXPECT_EQ(Json::parse(R"({"a":1,"b":2,"a":3,"c":4})", last).dump(), R"({"a":3,"b":2,"c":4})");
}

TEST(Json, FindsDuplicateKeysInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",\n";
  EXPECT_EQ(Json::parse(text + "\"x\":0}").size(), 1001U);
  EXPECT_EQ(error_of(text + "\"key7\":0}"),
            "line 1001, column 1: the key \"key7\" occurs twice in this object; it is already in line 8");
  const Json::ParseOptions last{.duplicate_keys = Json::DuplicateKeys::last_wins};
  const Json read = Json::parse(text + "\"key7\":-1,\"key999\":-2,\"key7\":-3}", last);
  EXPECT_EQ(read.size(), 1000U);
  EXPECT_EQ(read.members()[7].value.as_int(), -3);
  EXPECT_EQ(read.members()[999].value.as_int(), -2);
  EXPECT_EQ(read.members()[8].key, "key8");
}

TEST(Json, LimitsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(128)), "accepted");
  EXPECT_EQ(error_of(nested(129)), "line 1, column 129: nested deeper than 128 levels of arrays and objects");
  EXPECT_EQ(error_of(nested(3), {.max_depth = 2}),
            "line 1, column 3: nested deeper than 2 levels of arrays and objects");
  EXPECT_EQ(error_of(nested(512), {.max_depth = 100000}), "accepted");
  EXPECT_NE(error_of(nested(513), {.max_depth = 100000}), "accepted");
  EXPECT_NE(error_of(std::string(1000000, '[')), "accepted");
  EXPECT_EQ(error_of("0", {.max_depth = 0}), "accepted");
}

TEST(Json, ReadsIntegersInEveryNotation) {
  EXPECT_EQ(Json::parse("1.0").as_int(), 1);
  EXPECT_EQ(Json::parse("1e2").as_int(), 100);
  EXPECT_EQ(Json::parse("1200e-2").as_int(), 12);
  EXPECT_EQ(Json::parse("0.00e99999999999999999999").as_int(), 0);
  EXPECT_EQ(Json::parse("-9223372036854775808").as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Json::parse("-9223372036854775808.0").as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Json::parse("18446744073709551615").as_uint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(message_of([] { Json::parse("9223372036854775808").as_int(); }),
            "expected an integer of 64 bits, found \"9223372036854775808\"");
  EXPECT_THROW(Json::parse("1.5").as_int(), Error);
  EXPECT_THROW(Json::parse("1e99999999999999999999").as_int(), Error);
  EXPECT_THROW(Json::parse("-1").as_uint(), Error);
  EXPECT_THROW(Json::parse("18446744073709551616").as_uint(), Error);
  EXPECT_TRUE(Json::parse("1e400").is_integer());
  EXPECT_FALSE(Json::parse("1e-400").is_integer());
  EXPECT_FALSE(Json::parse("10.01").is_integer());
}

TEST(Json, ReadsDoublesAndRefusesOverflow) {
  EXPECT_EQ(Json::parse("0.1").as_double(), 0.1);
  EXPECT_EQ(Json::parse("1e-400").as_double(), 0.0);
  EXPECT_TRUE(std::signbit(Json::parse("-1e-400").as_double()));
  EXPECT_THROW(Json::parse("1e400").as_double(), Error);
  EXPECT_THROW(static_cast<void>(Json(std::numeric_limits<double>::quiet_NaN())), Error);
  EXPECT_THROW(Json(-std::numeric_limits<double>::infinity()), Error);
  for (const double value : {0.1, 1.0, -2.5e-300, 1.7976931348623157e308, 5e-324, 3.0e22})
    EXPECT_EQ(Json::parse(Json(value).dump()).as_double(), value);
}

TEST(Json, ComparesNumbersByValueWithoutRounding) {
  EXPECT_EQ(Json::parse("1"), Json::parse("1.0"));
  EXPECT_EQ(Json::parse("1"), Json::parse("10e-1"));
  EXPECT_EQ(Json::parse("-0"), Json::parse("0.000e5"));
  EXPECT_EQ(Json::parse("0.0120"), Json::parse("1.2e-2"));
  EXPECT_EQ(Json(100), Json(1e2));
  EXPECT_NE(Json::parse("9007199254740993"), Json::parse("9007199254740992"));
  EXPECT_NE(Json::parse("1"), Json::parse("-1"));
  EXPECT_NE(Json::parse("1e1"), Json::parse("1e2"));
  EXPECT_NE(Json(1), Json("1"));
}

TEST(Json, ComparesObjectsWithoutRegardToOrder) {
  EXPECT_EQ(Json::parse(R"({"a":1,"b":[1,{"c":null}]})"), Json::parse(R"({"b":[1.0,{"c":null}],"a":1})"));
  EXPECT_NE(Json::parse(R"({"a":1})"), Json::parse(R"({"a":1,"b":2})"));
  EXPECT_NE(Json::parse(R"({"a":1,"c":2})"), Json::parse(R"({"a":1,"b":2})"));
  EXPECT_NE(Json::parse("[1,2]"), Json::parse("[2,1]"));
  EXPECT_EQ(Json(), Json(nullptr));
  EXPECT_NE(Json(true), Json(false));
}

TEST(Json, IndexesArraysByNumberAndObjectsByKey) {
  Json json = Json::parse(R"({"items":[10,20]})");
  EXPECT_EQ(json["items"][0].as_int(), 10);
  json["items"][1] = "twenty";
  EXPECT_EQ(json.dump(), R"({"items":[10,"twenty"]})");
  EXPECT_THROW(json["items"][2], Error);
  EXPECT_THROW(json[0], Error);
}

TEST(Json, FollowsPointers) {
  // The example of RFC 6901 section 5.
  const Json json = Json::parse(
      R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8})");
  EXPECT_EQ(json.pointer(""), &json);
  EXPECT_EQ(json.pointer("/foo")->size(), 2U);
  EXPECT_EQ(json.pointer("/foo/0")->as_string(), "bar");
  EXPECT_EQ(json.pointer("/")->as_int(), 0);
  EXPECT_EQ(json.pointer("/a~1b")->as_int(), 1);
  EXPECT_EQ(json.pointer("/c%d")->as_int(), 2);
  EXPECT_EQ(json.pointer("/i\\j")->as_int(), 5);
  EXPECT_EQ(json.pointer("/ ")->as_int(), 7);
  EXPECT_EQ(json.pointer("/m~0n")->as_int(), 8);
  for (const char* nowhere : {"foo", "/foo/2", "/foo/00", "/foo/01", "/foo/-", "/foo/", "/foo/0/x", "/m~n",
                              "/m~", "/m~2n", "/foo/+1", "/foo/99999999999999999999", "/nope"})
    EXPECT_EQ(json.pointer(nowhere), nullptr) << nowhere;
}

TEST(Json, IsBuiltInPlace) {
  Json json;
  json["model"] = "m";
  json["messages"].push_back(Json::object({{"role", "user"}}))["content"] = "hi";
  json["n"] = 3;
  json["model"] = "gpt";
  EXPECT_EQ(json.dump(), R"({"model":"gpt","messages":[{"role":"user","content":"hi"}],"n":3})");
  EXPECT_TRUE(json.erase("n"));
  EXPECT_FALSE(json.erase("n"));
  EXPECT_EQ(json.size(), 2U);
  EXPECT_THROW(json["model"]["x"], Error);
  EXPECT_THROW(json.push_back(1), Error);
  EXPECT_THROW(Json::object({{"a", 1}, {"b", 2}, {"a", 3}}), Error);
  EXPECT_THROW(Json::number("1."), Error);
}

TEST(Json, CanBeReplacedByItsOwnPart) {
  Json json = Json::parse(R"({"a":{"b":["deep inside of it, on the heap"]}})");
  json = std::move(json["a"]["b"]);
  EXPECT_EQ(json.dump(), R"(["deep inside of it, on the heap"])");
  json = json.at(0);
  EXPECT_EQ(json.as_string(), "deep inside of it, on the heap");
  Json& same = json;
  json = std::move(same);
  EXPECT_EQ(json.as_string(), "deep inside of it, on the heap");
}

TEST(Json, LeavesNullBehindAMove) {
  Json from = Json::parse("[1]");
  const Json to = std::move(from);
  EXPECT_TRUE(from.is_null());  // NOLINT: the point of the test
  EXPECT_EQ(to.size(), 1U);
}

TEST(Json, NamesTheKindsInAccessErrors) {
  EXPECT_EQ(message_of([] { Json("x").as_int(); }), "expected integer, found string");
  EXPECT_EQ(message_of([] { Json(1).as_string(); }), "expected string, found number");
  EXPECT_EQ(message_of([] { Json::parse("{\"a\":1}").at("b"); }),
            "expected an object with the member \"b\", found \"a\"");
  EXPECT_EQ(message_of([] { Json::parse("[1]").at(1U); }),
            "expected an array with an item 1, found one of 1");
}

TEST(Json, ReadsLenientlyWithFallbacks) {
  const Json json = Json::parse(R"({"s":"x","i":1.0,"f":1.5,"b":true,"big":1e400})");
  EXPECT_EQ(json.string_or("s", "?"), "x");
  EXPECT_EQ(json.string_or("i", "?"), "?");
  EXPECT_EQ(json.int_or("i", 9), 1);
  EXPECT_EQ(json.int_or("f", 9), 9);
  EXPECT_EQ(json.double_or("f", 9), 1.5);
  EXPECT_EQ(json.double_or("big", 9), 9);
  EXPECT_TRUE(json.bool_or("b", false));
  EXPECT_EQ(Json().int_or("i", 4), 4);
}

TEST(Json, IndentsOnRequest) {
  EXPECT_EQ(Json::parse(R"({"a":[1,{}],"b":[]})").dump(2),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

TEST(Json, SkipsOneByteOrderMark) {
  EXPECT_EQ(Json::parse("\xEF\xBB\xBF[1]").dump(), "[1]");
  EXPECT_NE(error_of("\xEF\xBB\xBF\xEF\xBB\xBF[1]"), "accepted");
}

}  // namespace
}  // namespace beluga
