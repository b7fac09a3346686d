// Asks an agent with the offline model and the built-in tools the questions of one set over a folder, and
// grades the answers.
//
//   offline_eval FOLDER questions.tsv dev|held|own
//
// The goal is 90 %. Until it is met the test holds a floor, so that the score cannot fall unseen. For `held`
// only the score is printed (README.md, protocol).
#include <re2/re2.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/base/result.hpp"
#include "beluga/llm/offline.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/tool/builtin/builtin.hpp"

namespace {

using namespace beluga;

constexpr double kGoal = 90.0;
// Our own documents change every day: one of six may tip over before somebody has to look.
constexpr double kFloorDev = 78.0, kFloorHeld = 70.0, kFloorOwn = 80.0;
constexpr std::uint32_t kSteps = 6;  // what the model promises to stay within
constexpr int kWindow = 3;           // lines either side of the cited one

using Lines = std::vector<std::string>;
std::map<std::string, Lines> files;

std::string ask(const Agent& agent, const std::string& question) {
  Result<Reply> reply = attempt([&] { return agent.invoke(question); });
  return reply.ok() ? reply->text() : "(" + reply.error().message() + ")";
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

/// The cited lines with white space folded.
std::string around(const std::string& path, int line) {
  std::string out;
  auto file = files.find(path);
  if (file == files.end()) return out;
  for (int i = std::max(1, line - kWindow); i <= line + kWindow && i <= std::ssize(file->second); ++i)
    for (char c : file->second[static_cast<std::size_t>(i - 1)] + " ")
      if (c != ' ' && c != '\t')
        out += c;
      else if (!out.empty() && out.back() != ' ')
        out += ' ';
  return out;
}

/// Empty when the answer is right, else what is wrong. The rules are README.md's.
std::string grade(const std::vector<std::string>& row, const std::string& answer) {
  bool not_found = answer.starts_with(llm::kOfflineNotFound);
  if (row[2] == "!absent") return not_found ? "" : "answered what is not there";
  if (not_found) return "said not found";
  std::vector<std::string> facts = split(row[2], " && ");
  for (const std::string& fact : facts)
    if (!re2::RE2::PartialMatch(answer, "(?i)" + fact)) return "lacks " + fact;
  if (row[3] == "-") return "";  // a tool's answer, no document
  std::string path;
  int line = 0;
  if (!re2::RE2::PartialMatch(answer, R"(\(source: ([^ )]+):(\d+)\))", &path, &line)) return "no citation";
  std::string cited = around(path, line);
  std::vector<std::string> expected = split(row[3], " || ");
  if (std::find(expected.begin(), expected.end(), path) == expected.end()) {
    std::string package = path.substr(0, path.find('/'));
    bool same_package = std::any_of(expected.begin(), expected.end(),
                                    [&](const std::string& each) { return each.starts_with(package + "/"); });
    bool states_it = std::all_of(facts.begin(), facts.end(), [&](const std::string& fact) {
      return re2::RE2::PartialMatch(cited, "(?i)" + fact);
    });
    if (!same_package || !states_it) return "wrong file " + path;
  }
  return re2::RE2::PartialMatch(cited, row[4]) ? "" : "wrong line " + path + ":" + std::to_string(line);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::filesystem::is_directory(argv[1]))
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      Lines& lines = files[std::filesystem::relative(entry.path(), argv[1]).string()];
      for (std::string line; std::getline(in, line);) lines.push_back(line);
    }
  if (files.empty()) {
    std::fprintf(stderr, "offline_eval: no documents in %s\n  remedy: tests/offline/corpus.sh %s\n",
                 argc > 1 ? argv[1] : "-", argc > 1 ? argv[1] : "DEST");
    return 2;
  }
  const std::string set = argv[3];
  const Agent agent{{.name = "librarian",
                     .model = llm::open("offline"),
                     .tools = tool::builtin::standard({.root = argv[1]}),
                     .budget = {.max_steps = kSteps}}};
  std::ifstream in(argv[2]);
  int total = 0, right = 0;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> row = split(line, "\t");
    if (line.starts_with("#") || row.size() != 5 || row[0] != set) continue;
    ++total;
    std::string answer = ask(agent, row[1]);
    std::string wrong = grade(row, answer);
    if (wrong.empty()) ++right;
    if (set != "held")
      std::printf("%-5s %s\n      %s%s\n", wrong.empty() ? "right" : "WRONG", row[1].c_str(),
                  answer.substr(0, 200).c_str(), wrong.empty() ? "" : ("\n      " + wrong).c_str());
  }
  double score = total == 0 ? 0 : 100.0 * right / total;
  double floor = set == "held" ? kFloorHeld : set == "own" ? kFloorOwn : kFloorDev;
  std::printf("%s: %d of %d right, %.1f %% (goal %.0f %%: %s; floor %.0f %%)\n", set.c_str(), right, total,
              score, kGoal, score >= kGoal ? "met" : "NOT MET", floor);
  return score >= floor ? 0 : 1;
}
