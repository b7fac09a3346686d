#include "beluga/base/did_you_mean.hpp"

#include <algorithm>
#include <vector>

#include "beluga/base/ascii.hpp"

namespace beluga {
namespace {

/// Longer names are not compared: nobody mistypes them by hand, and the cost is quadratic.
constexpr std::size_t kLongest = 256;

std::string folded(std::string_view name) {
  std::string out = ascii_lower(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

template <class Name>
std::string_view nearest_of(std::string_view name, std::span<const Name> known) {
  if (name.empty() || name.size() > kLongest) return {};
  const std::string wanted = folded(name);
  std::size_t limit = std::clamp<std::size_t>((name.size() + 1) / 3, 1, 3);
  std::string_view best;
  std::string_view containing;
  for (const Name& candidate : known) {
    const std::string other = folded(candidate);
    if (other == wanted) return candidate;
    const std::size_t distance = edit_distance(wanted, other, limit);
    if (distance <= limit) {
      best = candidate;
      if (distance == 0) return best;
      limit = distance - 1;  // only a better one from now on
    }
    if (containing.empty() && wanted.size() >= 4 && other.find(wanted) != std::string::npos)
      containing = candidate;
    if (limit == 0) break;
  }
  return best.empty() ? containing : best;
}

template <class Name>
std::string suggestion(std::string_view name, std::span<const Name> known) {
  if (const std::string_view near = nearest_of(name, known); !near.empty())
    return "; did you mean '" + std::string(near) + "'?";
  if (known.empty()) return "";
  constexpr std::size_t kShown = 10;
  std::string out = "; known: ";
  for (std::size_t i = 0; i < std::min(known.size(), kShown); ++i)
    out.append(i == 0 ? "" : ", ").append(known[i]);
  if (known.size() > kShown) out += ", ...";
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > limit) return limit + 1;
  std::vector<std::size_t> before(a.size() + 1);  // two rows up, for swaps
  std::vector<std::size_t> above(a.size() + 1);
  std::vector<std::size_t> row(a.size() + 1);
  for (std::size_t i = 0; i <= a.size(); ++i) above[i] = i;
  for (std::size_t j = 1; j <= b.size(); ++j) {
    row[0] = j;
    std::size_t least = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      const bool same = ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]);
      row[i] = std::min({above[i] + 1, row[i - 1] + 1, above[i - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && ascii_lower(a[i - 1]) == ascii_lower(b[j - 2]) &&
          ascii_lower(a[i - 2]) == ascii_lower(b[j - 1]))
        row[i] = std::min(row[i], before[i - 2] + 1);
      least = std::min(least, row[i]);
    }
    // A swap may still improve on this row by going through the one above it.
    if (least > limit && *std::min_element(above.begin(), above.end()) > limit) return limit + 1;
    std::swap(before, above);
    std::swap(above, row);
  }
  return std::min(above[a.size()], limit + 1);
}

std::string_view nearest_name(std::string_view name, std::span<const std::string> known) {
  return nearest_of(name, known);
}
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  return nearest_of(name, known);
}
std::string did_you_mean(std::string_view name, std::span<const std::string> known) {
  return suggestion(name, known);
}
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) {
  return suggestion(name, known);
}

}  // namespace beluga
