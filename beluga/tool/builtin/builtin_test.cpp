#include "beluga/tool/builtin/builtin.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/tool/internal/root_folder.hpp"

namespace beluga::tool::builtin {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string calculate(const std::string& expression) {
  const auto out =
      attempt([&] { return calculator()->call(Json::object({{"expression", expression}}), {}).content; });
  return out.ok() ? *out : "error: " + out.error().message();
}

TEST(Calculator, KeepsPrecedenceAndExactIntegers) {
  EXPECT_EQ(calculate("2 + 3 * 4"), "14");
  EXPECT_EQ(calculate("-2^2"), "-4");
  EXPECT_EQ(calculate("2^3^2"), "512");
  EXPECT_EQ(calculate("(1+2)*(3-5)"), "-6");
  EXPECT_EQ(calculate("9007199254740993 + 0"), "9007199254740993");
  EXPECT_EQ(calculate("2^62"), "4611686018427387904");
  EXPECT_EQ(calculate("7 / 2"), "3.5");
  EXPECT_EQ(calculate("8 / 2"), "4");
  EXPECT_EQ(calculate("17 % 5"), "2");
  EXPECT_EQ(calculate("0.1 + 0.2"), "0.3");
  EXPECT_EQ(calculate("sqrt(2)^2"), "2");
  EXPECT_EQ(calculate("max(1, 2, min(9, 3))"), "3");
  EXPECT_EQ(calculate("2^64"), "1.84467440737096e+19");
}

TEST(Calculator, ErrorsNameThePosition) {
  EXPECT_EQ(calculate("1 / 0"), "error: at position 6: division by zero");
  EXPECT_EQ(calculate("2 +"), "error: at position 4: the expression ends too early");
  EXPECT_EQ(calculate("2 $ 3"), "error: at position 3: unexpected '$'");
  EXPECT_THAT(calculate("foo(1)"), HasSubstr("unknown function 'foo'"));
  EXPECT_THAT(calculate("sqrt(-1)"), HasSubstr("no real value"));
  EXPECT_THAT(calculate("9^9^9^9"), HasSubstr("too large"));
  EXPECT_THAT(calculate(std::string(500, '(') + "1"), HasSubstr("100 deep"));
  EXPECT_THAT(calculate(std::string(500, '-') + "1"), HasSubstr("100 deep"));
}

TEST(CurrentTime, TellsUtcOffsetsAndZones) {
  ManualClock clock;
  Runtime runtime({.workers = 1, .clock = &clock});
  const auto at = [&](const std::string& zone) {
    return runtime.run([&] { return current_time()->call(Json::object({{"zone", zone}}), {}).content; });
  };
  const std::string utc = at("UTC");
  EXPECT_THAT(utc, HasSubstr("+00:00 ("));
  EXPECT_THAT(at("+02:00"), HasSubstr("+02:00 ("));
  EXPECT_THAT(at("-0530"), HasSubstr("-05:30 ("));
  for (const char* bad : {"../../etc/passwd", "/etc/passwd", "Mars/Olympus", "+99:00", "Europe"})
    EXPECT_FALSE(attempt([&] { return at(bad); }).ok()) << bad;
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "beluga-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    root_ = base_ / "root";
    fs::create_directories(root_ / "docs");
    write("docs/a.md", "# Fibers\nA fiber parks.\n\nThe pool runs blocking work.\n");
    write("notes.txt", "one\ntwo fibers\r\nthree");
    std::ofstream(base_ / "secret.txt") << "secret";
  }
  void TearDown() override { fs::remove_all(base_); }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  static Result<ToolOutput> call(const ToolPtr& tool, Json arguments) {
    return attempt([&] { return tool->call(arguments, {}); });
  }
  Result<ToolOutput> read(const std::string& path) {
    return call(read_file(root_), Json::object({{"path", path}}));
  }

  fs::path base_;
  fs::path root_;
};

TEST_F(Files, ReadsNumberedLinesAndNamesTheSource) {
  const auto out =
      call(read_file(root_), Json::parse(R"({"path":"docs/a.md","start_line":2,"max_lines":1})"));
  EXPECT_EQ(out.value().content, "2: A fiber parks.\n[4 lines in all; go on with start_line 3]\n");
  EXPECT_THAT(out.value().sources, ElementsAre("docs/a.md:2"));
  EXPECT_EQ(read("notes.txt").value().content, "1: one\n2: two fibers\n3: three\n");
}

