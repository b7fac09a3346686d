#include "beluga/base/reflect_json.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <set>

namespace beluga {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no error";
}
template <class T>
std::string decode_error(std::string_view json) {
  return error_of([&] { from_json<T>(Json::parse(json)); });
}

enum class Unit { metric, imperial };
struct Place {
  std::string city;
  std::optional<std::string> country;
  int days = 3;
  Unit unit = Unit::metric;
};

TEST(ReflectJson, DerivesTheSchemaOfAStruct) {
  EXPECT_EQ(json_schema<Place>().dump(),
            R"({"type":"object","properties":{"city":{"type":"string"},"country":{"type":["string","null"]},)"
            R"("days":{"type":"integer","minimum":-2147483648,"maximum":2147483647,"default":3},)"
            R"("unit":{"type":"string","enum":["metric","imperial"],"default":"metric"}},)"
            R"("required":["city"],"additionalProperties":false})");
}

TEST(ReflectJson, DecodesAndEncodesAStruct) {
  const auto place = from_json<Place>(Json::parse(R"({"city":"Bergen","unit":"imperial"})"));
  EXPECT_EQ(place.city, "Bergen");
  EXPECT_FALSE(place.country);
  EXPECT_EQ(place.days, 3);
  EXPECT_EQ(place.unit, Unit::imperial);
  EXPECT_EQ(to_json(place).dump(), R"({"city":"Bergen","days":3,"unit":"imperial"})");
}

TEST(ReflectJson, ErrorsNameThePathAndWhatWasExpected) {
  EXPECT_EQ(decode_error<Place>(R"({"city":7})"), "/city: expected a string, got number 7");
  EXPECT_EQ(decode_error<Place>(R"({"city":"a","days":"three"})"),
            "/days: expected an integer, got string \"three\"");
  EXPECT_EQ(decode_error<Place>(R"({"city":"a","days":1.5})"), "/days: expected an integer, got number 1.5");
  EXPECT_EQ(decode_error<Place>(R"({"city":"a","days":3000000000})"),
            "/days: 3000000000 is out of range (-2147483648 to 2147483647)");
  EXPECT_EQ(decode_error<Place>(R"({"city":"a","unit":"inches"})"),
            R"(/unit: expected one of "metric", "imperial"; got "inches")");
  EXPECT_EQ(decode_error<Place>(R"({"days":1})"), "(root): the member 'city' is required");
  EXPECT_EQ(decode_error<Place>(R"({"city":"a","dais":1})"), "/dais: unknown member; did you mean 'days'?");
  EXPECT_EQ(decode_error<Place>(R"([1])"), "(root): expected an object, got array");
  EXPECT_EQ(
      (decode_error<std::map<std::string, std::vector<Place>>>(R"({"a/b":[{"city":"x"},{"city":null}]})")),
      "/a~1b/1/city: expected a string, got null");
}

struct Defaults {
  bool no_default;
  bool off = false;
  int zero = 0;
  int none;
  double ratio = 0;
  double ratio_none;
  Unit unit{};
  std::map<std::string, int> map;
  std::string empty = "";
  std::string filled = "x";
  std::vector<int> numbers = {1, 2};
  std::unique_ptr<int> pointer;
};

TEST(ReflectJson, RequiresExactlyTheFieldsWithoutAVisibleDefault) {
  const Json schema = json_schema<Defaults>();
  EXPECT_EQ(schema.at("required").dump(), R"(["no_default","none","ratio_none","map","empty"])");
  EXPECT_EQ(schema.pointer("/properties/off/default")->dump(), "false");
  EXPECT_EQ(schema.pointer("/properties/zero/default")->dump(), "0");
  EXPECT_EQ(schema.pointer("/properties/numbers/default")->dump(), "[1,2]");
  EXPECT_EQ(schema.pointer("/properties/filled/default")->dump(), R"("x")");
}

struct Documented {
  Field<std::string, "What to look for", Limits{.min_length = 1, .pattern = "^[a-z]+$"}> query;
  Field<int, "How many results", Limits{.minimum = 1, .maximum = 50}> limit = 10;
  Field<std::string, "Prefix"> prefix = "";
  Field<std::vector<std::string>, "Tags", Limits{.max_items = 3, .unique_items = true, .optional = true}>
      tags;
  Field<std::optional<double>, "Score", Limits{.exclusive_minimum = 0.5}> score;
};

