#pragma once
/// The passages at hand, read with a question in mind: where its terms stand, how much each of them tells, and which
/// things that a manual explains have most of them.

#include <cstddef>
#include <string>
#include <vector>

#include "beluga/llm/providers/offline/internal/features.hpp"
#include "beluga/llm/providers/offline/internal/match.hpp"

namespace beluga::llm::offline_model {

/// A text with what the question's terms find in it.
struct Field {
  std::vector<Token> tokens;
  Presence presence;
};

struct PassageFields {
  std::vector<Field> sentences;
  std::vector<std::vector<Mark>> marks;         ///< by sentence
  std::size_t tag = 0, outer = 0, section = 0;  ///< in labels_
  std::size_t file = 0, unit = 0;
};

/// What a manual says about one thing: an option with all its paragraphs, or a paragraph of prose.
struct Unit {
  std::size_t first = 0, last = 0;  ///< passages
  Presence whole, head;             ///< head: the term that is explained and the first sentence about it
  double score = 0, bm25 = 0;
};

struct FileFields {
  std::string path;
  std::vector<Token> tokens, base;
  std::vector<bool> in_path;  ///< by term
  double base_precision = 0, base_cover = 0;
  bool named = false, scoped = false, manual = false, example = false, copyright = false, prose = false;
};

class Reading {
 public:
  Reading(const Question& question, const std::vector<Passage>& read, const Hints& known);

  const Question& q;
  const std::vector<Passage>& passages;
  const Hints& hints;
  const std::size_t terms;
  Matcher matcher;
  std::vector<PassageFields> all;  ///< by passage
  std::vector<Field> labels;
  std::vector<FileFields> files;
  std::vector<Unit> units;
  std::vector<double> weight, prior, idf;  ///< by term
  std::vector<bool> scope;                 ///< by term: it only says which program is meant
  double total = 0, subject = 0;           ///< of the weights: of all, of those that are no scope
  /// Part of the subject that stands nowhere in its own words, and that stands nowhere in any.
  double unsaid = 0, unknown = 0;
  double best_bm25 = 0, ideal = 0;
  std::size_t rarest = 0;  ///< the term that tells most; `terms` if there is none

 private:
  std::size_t label(const std::string& text, bool name, std::size_t previous);
  void read_all();
  void add_file(const std::string& path);
  void weigh_terms();
  void measure_files();
  void score_units();
  std::vector<std::string> label_texts_;
};

inline constexpr double kInSection = 0.75, kInOuter = 0.6;  // what a word above the passage counts for
void raise_to(Presence& a, const Presence& b, double factor = 1);

}  // namespace beluga::llm::offline_model
