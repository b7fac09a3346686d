#pragma once
/// The value of a JSON number, taken from its text without rounding.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace beluga::detail {

/// Up to here the keys of an object are compared with each other for duplicates; beyond, they are sorted.
inline constexpr std::size_t kFewKeys = 24;

/// sign * digits * 10^exponent, where the digits are those of `text` that are neither leading nor trailing
/// zeros. Two numbers are equal exactly when these parts are.
struct Decimal {
  bool negative = false;
  std::string_view text;      // may contain one '.', which does not count
  std::size_t digits = 0;     // significant digits; 0 for zero
  std::int64_t exponent = 0;  // of the last significant digit; saturates
};

/// The length of the JSON number at the start of `text`, 0 if there is none (RFC 8259 section 6).
std::size_t json_number_length(std::string_view text) noexcept;
/// Precondition: `text` is a JSON number.
Decimal decimal(std::string_view text) noexcept;
bool same_number(std::string_view a, std::string_view b) noexcept;
/// The integer's magnitude, nothing when the value has a fraction or does not fit.
std::optional<std::uint64_t> magnitude(const Decimal& number) noexcept;

}  // namespace beluga::detail
