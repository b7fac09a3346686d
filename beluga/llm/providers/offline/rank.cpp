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

std::string_view name_of(Sign sign) noexcept {
  for (const WeightedSign& each : kSignTable)
    if (each.sign == sign) return each.name;
  return {};
}

std::vector<std::size_t> quoted(const std::vector<Candidate>& ranked) {
  constexpr std::size_t kMost = 3;
  constexpr double kClose = 2.5;  // in the exponent of the probability
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < ranked.size() && out.size() < kMost; ++i) {
    if (ranked.front().score - ranked[i].score > kClose) break;
    const bool said = std::any_of(out.begin(), out.end(),
                                  [&](std::size_t other) { return ranked[other].unit == ranked[i].unit; });
    if (!said) out.push_back(i);
  }
  return out;
}

std::array<double, kSigns> signs(const Question& question, const std::vector<Candidate>& ranked) {
  std::array<double, kSigns> out{};
  auto at = [&](Sign sign) -> double& { return out[static_cast<std::size_t>(sign)]; };
  at(Sign::constant) = 1;
  if (ranked.empty()) return out;
  const Candidate& best = ranked.front();
  auto feature = [&](Feature f) { return best.features[static_cast<std::size_t>(f)]; };
  at(Sign::coverage) = best.coverage;
  at(Sign::missing) = best.missing;
  at(Sign::missing_names) = std::min(2.0, best.missing_names);
  at(Sign::rarest_missing) = feature(Feature::rarest_missing);
  at(Sign::unsaid) = best.unsaid;
  at(Sign::unknown) = best.unknown;
  at(Sign::cover_sentence) = feature(Feature::cover_sentence);
  at(Sign::cover_unit) = feature(Feature::cover_unit);
  at(Sign::unit_exact) = feature(Feature::unit_exact);
  at(Sign::strength) = best.strength;
  at(Sign::score) = best.score / 20;
  double next = best.score - 10;
  for (const Candidate& other : ranked)
    if (other.unit != best.unit) {
      next = other.score;
      break;
    }
  at(Sign::margin) = std::clamp((best.score - next) / 5, 0.0, 1.0);
  at(Sign::shape_missing) = feature(Feature::shape_missing);
  at(Sign::default_none) = question.kind == Kind::default_value ? 1 - feature(Feature::default_free) : 0;
  at(Sign::subject_tag) = feature(Feature::cover_tag);
  at(Sign::scoped) = feature(Feature::path_scope);
  return out;
}

double confidence(const Question& question, const std::vector<Candidate>& ranked) {
  if (ranked.empty()) return 0;
  const std::array<double, kSigns> seen = signs(question, ranked);
  double sum = 0;
  for (std::size_t i = 0; i < kSigns; ++i) sum += kSignTable[i].weight * seen[i];
  return 1 / (1 + std::exp(-sum));
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
    // Rounded, since "equal within" is no order: 1 ~ 2 and 2 ~ 3 do not make 1 ~ 3.
    const auto rounded = [](double score) { return std::llround(score * 1e9); };
    if (rounded(a.score) != rounded(b.score)) return a.score > b.score;
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
