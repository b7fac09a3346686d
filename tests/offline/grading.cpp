#include "grading.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "beluga/base/error.hpp"
#include "beluga/llm/offline.hpp"

namespace offline_eval {
namespace {

constexpr int kWindow = 3;  // lines either side of the cited one

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

/// A pattern is compiled once: the fitting grades every sentence.
bool matches(const std::string& text, const std::string& pattern) {
  static std::map<std::string, std::unique_ptr<re2::RE2>> compiled;
  auto& re = compiled[pattern];
  if (!re) re = std::make_unique<re2::RE2>(pattern);
  return re2::RE2::PartialMatch(text, *re);
}

}  // namespace

Corpus::Corpus(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    Lines& lines = files_[std::filesystem::relative(entry.path(), folder).string()];
    for (std::string line; std::getline(in, line);) lines.push_back(line);
  }
}

std::string Corpus::around(const std::string& path, int line) const {
  std::string out;
  auto file = files_.find(path);
  if (file == files_.end()) return out;
  for (int i = std::max(1, line - kWindow); i <= line + kWindow && i <= std::ssize(file->second); ++i)
    for (char c : file->second[static_cast<std::size_t>(i - 1)] + " ")
      if (c != ' ' && c != '\t')
        out += c;
      else if (!out.empty() && out.back() != ' ')
        out += ' ';
  return out;
}

std::string Row::group() const {
  return files == "-" ? question : files.substr(0, files.find('/'));
}

std::vector<Row> read_questions(const std::string& path) {
  std::ifstream in(path);
  std::vector<Row> rows;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line.starts_with("#")) continue;
    std::vector<std::string> row = split(line, "\t");
    if (row.size() != 5)
      throw beluga::Error(
          beluga::ErrorCode::invalid_argument,
          path + ":" + std::to_string(number) + ": expected 5 columns, found " + std::to_string(row.size()));
    rows.push_back({row[0], row[1], row[2], row[3], row[4]});
  }
  return rows;
}

namespace {

/// The answer cut after each citation.
std::vector<std::string> passages_of(const std::string& answer) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  for (std::size_t at = answer.find("(source: "); at != std::string::npos;
       at = answer.find("(source: ", begin)) {
    const std::size_t end = answer.find(')', at);
    if (end == std::string::npos) break;
    out.push_back(answer.substr(begin, end + 1 - begin));
    begin = end + 1;
  }
  if (out.empty()) out.push_back(answer);
  return out;
}

std::string grade_passage(const Row& row, const std::string& answer, const Corpus& corpus);

}  // namespace

std::string grade(const Row& row, const std::string& answer, const Corpus& corpus) {
  return grade_passage(row, passages_of(answer).front(), corpus);
}

bool right_within(const Row& row, const std::string& answer, const Corpus& corpus) {
  for (const std::string& passage : passages_of(answer))
    if (grade_passage(row, passage, corpus).empty()) return true;
  return false;
}

namespace {

std::string grade_passage(const Row& row, const std::string& answer, const Corpus& corpus) {
  bool not_found = answer.starts_with(beluga::llm::kOfflineNotFound);
  if (row.absent()) return not_found ? "" : "answered what is not there";
  if (not_found) return "said not found";
  std::vector<std::string> facts = split(row.facts, " && ");
  for (const std::string& fact : facts)
    if (!matches(answer, "(?i)" + fact)) return "lacks " + fact;
  if (row.files == "-") return "";  // a tool's answer, no document
  std::string path;
  int line = 0;
  static const re2::RE2 kCitation(R"(\(source: ([^ )]+):(\d+)\))");
  if (!re2::RE2::PartialMatch(answer, kCitation, &path, &line)) return "no citation";
  std::string cited = corpus.around(path, line);
  std::vector<std::string> expected = split(row.files, " || ");
  if (std::find(expected.begin(), expected.end(), path) == expected.end()) {
    std::string package = path.substr(0, path.find('/'));
    bool same_package = std::any_of(expected.begin(), expected.end(),
                                    [&](const std::string& each) { return each.starts_with(package + "/"); });
    bool states_it = std::all_of(facts.begin(), facts.end(),
                                 [&](const std::string& fact) { return matches(cited, "(?i)" + fact); });
    if (!same_package || !states_it) return "wrong file " + path;
  }
  return matches(cited, row.evidence) ? "" : "wrong line " + path + ":" + std::to_string(line);
}

}  // namespace
}  // namespace offline_eval
