#include "beluga/base/schema.hpp"

#include <gmock/gmock.h>

#include <string>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}
/// All violations, each as its text, joined by "; ".
std::string problems(std::string_view schema, std::string_view instance, SchemaOptions options = {}) {
  std::string out;
  for (const SchemaViolation& v :
       Schema(Json::parse(schema), std::move(options)).validate(Json::parse(instance)))
    out += (out.empty() ? "" : "; ") + v.text();
  return out;
}
Error error_of_schema(std::string_view schema) {
  const auto made = attempt([&] { return Schema(Json::parse(schema)); });
  return made.ok() ? Error(ErrorCode::unknown, "it was taken") : made.error();
}
ErrorCode ends_in(const Schema& schema, const Json& instance) {
  const auto done = attempt([&] { return schema.validate(instance); });
  const auto quick = attempt([&] { return schema.valid(instance); });
  EXPECT_EQ(done.ok(), quick.ok()) << "validate() and valid() have the same limits";
  return done.ok() ? ErrorCode::unknown : done.error().code();
}

TEST(Schema, SaysWhereAndWhatIsWrong) {
  constexpr std::string_view kSchema = R"({"type":"object","required":["query"],"additionalProperties":false,
    "properties":{"query":{"type":"string","minLength":2,"pattern":"^[a-z]+$"},
                  "limit":{"type":"integer","maximum":50},"unit":{"enum":["metric","imperial"]},
                  "tags":{"type":"array","items":{"type":"string"},"uniqueItems":true,"maxItems":2}}})";
  EXPECT_EQ(problems(kSchema, R"({"query":"ok","limit":50,"tags":["a","b"]})"), "");
  EXPECT_EQ(problems(kSchema, R"({"query":"ok","limit":99})"), "/limit: 99 is above the maximum 50");
  EXPECT_THAT(problems(kSchema, R"({})"), HasSubstr("(root): the member 'query' is required"));
  EXPECT_THAT(problems(kSchema, R"({"query":"x"})"), HasSubstr("/query: \"x\" is too short"));
  EXPECT_THAT(problems(kSchema, R"({"query":"NO"})"),
              HasSubstr("/query: \"NO\" does not match the pattern ^[a-z]+$"));
  EXPECT_THAT(problems(kSchema, R"({"query":"ok","limt":1})"), HasSubstr("/limt: unknown member"));
  EXPECT_THAT(problems(kSchema, R"({"query":"ok","limt":1})"), HasSubstr("limit"));
  EXPECT_THAT(problems(kSchema, R"({"query":"ok","unit":"metrics"})"), HasSubstr("metric"));
  EXPECT_THAT(problems(kSchema, R"({"query":"ok","tags":["a","a"]})"),
              HasSubstr("/tags/1: \"a\" is there twice"));
  EXPECT_THAT(problems(kSchema, R"({"query":1,"limit":"1"})"), HasSubstr("/query: "));
  EXPECT_THAT(problems(kSchema, R"({"query":1,"limit":"1"})"), HasSubstr("/limit: "));
}

TEST(Schema, NamesTheKeywordThroughReferences) {
  const Schema schema(
      Json::parse(R"({"$defs":{"a/b":{"maximum":3}},"properties":{"x/y":{"$ref":"#/$defs/a~1b"}}})"));
  const auto found = schema.validate(Json::parse(R"({"x/y":4})"));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].instance_path, "/x~1y");
  EXPECT_THAT(found[0].schema_path, HasSubstr("/properties/x~1y/$ref"));
  EXPECT_THAT(found[0].schema_path, HasSubstr("maximum"));
}

TEST(Schema, CheckThrowsTheFirstViolationsOnly) {
  const Schema schema(Json::parse(R"({"items":{"type":"string"}})"));
  const auto checked = attempt([&] { schema.check(Json::parse("[1,2,3,4,5,6,7,8]")); });
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().message(), HasSubstr("/0: "));
  EXPECT_THAT(checked.error().message(), HasSubstr("/4: "));
  EXPECT_THAT(checked.error().message(), HasSubstr("; and 3 more"));
  const Schema bounded(Json::parse(R"({"items":false})"), {.max_violations = 3});
  EXPECT_THAT(bounded.validate(Json::parse("[1,2,3,4,5,6]")), SizeIs(3));
}

