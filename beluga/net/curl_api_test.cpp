#include "beluga/net/internal/curl_api.hpp"

#include <gmock/gmock.h>

#include "beluga/base/error.hpp"

namespace beluga::detail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CurlApi, LoadsOnceAndIsNewEnough) {
  const CurlApi& api = load_curl();
  EXPECT_EQ(&api, &load_curl());
  EXPECT_EQ(&api, &curl());
  EXPECT_TRUE(curl_is_loaded());
  EXPECT_GE(api.version_info(CURLVERSION_NOW)->version_num, 0x075800U);
}

#ifdef BELUGA_CURL_SONAME
std::string refusal(const char* soname) {
  try {
    find_curl(soname);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
    return error.message();
  }
  return "no error";
}

TEST(CurlApi, NamesTheMissingLibraryAndTheRemedy) {
  EXPECT_THAT(refusal("libcurl.so.999"),
              AllOf(HasSubstr("libcurl.so.999"), HasSubstr("apt-get install libcurl4")));
}

TEST(CurlApi, NamesTheFunctionThatALibraryLacks) {
  EXPECT_THAT(refusal("libz.so.1"), AllOf(HasSubstr("libz.so.1 has no curl_global_init"),
                                          HasSubstr("install libcurl 7.88 or newer")));
}
#endif

}  // namespace
}  // namespace beluga::detail
