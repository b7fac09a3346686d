// Asks the offline model the questions of one set over a corpus, with three plain tools, and grades the
// answers.
//
//   offline_eval CORPUS questions.tsv dev|held
//
// The goal is 90 %. Until it is met the test holds a floor, so that the score cannot fall unseen. For `held`
// only the score is printed (README.md, protocol).
#include <re2/re2.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/offline.hpp"

namespace {

using namespace beluga;

constexpr double kGoal = 90.0;
constexpr double kFloorDev = 78.0, kFloorHeld = 70.0;
constexpr int kWindow = 3;  // lines either side of the cited one

using Lines = std::vector<std::string>;
std::map<std::string, Lines> files;

ToolSchema tool(const char* name, const char* description, const char* parameters) {
  ToolSchema schema;
  schema.name = name;
  schema.description = description;
  schema.parameters = Json::parse(parameters);
  return schema;
}

const std::vector<ToolSchema>& tools() {
  static const std::vector<ToolSchema> all = {
      tool(
          "read_file", "Read a text file below the root, with line numbers.",
          R"({"type":"object","properties":{"path":{"type":"string"},"start_line":{"type":"integer","minimum":1},
               "end_line":{"type":"integer"}},"required":["path"]})"),
      tool("list_files", "List the files below the root.",
           R"({"type":"object","properties":{"path":{"type":"string"}}})"),
      tool(
          "search_files", "Search the text of files below the root; prints path:line: text.",
          R"({"type":"object","properties":{"pattern":{"type":"string","description":"RE2 regular expression"},
               "path":{"type":"string"},"max_results":{"type":"integer","maximum":200}},"required":["pattern"]})")};
  return all;
}

std::string run(const ToolCall& call) {
  Json arguments = Json::parse(call.arguments);
  std::string out;
  if (call.name == "list_files") {
    for (const auto& [path, lines] : files) out += path + "\n";
    return out;
  }
  std::string path(arguments.string_or("path", ""));
  if (call.name == "read_file") {
    auto file = files.find(path);
    if (file == files.end()) return "no such file: " + path;
    std::int64_t first = std::max<std::int64_t>(1, arguments.int_or("start_line", 1));
    std::int64_t last =
        std::min<std::int64_t>(arguments.int_or("end_line", first + 400), std::ssize(file->second));
    for (std::int64_t i = first; i <= last; ++i)
      out += std::to_string(i) + "\t" + file->second[static_cast<std::size_t>(i - 1)] + "\n";
    return out;
  }
  re2::RE2::Options quiet;
  quiet.set_log_errors(false);
  re2::RE2 pattern(std::string(arguments.string_or("pattern", "")), quiet);
  if (!pattern.ok()) return "not a regular expression: " + pattern.error();
  std::int64_t left = arguments.int_or("max_results", 100);
  for (const auto& [name, lines] : files) {
    if (!path.empty() && name != path && !name.starts_with(path + "/")) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!re2::RE2::PartialMatch(lines[i], pattern)) continue;
      if (left-- == 0) return out + "... more matches; truncated\n";
      out += name + ":" + std::to_string(i + 1) + ": " + lines[i] + "\n";
    }
  }
  return out.empty() ? "no matches" : out;
}

std::string ask(ChatModel& model, const std::string& question) {
  ChatRequest request;
  request.messages.push_back(Message::user(question));
  request.tools = tools();
  for (int turn = 0; turn < 6; ++turn) {
    ChatResponse response = model.generate(request);
    auto calls = response.message.tool_calls();
    if (calls.empty()) return response.message.text();
    std::vector<Message> results;
    for (const ToolCall* call : calls) {
      ToolResult result;
      result.call_id = call->id;
      result.name = call->name;
      result.content = run(*call);
      results.push_back(Message::tool(std::move(result)));
    }
    request.messages.push_back(response.message);
    std::move(results.begin(), results.end(), std::back_inserter(request.messages));
  }
  return "(no answer within six turns)";
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
  if (argc != 4 || !std::filesystem::exists(std::filesystem::path(argv[1]) / "VERSIONS")) {
    std::fprintf(stderr, "offline_eval: no corpus at %s\n  remedy: tests/offline/corpus.sh %s\n",
                 argc > 1 ? argv[1] : "-", argc > 1 ? argv[1] : "DEST");
    return 2;
  }
  const std::string set = argv[3];
  for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    Lines& lines = files[std::filesystem::relative(entry.path(), argv[1]).string()];
    for (std::string line; std::getline(in, line);) lines.push_back(line);
  }
  ChatModelPtr model = llm::offline();
  std::ifstream in(argv[2]);
  int total = 0, right = 0;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> row = split(line, "\t");
    if (line.starts_with("#") || row.size() != 5 || row[0] != set) continue;
    ++total;
    std::string answer = ask(*model, row[1]);
    std::string wrong = grade(row, answer);
    if (wrong.empty()) ++right;
    if (set == "dev")
      std::printf("%-5s %s\n      %s%s\n", wrong.empty() ? "right" : "WRONG", row[1].c_str(),
                  answer.substr(0, 200).c_str(), wrong.empty() ? "" : ("\n      " + wrong).c_str());
  }
  double score = total == 0 ? 0 : 100.0 * right / total;
  double floor = set == "held" ? kFloorHeld : kFloorDev;
  std::printf("%s: %d of %d right, %.1f %% (goal %.0f %%: %s; floor %.0f %%)\n", set.c_str(), right, total,
              score, kGoal, score >= kGoal ? "met" : "NOT MET", floor);
  return score >= floor ? 0 : 1;
}
