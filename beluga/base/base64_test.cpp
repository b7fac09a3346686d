#include "beluga/base/base64.hpp"

#include <gtest/gtest.h>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

TEST(Base64, MatchesTheTestVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
  EXPECT_EQ(base64url_encode("\xFB\xFF\xBE"), "-_--");
  EXPECT_EQ(base64_encode("\xFB\xFF\xBE"), "+/++");
  EXPECT_EQ(base64url_encode("f"), "Zg");
}

TEST(Base64, ReadsBackEveryByteAtEveryPosition) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(i));
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
  }
}

TEST(Base64, RefusesEveryOtherSpelling) {
  for (const char* bad : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n",
                          "Zg==Zg==", "Zm-v", "Zm9-", "=Zg="})
    EXPECT_THROW(base64_decode(bad), Error) << bad;
  for (const char* bad : {"Zg==", "Z", "Zh", "Zm9+"}) EXPECT_THROW(base64url_decode(bad), Error) << bad;
}

TEST(Base64, NamesTheOffset) {
  try {
    base64_decode("Zm9v*m9v");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "base64: a character outside the alphabet at offset 4");
  }
}

}  // namespace
}  // namespace beluga
