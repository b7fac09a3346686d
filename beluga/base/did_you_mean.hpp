#pragma once
/// Suggestions for names that do not exist.

#include <span>
#include <string>
#include <string_view>

namespace beluga {

/// The candidate nearest to `name` (Damerau-Levenshtein, case ignored), when it is near enough to be meant;
/// else empty.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);
/// "; did you mean 'search'?", or "; known: calculator, search" (at most ten), or nothing when there is no
/// candidate.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace beluga
