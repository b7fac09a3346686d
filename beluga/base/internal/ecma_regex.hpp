#pragma once
/// ECMA-262 regular expressions (with the `u` flag) by PCRE2, for JSON Schema's `pattern`.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace beluga::detail {

/// Thread-safety: immutable; matches from any thread at once.
class EcmaRegex {
 public:
  /// Throws Error{invalid_argument} with the offset for what is no expression.
  explicit EcmaRegex(std::string_view pattern);
  /// Efforts that a search may be given: 2^8, 2^12, 2^16 and 2^20 steps of backtracking.
  static constexpr unsigned kEfforts = 4;
  static constexpr std::uint32_t steps(unsigned effort) noexcept { return 256U << (4 * effort); }
  /// Whether it matches somewhere in `text`; none when that takes more steps than the effort allows.
  std::optional<bool> search(std::string_view text, unsigned effort) const;
  /// With the greatest effort. Throws Error{resource_exhausted} when that is not enough.
  bool search(std::string_view text) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace beluga::detail
