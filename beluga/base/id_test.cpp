#include "beluga/base/id.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

TEST(Ulid, MatchesTheSpecification) {
  // github.com/ulid/spec: 01ARZ3NDEK is 1469922850259 ms.
  EXPECT_EQ(make_ulid(1469922850259U, 0, 0).substr(0, 10), "01ARZ3NDEK");
  EXPECT_EQ(make_ulid((std::uint64_t{1} << 48U) - 1, 0xFFFF, ~std::uint64_t{0}),
            "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
  EXPECT_EQ(make_ulid(0, 0, 1), "00000000000000000000000001");
  EXPECT_EQ(make_ulid(0, 1, 0),
            "0000000000000G000000000000");  // bit 64 of 80: digit 13 from the left, value 16
  EXPECT_EQ(ulid_time("01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1469922850259U);
  EXPECT_EQ(ulid_time("01arz3ndektsv4rrffq69g5fav"), 1469922850259U);
  EXPECT_THROW(make_ulid(std::uint64_t{1} << 48U, 0, 0), Error);
}

TEST(Ulid, SortsByCreationWithinOneMillisecond) {
  std::vector<std::string> made;
  for (int i = 0; i < 20000; ++i) made.push_back(new_ulid());
  EXPECT_TRUE(std::is_sorted(made.begin(), made.end()));
  EXPECT_EQ(std::set<std::string>(made.begin(), made.end()).size(), made.size());
}

TEST(Ulid, IsUniqueAcrossThreads) {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(new_ulid());
    });
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 20000U);
}

TEST(Ulid, RejectsWhatIsNone) {
  EXPECT_TRUE(is_ulid(new_ulid()));
  for (const char* bad :
       {"", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA\xFF"}) {
    EXPECT_FALSE(is_ulid(bad)) << bad;
    EXPECT_THROW(ulid_time(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace beluga