TEST(ReflectJson, FieldCarriesDescriptionLimitsAndDefault) {
  EXPECT_EQ(
      json_schema<Documented>().dump(),
      R"({"type":"object","properties":{)"
      R"("query":{"type":"string","description":"What to look for","minLength":1,"pattern":"^[a-z]+$"},)"
      R"("limit":{"type":"integer","minimum":1,"maximum":50,"description":"How many results","default":10},)"
      R"("prefix":{"type":"string","description":"Prefix","default":""},)"
      R"("tags":{"type":"array","items":{"type":"string"},"description":"Tags","maxItems":3,"uniqueItems":true},)"
      R"("score":{"type":["number","null"],"description":"Score","exclusiveMinimum":0.5}},)"
      R"("required":["query"],"additionalProperties":false})");
}

TEST(ReflectJson, FieldBehavesLikeItsValue) {
  auto args = from_json<Documented>(Json::parse(R"({"query":"abc","tags":["x","y"]})"));
  EXPECT_EQ(args.limit + 1, 11);
  EXPECT_EQ(args.query->size(), 3u);
  EXPECT_EQ(*args.query + "!", "abc!");
  const std::string& text = args.query;
  EXPECT_EQ(text, "abc");
  int count = 0;
  for (const std::string& tag : args.tags) count += static_cast<int>(tag.size());
  EXPECT_EQ(count, 2);
  args.limit = 7;
  EXPECT_TRUE(args.limit == 7);
  args.query = "literal";
  EXPECT_EQ(*args.query, "literal");
}

struct Leaf {
  int value;
};
struct Tree {
  std::string name;
  std::vector<Tree> children = {};
  std::unique_ptr<Tree> link;
};
struct Shared {
  Leaf left;
  Leaf right;
  std::optional<Tree> tree;
};

