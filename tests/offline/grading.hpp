#pragma once
// Questions, documents and the rules of grading (README.md), shared by the evaluation and the fitting of the
// ranking.

#include <map>
#include <string>
#include <vector>

namespace offline_eval {

using Lines = std::vector<std::string>;

/// The documents below a folder, by path.
class Corpus {
 public:
  explicit Corpus(const std::string& folder);
  bool empty() const { return files_.empty(); }
  /// The cited lines and their neighbours, with white space folded.
  std::string around(const std::string& path, int line) const;

 private:
  std::map<std::string, Lines> files_;
};

struct Row {
  std::string set, question, facts, files, evidence;
  bool absent() const { return facts == "!absent"; }
  /// The package whose documents hold the answer; of an absent one the question itself.
  std::string group() const;
};
std::vector<Row> read_questions(const std::string& path);

/// Empty when the answer is right, else what is wrong. Strict: all up to the first citation is the answer, what it quotes
/// after that is not looked at.
std::string grade(const Row& row, const std::string& answer, const Corpus& corpus);
/// Whether one of the passages that the answer quotes is right, each with its own citation.
bool right_within(const Row& row, const std::string& answer, const Corpus& corpus);

}  // namespace offline_eval
