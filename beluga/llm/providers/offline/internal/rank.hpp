#pragma once
/// Which sentence answers best, and whether any does: a weighted sum of features (features.hpp, weights.hpp).
/// Coverage, between 0 and 1, decides when to say that the answer is not there.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/llm/providers/offline/internal/features.hpp"

namespace beluga::llm::offline_model {

/// Below this much coverage nothing is called an answer.
inline constexpr double kEnough = 0.58;

/// For each feature the shared weight, then what each group of questions adds to it.
using Weights = std::array<std::array<double, kGroups + 1>, kFeatures>;
/// The fitted weights, by feature.
const Weights& fitted_weights() noexcept;
/// The name of a feature in weights.hpp.
std::string_view name_of(Feature feature) noexcept;

/// The best candidates, best first. The order does not depend on anything but the texts.
std::vector<Candidate> rank(const Question& question, const std::vector<Passage>& passages,
                            const Hints& hints, std::size_t limit = 8);

/// The answer with its citation: `value. tag: sentence (source: path:line)`.
std::string compose(const Question& question, const std::vector<Passage>& passages, const Candidate& best);

}  // namespace beluga::llm::offline_model
