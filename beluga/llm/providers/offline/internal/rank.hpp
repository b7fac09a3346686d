#pragma once
/// Which sentence answers best, and whether any does: a weighted sum of features (features.hpp, weights.hpp).
/// Coverage, between 0 and 1, decides when to say that the answer is not there.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/llm/providers/offline/internal/features.hpp"

namespace beluga::llm::offline_model {

/// Below this confidence nothing is called an answer.
inline constexpr double kEnough = 0.5;

/// What tells whether the best candidate is an answer at all, or the documents have none.
enum class Sign : unsigned char {
  constant,
  coverage,       // of the question around the candidate
  missing,        // what is nowhere around
  missing_names,  // names that are nowhere around
  rarest_missing,
  unsaid,   // part of the question that no document says in its words
  unknown,  // nor in others
  cover_sentence,
  cover_unit,
  unit_exact,
  strength,  // BM25 against a perfect passage
  score,     // the ranking's
  margin,    // to the next unit
  shape_missing,
  default_none,
  subject_tag,  // the term that is explained is in the question
  scoped,       // in the documents of the program that is asked about
  count
};
inline constexpr std::size_t kSigns = static_cast<std::size_t>(Sign::count);
std::array<double, kSigns> signs(const Question& question, const std::vector<Candidate>& ranked);
/// How probably the first of the ranked candidates answers; 0 without any.
double confidence(const Question& question, const std::vector<Candidate>& ranked);

/// For each feature the shared weight, then what each group of questions adds to it.
using Weights = std::array<std::array<double, kGroups + 1>, kFeatures>;
/// The fitted weights, by feature.
const Weights& fitted_weights() noexcept;
/// The name of a feature in weights.hpp.
std::string_view name_of(Feature feature) noexcept;
std::string_view name_of(Sign sign) noexcept;
/// Which of the ranked candidates an answer quotes: the first, and up to two more from other passages that
/// come close.
std::vector<std::size_t> quoted(const std::vector<Candidate>& ranked);

/// The best candidates, best first. The order does not depend on anything but the texts.
std::vector<Candidate> rank(const Question& question, const std::vector<Passage>& passages,
                            const Hints& hints, std::size_t limit = 8);

/// The answer with its citation: `value. tag: sentence (source: path:line)`. About `most` bytes of text at most.
std::string compose(const Question& question, const std::vector<Passage>& passages, const Candidate& best,
                    std::size_t most = 900);

}  // namespace beluga::llm::offline_model
