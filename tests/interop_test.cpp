// The conversions to and from other JSON libraries: optional headers, so tested outside of the rooms.
#include <gtest/gtest.h>

#include <limits>

#include "beluga/interop/boost_json.hpp"
#include "beluga/interop/nlohmann.hpp"

namespace beluga {
namespace {

const char* const kText =
    R"({"z":[1,-9223372036854775808,18446744073709551615,0.5,true,false,null],"a":{"t":"\u00e9\u0000\"","e":[],"o":{}}})";

TEST(Interop, NlohmannRoundTripKeepsValues) {
  const Json ours = Json::parse(kText);
  EXPECT_EQ(to_nlohmann(ours), nlohmann::json::parse(kText));
  EXPECT_EQ(from_nlohmann(nlohmann::json::parse(kText)), ours);
  EXPECT_EQ(from_nlohmann(to_nlohmann<nlohmann::ordered_json>(ours)).dump(), ours.dump())
      << "the order is kept too";
}

TEST(Interop, BoostRoundTripKeepsValuesAndOrder) {
  const Json ours = Json::parse(kText);
  EXPECT_EQ(to_boost_json(ours), boost::json::parse(kText));
  EXPECT_EQ(from_boost_json(to_boost_json(ours)).dump(), ours.dump());
}

TEST(Interop, KeepsIntegersAndFloatsApart) {
  EXPECT_TRUE(to_nlohmann(Json::parse("1")).is_number_integer());
  EXPECT_TRUE(to_nlohmann(Json::parse("1.0")).is_number_float());
  EXPECT_TRUE(to_nlohmann(Json::parse("-0")).is_number_float()) << "an integer would lose the sign";
  EXPECT_TRUE(to_boost_json(Json::parse("18446744073709551615")).is_uint64());
  EXPECT_TRUE(to_boost_json(Json::parse("18446744073709551616")).is_double());
  EXPECT_EQ(to_nlohmann(Json::parse("123456789012345678901")).get<double>(), 123456789012345678901.0);
}

TEST(Interop, RefusesWhatHasNoForm) {
  EXPECT_THROW(to_nlohmann(Json::parse("1e400")), Error);
  EXPECT_THROW(to_boost_json(Json::parse("[1e400]")), Error);
  EXPECT_THROW(from_nlohmann(nlohmann::json(std::numeric_limits<double>::quiet_NaN())), Error);
  EXPECT_THROW(from_nlohmann(nlohmann::json::binary({1, 2})), Error);
  EXPECT_THROW(from_boost_json(boost::json::value(std::numeric_limits<double>::infinity())), Error);
}

}  // namespace
}  // namespace beluga
