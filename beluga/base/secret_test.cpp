#include "beluga/base/secret.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <type_traits>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(!std::is_constructible_v<std::string, Secret>);
static_assert(!std::is_constructible_v<std::string_view, Secret>);

class SecretFile : public testing::Test {
 protected:
  SecretFile() { std::filesystem::create_directories(folder_); }
  ~SecretFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& text, std::filesystem::perms mode) {
    const std::filesystem::path path = folder_ / "key";
    std::ofstream(path, std::ios::binary) << text;
    std::filesystem::permissions(path, mode);
    return path.string();
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("beluga_secret_test_" + std::to_string(::getpid()));
};

TEST(Secret, IsNeverPrinted) {
  const Secret key(std::string("sk-very-secret-value"));
  std::ostringstream out;
  out << key << ' ' << to_string(key) << ' ' << format_as(key) << ' ' << Secret();
  EXPECT_EQ(out.str(), "[redacted] [redacted] [redacted] [no secret]");
  EXPECT_EQ(key.reveal(), "sk-very-secret-value");
}

TEST(Secret, WipesTheStringItWasMadeFrom) {
  std::string text = "0123456789abcdef0123456789abcdef";
  const char* const bytes = text.data();
  const Secret key(std::move(text));
  // The moved-from heap block belongs to the parameter, which is wiped before it is freed; the copy is
  // elsewhere.
  EXPECT_NE(static_cast<const void*>(key.reveal().data()), static_cast<const void*>(bytes));
  std::string other = "abc";
  wipe(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(other.data()[1], '\0');
}

TEST(Secret, ComparesByValue) {
  EXPECT_EQ(Secret(std::string("a")), Secret(std::string("a")));
  EXPECT_FALSE(Secret(std::string("a")) == Secret(std::string("b")));
  EXPECT_FALSE(Secret(std::string("a")) == Secret());
  EXPECT_EQ(Secret(), Secret(std::string()));
}

TEST(Secret, ComesFromTheEnvironment) {
  ::setenv("BELUGA_SECRET_TEST", "value", 1);
  EXPECT_EQ(Secret::from_environment("BELUGA_SECRET_TEST").reveal(), "value");
  ::setenv("BELUGA_SECRET_TEST", "", 1);
  EXPECT_THROW(Secret::from_environment("BELUGA_SECRET_TEST"), Error);
  ::unsetenv("BELUGA_SECRET_TEST");
  try {
    Secret::from_environment("BELUGA_SECRET_TEST");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "the environment variable BELUGA_SECRET_TEST is not set; it must hold the secret");
  }
}

TEST_F(SecretFile, IsReadWithoutItsLineEnd) {
  using std::filesystem::perms;
  std::string warning;
  EXPECT_EQ(Secret::from_file(write("value\r\n", perms::owner_read | perms::owner_write), &warning).reveal(),
            "value");
  EXPECT_EQ(warning, "");
  EXPECT_EQ(
      Secret::from_file(write("value", perms::owner_read | perms::owner_write | perms::others_read), &warning)
          .reveal(),
      "value");
  EXPECT_NE(warning.find("chmod 600"), std::string::npos);
}

TEST_F(SecretFile, RefusesWhatIsNoKey) {
  using std::filesystem::perms;
  const perms mode = perms::owner_read | perms::owner_write;
  EXPECT_THROW(Secret::from_file(write("\n", mode)), Error);
  EXPECT_THROW(Secret::from_file(write(std::string(70000, 'x'), mode)), Error);
  EXPECT_THROW(Secret::from_file(folder_.string()), Error);
  EXPECT_THROW(Secret::from_file((folder_ / "absent").string()), Error);
}

}  // namespace
}  // namespace beluga