TEST_F(Files, NothingLeadsOutOfTheRoot) {
  fs::create_symlink(base_ / "secret.txt", root_ / "absolute_link");
  fs::create_symlink("../secret.txt", root_ / "relative_link");
  fs::create_symlink("..", root_ / "up");
  fs::create_symlink("docs/a.md", root_ / "inside_link");
  for (const std::string path : {"../secret.txt", "docs/../../secret.txt", "/etc/passwd", "absolute_link",
                                 "relative_link", "up/secret.txt", "/proc/self/environ"}) {
    const auto out = read(path);
    ASSERT_FALSE(out.ok()) << path;
    EXPECT_EQ(out.error().code(), ErrorCode::permission_denied) << path;
    EXPECT_THAT(out.error().message(), Not(HasSubstr("secret\n")));
  }
  EXPECT_THAT(read("inside_link").value().content, HasSubstr("fiber"));
  EXPECT_THAT(call(search_files(root_), Json::object({{"query", "secret"}})).value().content,
              HasSubstr("no match"));
  EXPECT_FALSE(call(list_files(root_), Json::object({{"path", ".."}})).ok());
}

TEST_F(Files, RefusesFoldersPipesBinariesAndZeroBytes) {
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  write("binary", std::string("a\0b", 3));
  for (const std::string path : {"docs", "pipe", "binary"}) {
    const auto out = read(path);
    ASSERT_FALSE(out.ok()) << path;
    EXPECT_EQ(out.error().code(), ErrorCode::failed_precondition) << path;
  }
  EXPECT_EQ(read(std::string("notes.txt\0x", 11)).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(read("missing").error().code(), ErrorCode::not_found);
}

TEST_F(Files, InvalidUtf8AndHugeFilesAreTamed) {
  write("latin1.txt", "caf\xE9\n");
  EXPECT_EQ(read("latin1.txt").value().content, "1: caf\xEF\xBF\xBD\n");
  write("huge.txt", "");
  fs::resize_file(root_ / "huge.txt", 1ULL << 33U);  // sparse: zeros, hence binary, and never read whole
  EXPECT_EQ(read("huge.txt").error().code(), ErrorCode::failed_precondition);
  std::string lines;
  for (int i = 0; i < 20000; ++i) lines += "line\n";
  write("long.txt", lines);
  const auto out = call(read_file(root_), Json::parse(R"({"path":"long.txt","max_lines":2000})")).value();
  EXPECT_LT(out.content.size(), 64u * 1024u);
  EXPECT_THAT(out.content, HasSubstr("[20000 lines in all"));
}

TEST_F(Files, ListsByGlobAndDepth) {
  EXPECT_EQ(call(list_files(root_), Json::object()).value().content,
            "docs/\ndocs/a.md (54 bytes)\nnotes.txt (21 bytes)\n");
  EXPECT_EQ(call(list_files(root_), Json::object({{"glob", "*.md"}})).value().content,
            "docs/a.md (54 bytes)\n");
  EXPECT_EQ(call(list_files(root_), Json::object({{"depth", 0}})).value().content,
            "docs/\nnotes.txt (21 bytes)\n");
  EXPECT_THAT(call(list_files(root_), Json::object({{"limit", 1}})).value().content,
              HasSubstr("there are more"));
}

TEST_F(Files, SearchesTextAndRegexWithContext) {
  const auto search = [&](std::string_view arguments) {
    return call(search_files(root_), Json::parse(arguments));
  };
  const auto out = search(R"({"query":"FIBER"})");
  EXPECT_EQ(out.value().content,
            "docs/a.md:1: # Fibers\ndocs/a.md:2: A fiber parks.\nnotes.txt:2: two fibers\n");
  EXPECT_THAT(out.value().sources, ElementsAre("docs/a.md:1", "docs/a.md:2", "notes.txt:2"));
  EXPECT_EQ(search(R"({"query":"pool","context":1})").value().content,
            "docs/a.md-3- \ndocs/a.md:4: The pool runs blocking work.\n");
  EXPECT_EQ(search(R"({"query":"^t.*s$","regex":true})").value().content, "notes.txt:2: two fibers\n");
  EXPECT_EQ(search(R"({"query":"fiber","path":"notes.txt"})").value().content, "notes.txt:2: two fibers\n");
  EXPECT_EQ(search(R"({"query":"fiber","path":"missing.txt"})").error().code(), ErrorCode::not_found);
  EXPECT_EQ(search(R"({"query":"FIBER","case_sensitive":true})").value().content, "(no match)");
  EXPECT_THAT(search(R"({"query":"fiber","limit":1})").value().content, HasSubstr("there are more"));
  EXPECT_THAT(search(R"({"query":"(","regex":true})").error().message(), HasSubstr("/query"));
}

TEST(Glob, StarsStayInANameDoubleStarsCross) {
  using beluga::detail::glob_matches;
  EXPECT_TRUE(glob_matches("*.md", "docs/a.md"));
  EXPECT_TRUE(glob_matches("docs/**/*.md", "docs/a.md"));
  EXPECT_TRUE(glob_matches("docs/**/*.md", "docs/x/y/a.md"));
  EXPECT_FALSE(glob_matches("docs/*.md", "docs/x/a.md"));
  EXPECT_TRUE(glob_matches("**", "a/b"));
  EXPECT_FALSE(glob_matches("?.md", "ab.md"));
  EXPECT_FALSE(glob_matches(std::string(200, '*') + "b", std::string(4000, 'a')));
}

}  // namespace
}  // namespace beluga::tool::builtin
