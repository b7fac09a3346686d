// Asks an agent with the offline model and the built-in tools the questions of one set over a folder, and
// grades the answers.
//
//   offline_eval FOLDER questions.tsv SET
//
// SET is a set of the table. Printed are the strict score (the first citation is right) and how often one of the up to three
// passages that an answer quotes is right. The goal is 90 % strict on questions that nobody has looked at (README.md,
// protocol). The test holds a floor, so that the score cannot fall unseen.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "beluga/agent/agent.hpp"
#include "beluga/base/result.hpp"
#include "beluga/llm/offline.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "grading.hpp"

namespace {

using namespace beluga;
using offline_eval::Corpus;
using offline_eval::Row;

constexpr double kGoal = 90.0;
// Our own documents change every day: one of six may tip over before somebody has to look.
constexpr double kFloorTheirWords = 70.0, kFloorOwn = 80.0, kFloorUsersWords = 40.0;
constexpr std::uint32_t kSteps = 6;  // what the model promises to stay within

std::string ask(const Agent& agent, const std::string& question) {
  Result<Reply> reply = attempt([&] { return agent.invoke(question); });
  return reply.ok() ? reply->text() : "(" + reply.error().message() + ")";
}

}  // namespace

int main(int argc, char** argv) {
  const Corpus corpus(argc == 4 ? argv[1] : "");
  if (corpus.empty()) {
    std::fprintf(stderr, "offline_eval: no documents in %s\n  remedy: tests/offline/corpus.sh %s\n",
                 argc > 1 ? argv[1] : "-", argc > 1 ? argv[1] : "DEST");
    return 2;
  }
  const std::string set = argv[3];
  const Agent agent{{.name = "librarian",
                     .model = llm::open("offline"),
                     .tools = tool::builtin::standard({.root = argv[1]}),
                     .budget = {.max_steps = kSteps}}};
  int total = 0, right = 0, within = 0;
  double slowest = 0, spent = 0;
  for (const Row& row : offline_eval::read_questions(argv[2])) {
    if (row.set != set) continue;
    ++total;
    auto begin = std::chrono::steady_clock::now();
    std::string answer = ask(agent, row.question);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    spent += seconds;
    slowest = std::max(slowest, seconds);
    std::string wrong = offline_eval::grade(row, answer, corpus);
    if (wrong.empty()) ++right;
    if (offline_eval::right_within(row, answer, corpus)) ++within;
    std::printf("%-5s %s\n      %s%s\n", wrong.empty() ? "right" : "WRONG", row.question.c_str(),
                answer.substr(0, 300).c_str(), wrong.empty() ? "" : ("\n      " + wrong).c_str());
  }
  double score = total == 0 ? 0 : 100.0 * right / total;
  const double floor = set == "own"                    ? kFloorOwn
                       : set == "dev" || set == "held" ? kFloorTheirWords
                                                       : kFloorUsersWords;
  std::printf("%s: %d of %d right, %.1f %% (goal %.0f %%: %s; floor %.0f %%)\n", set.c_str(), right, total,
              score, kGoal, score >= kGoal ? "met" : "NOT MET", floor);
  std::printf("%s: %d of %d right within what is quoted (up to three passages), %.1f %%\n", set.c_str(),
              within, total, total == 0 ? 0 : 100.0 * within / total);
  std::printf("%.2f s per question, the slowest %.2f s\n", total == 0 ? 0 : spent / total, slowest);
  return score >= floor ? 0 : 1;
}