TEST(Schema, MessagesAreShortAndStayUtf8) {
  const Schema number(Json::parse(R"({"const":1,"minLength":100000})"));
  for (const std::string& text :
       {std::string(100'000, 'x'), repeated("\xC3\xA9", 5'000), "x" + repeated("\xC3\xA9", 5'000),
        repeated("\x01", 5) + repeated("\xC3\xA9", 25), repeated("\x01", 60)}) {
    for (const SchemaViolation& v : number.validate(Json(text))) {
      EXPECT_LT(v.message.size(), 300U);
      EXPECT_TRUE(is_valid_utf8(v.message)) << v.message;
    }
  }
  const Error bad = error_of_schema("{\"pattern\":\"" + repeated("\xC3\xA9", 99) + "x\xC3\xA9(\"}");
  EXPECT_EQ(bad.code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(is_valid_utf8(bad.message())) << bad.message();
}

TEST(Schema, TellsThePlaceOfWhatIsNoSchema) {
  const auto told = [](std::string_view schema) {
    const Error error = error_of_schema(schema);
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << schema;
    return error.message();
  };
  EXPECT_THAT(told("3"), HasSubstr("(root): expected a schema"));
  EXPECT_THAT(told(R"({"type":"strin"})"), HasSubstr("/type: "));
  EXPECT_THAT(told(R"({"properties":{"a":{"type":[]}}})"), HasSubstr("/properties/a/type: "));
  EXPECT_THAT(told(R"({"properties":{"a/b":{"maximum":"3"}}})"),
              HasSubstr("/properties/a~1b/maximum: expected a number"));
  EXPECT_THAT(told(R"({"minLength":-1})"), HasSubstr("/minLength: expected a non-negative integer"));
  EXPECT_THAT(told(R"({"multipleOf":0})"), HasSubstr("/multipleOf: "));
  EXPECT_THAT(told(R"({"required":"a"})"), HasSubstr("/required: expected an array of strings"));
  EXPECT_THAT(told(R"({"anyOf":[]})"), HasSubstr("/anyOf: "));
  EXPECT_THAT(told(R"({"items":[{}]})"), HasSubstr("/items: "));
  EXPECT_THAT(told(R"({"pattern":"("})"), HasSubstr("/pattern: bad pattern ( at offset 1"));
  EXPECT_THAT(told(R"({"$id":7})"), HasSubstr("/$id: expected a string"));
  EXPECT_THAT(told(R"({"$ref":"#/nowhere"})"), HasSubstr("'#/nowhere' leads nowhere"));
  EXPECT_THAT(told(R"({"$ref":"#name"})"), HasSubstr("there is no such anchor"));
}

TEST(Schema, FetchesNothing) {
  for (const std::string reference : {"http://169.254.169.254/latest", "https://example.org/s.json",
                                      "file:///etc/passwd", "other.json", "//host/x"}) {
    const Error error = error_of_schema(R"({"$ref":")" + reference + "\"}");
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << reference;
    EXPECT_THAT(error.message(), HasSubstr("nothing is fetched")) << reference;
  }
}

TEST(Schema, AReferenceToItselfEndsAtTheDepthLimit) {
  for (const std::string_view schema :
       {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"$ref":"#"}})",
        R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})",
        R"({"$dynamicAnchor":"x","$dynamicRef":"#x"})"})
    EXPECT_EQ(ends_in(Schema(Json::parse(schema)), Json(1)), ErrorCode::resource_exhausted) << schema;
}

TEST(Schema, DepthOfTheInstanceIsBoundedWhereTheSchemaFollowsIt) {
  const Json schema = Json::parse(R"({"items":{"$ref":"#"}})");
  const auto nested = [](int depth) { return Json::parse(repeated("[", depth) + repeated("]", depth)); };
  EXPECT_TRUE(Schema(schema).valid(nested(100)));
  EXPECT_EQ(ends_in(Schema(schema, {.max_depth = 20}), nested(30)), ErrorCode::resource_exhausted);
  const auto error = attempt([&] { Schema(schema, {.max_depth = 20}).check(nested(30)); }).error();
  EXPECT_THAT(error.message(), HasSubstr("more than 20 deep"));
}

TEST(Schema, ExponentialWorkEndsAtTheWorkLimit) {
  // Each level is evaluated twice by the one above: 2^60 evaluations.
  std::string schema = R"({"$defs":{"d0":{"type":"null"})";
  for (int i = 1; i <= 60; ++i) {
    const std::string ref = R"({"$ref":"#/$defs/d)" + std::to_string(i - 1) + "\"}";
    schema += ",\"d" + std::to_string(i) + "\":{\"anyOf\":[" + ref + "," + ref + "]}";
  }
  schema += R"(},"$ref":"#/$defs/d60"})";
  EXPECT_EQ(ends_in(Schema(Json::parse(schema)), Json(1)), ErrorCode::resource_exhausted);
  const auto error = attempt([&] { Schema(Json::parse(schema), {.max_work = 1000}).check(Json(1)); }).error();
  EXPECT_THAT(error.message(), HasSubstr("limit 1000 steps"));
}

TEST(Schema, ManyLargeComparisonsEndAtTheWorkLimit) {
  const Json list = Json::parse("[" + repeated("[1,2,3],", 3000) + "0]");
  EXPECT_EQ(ends_in(Schema(Json::parse(R"({"uniqueItems":true})"), {.max_work = 100}), list),
            ErrorCode::unknown)
      << "the second item is a repetition: found at once";
  Json distinct = Json::array();
  for (int i = 0; i < 3000; ++i) distinct.push_back(std::string(500, 'x') + std::to_string(i));
  EXPECT_EQ(ends_in(Schema(Json::parse(R"({"uniqueItems":true})"), {.max_work = 100}), distinct),
            ErrorCode::resource_exhausted);
  EXPECT_TRUE(Schema(Json::parse(R"({"uniqueItems":true})")).valid(distinct));
}

TEST(Schema, ABacktrackingPatternEndsWhateverTheText) {
  for (const std::string_view pattern :
       {"^(a+)+$", "^(a|a)*$", "(x+x+)+[yz]", "^(([a-z])+.)+[A-Z]([a-z])+$"}) {
    const Schema schema(Json::object({{"pattern", pattern}}));
    EXPECT_EQ(ends_in(schema, Json(std::string(60, pattern[1] == 'x' ? 'x' : 'a') + "!")),
              ErrorCode::resource_exhausted)
        << pattern;
  }
  // Names of members are texts too.
  const Schema names(Json::parse(R"({"patternProperties":{"^(a|a)*$":true}})"));
  EXPECT_EQ(ends_in(names, Json::object({{std::string(60, 'a') + "!", 1}})), ErrorCode::resource_exhausted);
}

TEST(Schema, ACostlyPatternOnManyItemsIsBoundedInTotal) {
  // Each item alone stays below the limit of one search, 2^20 steps.
  const Schema schema(Json::parse(R"({"items":{"not":{"pattern":"^(a|a)*$"}}})"));
  const std::string item = "\"" + std::string(14, 'a') + "!\"";
  EXPECT_EQ(ends_in(schema, Json::parse("[" + item + "]")), ErrorCode::unknown);
  EXPECT_EQ(ends_in(schema, Json::parse("[" + repeated(item + ",", 20'000) + item + "]")),
            ErrorCode::resource_exhausted);
}

TEST(Schema, OrdinaryPatternsOnManyItemsAreWithinTheLimits) {
  const Schema schema(Json::parse(R"({"items":{"pattern":"^[a-z0-9._-]+@[a-z0-9-]+(\\.[a-z0-9-]+)+$"}})"));
  const Json list = Json::parse("[" + repeated(R"("some.body@mail.example.org",)", 20'000) + R"("x@y.z"])");
  EXPECT_THAT(schema.validate(list), IsEmpty());
  EXPECT_TRUE(
      Schema(Json::parse(R"({"pattern":"^[A-Za-z0-9+/]*$"})")).valid(Json(std::string(1'000'000, 'A'))));
}

TEST(Schema, PatternsThatAreTooLongOrTooDeepAreRefused) {
  EXPECT_EQ(error_of_schema("{\"pattern\":\"" + std::string(20'000, 'a') + "\"}").code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(error_of_schema("{\"pattern\":\"" + repeated("(", 500) + repeated(")", 500) + "\"}").code(),
            ErrorCode::invalid_argument);
  // PCRE2's verbs and code have no meaning in ECMA-262.
  for (const std::string_view pattern : {"(*LIMIT_MATCH=4000000000)a", "(*UTF)a", "(?C1)a", "(?R)"})
    EXPECT_EQ(attempt([&] { return Schema(Json::object({{"pattern", pattern}})); }).error().code(),
              ErrorCode::invalid_argument)
        << pattern;
}

TEST(Schema, HugeNumbersInSchemaAndInstanceAreCompared) {
  EXPECT_EQ(problems(R"({"maximum":1e400})", "1e399"), "");
  EXPECT_THAT(problems(R"({"maximum":1e400})", "1e401"), HasSubstr("above the maximum"));
  EXPECT_EQ(problems(R"({"maxLength":99999999999999999999999})", "\"x\""), "");
  EXPECT_EQ(problems(R"({"multipleOf":1e-308})", "1e308"), "");
  EXPECT_THAT(problems(R"({"maximum":9007199254740992})", "9007199254740993"), HasSubstr("9007199254740993"));
}

}  // namespace
}  // namespace beluga
