#pragma once
/// Which sentence answers best, and whether any does.
///
/// A sentence is scored by how much of the question's subject it covers, together with what stands above it:
/// the term it explains, its section, its file. The subject's words weigh by how rare they are. Coverage,
/// between 0 and 1, also decides when to say that the answer is not there.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

/// Below this much coverage nothing is called an answer. Set on the development questions of tests/offline.
inline constexpr double kEnough = 0.58;

struct Candidate {
  std::size_t passage = 0;
  std::size_t sentence = 0;
  double score = 0;
  double coverage = 0;
};

/// How well `term` is present among `tokens`: 1 as it is, less for a synonym or a part of a compound, 0 if
/// not.
double presence(const Term& term, const std::vector<Token>& tokens, std::string_view text = {});

/// What is known beyond the passages, by the surface of the terms.
struct Hints {
  std::set<std::string> absent;  ///< never occurred anywhere that was searched
  std::set<std::string>
      scope;  ///< names a folder or a manual page: an answer from elsewhere is about something else
};

/// The best candidates, best first. The order does not depend on anything but the texts.
std::vector<Candidate> rank(const Question& question, const std::vector<Passage>& passages,
                            const Hints& hints, std::size_t limit = 8);

/// What stands for the asked value in a sentence: "150", "/var/lib/x", "SIGUSR1"; empty if it cannot be
/// isolated.
std::string extract_value(const Question& question, const Passage& passage, const Sentence& sentence,
                          std::size_t* offset = nullptr);
std::string default_in(std::string_view sentence, std::size_t* offset = nullptr);

/// The answer with its citation: `value. tag: sentence (source: path:line)`.
std::string compose(const Question& question, const std::vector<Passage>& passages,
                    const std::vector<Candidate>& ranked);

}  // namespace beluga::llm::offline_model
