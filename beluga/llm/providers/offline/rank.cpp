#include "beluga/llm/providers/offline/internal/rank.hpp"

#include <algorithm>
#include <cmath>

#include "beluga/llm/providers/offline/internal/weights.hpp"

namespace beluga::llm::offline_model {

const Weights& fitted_weights() noexcept {
  static constexpr Weights kWeights = [] {
    Weights weights{};
    for (std::size_t i = 0; i < kFeatures; ++i)
      weights[static_cast<std::size_t>(kTable[i].feature)] = kTable[i].weights;
    return weights;
  }();
  return kWeights;
}

std::string_view name_of(Feature feature) noexcept {
  for (const Weighted& each : kTable)
    if (each.feature == feature) return each.name;
  return {};
}

std::vector<Candidate> rank(const Question& question, const std::vector<Passage>& passages,
                            const Hints& hints, std::size_t limit) {
  std::vector<Candidate> found = candidates(question, passages, hints);
  const Weights& weights = fitted_weights();
  const std::size_t group = 1 + static_cast<std::size_t>(group_of(question));
  for (Candidate& c : found)
    for (std::size_t i = 0; i < kFeatures; ++i)
      c.score += (weights[i][0] + weights[i][group]) * c.features[i];
  auto better = [&](const Candidate& a, const Candidate& b) {
    if (std::abs(a.score - b.score) > 1e-9) return a.score > b.score;
    const Passage &x = passages[a.passage], &y = passages[b.passage];
    if (x.path != y.path) return x.path < y.path;
    return x.sentences[a.sentence].line < y.sentences[b.sentence].line;
  };
  if (found.size() > limit) {
    std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(limit), found.end(), better);
    found.resize(limit);
  } else {
    std::sort(found.begin(), found.end(), better);
  }
  return found;
}

}  // namespace beluga::llm::offline_model