TEST(ReflectJson, RecursiveAndSharedStructsBecomeReferences) {
  EXPECT_EQ(
      json_schema<Tree>().dump(),
      R"({"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}},)"
      R"("link":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["name","children"],)"
      R"("additionalProperties":false})");
  const Json shared = json_schema<Shared>();
  EXPECT_EQ(shared.pointer("/properties/left")->dump(), R"({"$ref":"#/$defs/Leaf"})");
  EXPECT_EQ(shared.pointer("/properties/right")->dump(), R"({"$ref":"#/$defs/Leaf"})");
  EXPECT_EQ(shared.pointer("/$defs/Leaf/properties/value/type")->dump(), R"("integer")");
  EXPECT_EQ(shared.pointer("/$defs/Tree/properties/children/items")->dump(), R"({"$ref":"#/$defs/Tree"})");
}

TEST(ReflectJson, DecodesRecursionThroughPointersAndVectors) {
  const Json json = Json::parse(
      R"({"name":"a","children":[{"name":"b","children":[]}],"link":{"name":"c","children":[]}})");
  const auto tree = from_json<Tree>(json);
  ASSERT_EQ(tree.children.size(), 1u);
  EXPECT_EQ(tree.children[0].name, "b");
  ASSERT_TRUE(tree.link);
  EXPECT_EQ(tree.link->name, "c");
  EXPECT_EQ(to_json(tree), json);
}

struct Circle {
  double radius;
};
struct SquareShape {
  double side;
};
struct Drawing {
  std::variant<Circle, SquareShape> shape;
  std::variant<std::monostate, int, double, std::string, Leaf> anything;
};

TEST(ReflectJson, VariantsAreToldApartByKindOrByType) {
  const Json schema = json_schema<Drawing>();
  EXPECT_EQ(
      schema.pointer("/properties/shape")->dump(),
      R"({"anyOf":[{"type":"object","properties":{"type":{"const":"circle"},"radius":{"type":"number"}},)"
      R"("required":["type","radius"],"additionalProperties":false},)"
      R"({"type":"object","properties":{"type":{"const":"square_shape"},"side":{"type":"number"}},)"
      R"("required":["type","side"],"additionalProperties":false}]})");
  const auto drawing = [](std::string_view anything) {
    return from_json<Drawing>(Json::parse(R"({"shape":{"type":"square_shape","side":2},"anything":)" +
                                          std::string(anything) + "}"));
  };
  EXPECT_EQ(std::get<SquareShape>(drawing("null").shape).side, 2);
  EXPECT_EQ(drawing("null").anything.index(), 0u);
  EXPECT_EQ(std::get<int>(drawing("3").anything), 3);
  EXPECT_EQ(std::get<double>(drawing("3.5").anything), 3.5);
  EXPECT_EQ(std::get<std::string>(drawing("\"s\"").anything), "s");
  EXPECT_EQ(std::get<Leaf>(drawing(R"({"value":1})").anything).value, 1);
  EXPECT_EQ(to_json(drawing("3")).dump(), R"({"shape":{"type":"square_shape","side":2},"anything":3})");
  EXPECT_EQ(decode_error<Drawing>(R"({"shape":{"type":"hexagon"},"anything":null})"),
            R"(/shape/type: expected one of "circle", "square_shape"; got "hexagon")");
  EXPECT_THAT(decode_error<Drawing>(R"({"shape":3,"anything":null})"), HasSubstr("/shape: expected"));
}

struct Containers {
  std::set<int> set;
  std::array<int, 2> pair{};
  std::deque<bool> flags;
  std::map<std::string, double> weights;
  std::chrono::milliseconds wait = 1500ms;
  Json extra;
  std::uint8_t byte;
  std::uint64_t big;
  std::int64_t wide;
  char letter;
};

TEST(ReflectJson, CoversContainersDurationsAndIntegerRanges) {
  const Json schema = json_schema<Containers>();
  const auto property = [&](std::string_view name) { return schema.at("properties").at(name).dump(); };
  EXPECT_EQ(
      property("set"),
      R"({"type":"array","items":{"type":"integer","minimum":-2147483648,"maximum":2147483647},"uniqueItems":true})");
  EXPECT_THAT(property("pair"), HasSubstr(R"("minItems":2,"maxItems":2)"));
  EXPECT_EQ(property("weights"), R"({"type":"object","additionalProperties":{"type":"number"}})");
  EXPECT_EQ(property("wait"), R"({"type":"number","description":"seconds","default":1.5})");
  EXPECT_EQ(property("byte"), R"({"type":"integer","minimum":0,"maximum":255})");
  EXPECT_EQ(property("big"), R"({"type":"integer","minimum":0})");
  EXPECT_EQ(property("wide"), R"({"type":"integer"})");

  const auto value = from_json<Containers>(Json::parse(
      R"({"set":[3,1],"pair":[1,2],"flags":[true],"weights":{"a":0.5},"wait":0.25,"extra":{"k":[1]},"byte":255,)"
      R"("big":18446744073709551615,"wide":-9223372036854775808,"letter":"z"})"));
  EXPECT_EQ(value.set, (std::set<int>{1, 3}));
  EXPECT_EQ(value.wait, 250ms);
  EXPECT_EQ(value.big, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(value.wide, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value.extra.dump(), R"({"k":[1]})");
  EXPECT_EQ(decode_error<std::set<int>>("[1,1]"), "/1: this item is there twice");
  EXPECT_EQ(decode_error<std::uint8_t>("256"), "(root): 256 is out of range (0 to 255)");
  EXPECT_EQ(decode_error<std::uint8_t>("-1"), "(root): -1 is out of range (0 to 255)");
  EXPECT_THAT(decode_error<std::chrono::seconds>("1e300"), HasSubstr("out of range"));
  EXPECT_THAT(decode_error<std::chrono::nanoseconds>("9223372037"), HasSubstr("out of range"));
}

struct AllOptional {
  int a = 1;
  std::optional<int> b;
};
struct Holder {
  AllOptional options;
};

TEST(ReflectJson, AStructWhoseFieldsMayAllBeLeftOutMayBeLeftOut) {
  EXPECT_FALSE(json_schema<Holder>().contains("required"));
  EXPECT_EQ(from_json<Holder>(Json::object()).options.a, 1);
}

struct Celsius {
  explicit Celsius(double d = 0) : degrees(d) {}
  double degrees;
};

}  // namespace

template <>
struct JsonCodec<Celsius> {
  static Json schema(SchemaBuilder&) { return Json::object({{"type", "number"}, {"minimum", -273.15}}); }
  static void decode(const Json& json, Celsius& out, const JsonPath& path) {
    out.degrees = detail::decode_double(json, path);
  }
  static Json encode(const Celsius& value) { return value.degrees; }
};

namespace {
struct Weather {
  std::vector<Celsius> readings;
};
TEST(ReflectJson, TypesOfYourOwnNeedACodec) {
  EXPECT_EQ(from_json<Weather>(Json::parse(R"({"readings":[1.5]})")).readings[0].degrees, 1.5);
  EXPECT_THAT(json_schema<Weather>().dump(), HasSubstr("-273.15"));
}

}  // namespace
}  // namespace beluga
