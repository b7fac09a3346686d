#include "beluga/base/reflect.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "beluga/base/json.hpp"

namespace beluga::reflect {
namespace {

using ::testing::ElementsAre;

struct Pair {
  int x;
  int y;
};
struct Everything {
  std::string text;
  std::optional<int> maybe;
  std::vector<std::string> list;
  std::array<double, 3> fixed;
  std::map<std::string, int> map;
  std::unique_ptr<Everything> next;
  Pair nested;
  std::variant<int, Pair> either;
  Json json;
  std::chrono::seconds time;
  std::function<void()> call;
  std::set<int> set;
  bool flag;
  char letter;
  std::shared_ptr<Pair> default_;
};
struct Empty {};
struct OneStruct {
  Pair only;
};
struct ThirtyTwo {
  int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
  int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7;
};
enum class Color : unsigned char { red, green = 5, delete_ = 7 };
enum class Signed { lowest = -16, minus = -1, zero = 0, top = 127 };
enum Plain : int { plain_a, plain_b };
struct Outer {
  enum class Inner { left, right };
  Inner inner = Inner::left;
  struct Deep {
    int level;
  } deep;
};

static_assert(field_count<Everything>() == 15);
static_assert(field_name<Everything, 0>() == "text");
static_assert(field_name<Everything, 14>() == "default");
static_assert(std::is_same_v<FieldType<Everything, 2>, std::vector<std::string>>);
static_assert(field_count<Empty>() == 0);
static_assert(field_count<OneStruct>() == 1);
static_assert(field_count<Pair>() == 2);
static_assert(field_count<ThirtyTwo>() == 32 && field_name<ThirtyTwo, 31>() == "d7");
static_assert(field_name<Outer, 1>() == "deep");
static_assert(enum_name(Color::green) == "green" && enum_name(Color::delete_) == "delete");
static_assert(enum_name(static_cast<Color>(3)).empty());
static_assert(enum_value<Color>("delete") == Color::delete_ && !enum_value<Color>("Red"));
static_assert(enum_name(Signed::lowest) == "lowest" && enum_name(Signed::top) == "top");
static_assert(enum_value<Plain>("plain_b") == plain_b);
static_assert(enum_name(Outer::Inner::right) == "right");
static_assert(type_name<Outer::Deep>() == "Deep" && type_name<Color>() == "Color");
static_assert(type_name<std::vector<int>>() == "vector");

TEST(Reflect, VisitsFieldsByNameAndReferenceInOrder) {
  Pair pair{1, 2};
  std::vector<std::string> seen;
  for_each_field(pair, [&](std::string_view name, int& field) {
    seen.push_back(std::string(name) + std::to_string(field));
    field *= 10;
  });
  EXPECT_THAT(seen, ElementsAre("x1", "y2"));
  EXPECT_EQ(pair.x, 10);
  EXPECT_EQ(pair.y, 20);
}

TEST(Reflect, SeesLocalStructsAndEnums) {
  enum class Speed { slow, fast };
  struct Local {
    int count;
    std::vector<Local> children;
    Speed speed;
  };
  EXPECT_EQ(field_count<Local>(), 3u);
  EXPECT_EQ((field_name<Local, 1>()), "children");
  EXPECT_EQ(type_name<Local>(), "Local");
  EXPECT_EQ(enum_name(Speed::fast), "fast");
}

TEST(Reflect, ListsEnumeratorsByValue) {
  std::vector<std::string_view> names;
  for_each_enumerator<Signed>([&](Signed, std::string_view name) { names.push_back(name); });
  EXPECT_THAT(names, ElementsAre("lowest", "minus", "zero", "top"));
}

}  // namespace
}  // namespace beluga::reflect
