/// Runs the official JSON Schema test suite (github.com/json-schema-org/JSON-Schema-Test-Suite), draft
/// 2020-12, against beluga::Schema.
///
///     json_schema_suite <folder with tests/ and remotes/> [--optional]
///
/// Required tests must all pass: the exit code is 1 otherwise, and 2 when the suite is not there. With
/// --optional, the optional tests run too and failures are listed without counting (format tests run with
/// formats asserted).

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/base/schema.hpp"

namespace fs = std::filesystem;
using beluga::Json;

namespace {

struct Score {
  int passed = 0;
  int failed = 0;
};

Json read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  return Json::parse(text, {.max_depth = 512});
}

std::vector<fs::path> json_files(const fs::path& folder, bool recursive) {
  std::vector<fs::path> out;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory() && !recursive) it.disable_recursion_pending();
    if (it->is_regular_file() && it->path().extension() == ".json") out.push_back(it->path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

void run_file(const fs::path& file, const std::string& name, const beluga::SchemaOptions& options,
              Score& score) {
  const Json groups = read(file);
  for (const Json& group : groups.items()) {
    const std::string title = name + ": " + std::string(group.string_or("description", ""));
    std::string problem;
    std::vector<std::pair<bool, std::string>> results;
    const auto run = [&] {
      const beluga::Schema schema(group.at("schema"), options);
      for (const Json& test : group.at("tests").items()) {
        const bool valid = schema.valid(test.at("data"));
        const auto violations = schema.validate(test.at("data"));
        const bool good = valid == test.at("valid").as_bool() && violations.empty() == valid;
        std::string line = title + ": " + std::string(test.string_or("description", ""));
        line +=
            valid ? " (accepted)" : " (rejected: " + (violations.empty() ? "?" : violations[0].text()) + ")";
        results.emplace_back(good, line);
      }
    };
    const auto outcome = beluga::attempt(run);
    if (!outcome.ok()) problem = outcome.error().message();
    for (const auto& [good, line] : results) {
      ++(good ? score.passed : score.failed);
      if (!good) std::printf("  FAIL %s\n", line.c_str());
    }
    if (!problem.empty()) {
      const int missing = static_cast<int>(group.at("tests").size() - results.size());
      score.failed += missing;
      std::printf("  FAIL %s: %d tests not run: %s\n", title.c_str(), missing, problem.c_str());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const fs::path suite = argc > 1 ? argv[1] : "";
  const bool optional = argc > 2 && std::string(argv[2]) == "--optional";
  const fs::path tests = suite / "tests" / "draft2020-12";
  if (!fs::is_directory(tests) || !fs::is_directory(suite / "remotes")) {
    std::fprintf(stderr,
                 "json_schema_suite: no JSON Schema test suite at '%s': install it with ./dev suites, or "
                 "name its folder "
                 "in BELUGA_JSON_SCHEMA_SUITE\n",
                 suite.c_str());
    return 2;
  }
  beluga::SchemaOptions options;
  for (const fs::path& file : json_files(suite / "remotes", true))
    options.documents.emplace_back(
        "http://localhost:1234/" + fs::relative(file, suite / "remotes").generic_string(), read(file));

  Score required;
  for (const fs::path& file : json_files(tests, false))
    run_file(file, file.stem().string(), options, required);
  std::printf("required: %d passed, %d failed\n", required.passed, required.failed);
  if (optional) {
    Score score;
    for (const fs::path& file : json_files(tests / "optional", true)) {
      auto own = options;
      own.assert_format = file.parent_path().filename() == "format";
      run_file(file,
               "optional/" + fs::relative(file, tests / "optional").replace_extension().generic_string(), own,
               score);
    }
    std::printf("optional: %d passed, %d failed\n", score.passed, score.failed);
  }
  // The suite has had over 1,200 required tests for years: fewer means that it was not found whole.
  return required.failed == 0 && required.passed > 1200 ? 0 : 1;
}
