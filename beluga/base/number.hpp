#pragma once
/// Numbers to text and back, independent of the locale (a German one must not turn 1.5 into 1,5).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace beluga {

/// The whole text as a decimal integer; a leading '-' where signed, no '+', no white space.
std::optional<std::int64_t> parse_int64(std::string_view text) noexcept;
std::optional<std::uint64_t> parse_uint64(std::string_view text) noexcept;
/// The whole text as a finite decimal number ("1", "-0.5", "1e-3").
std::optional<double> parse_double(std::string_view text) noexcept;

/// The shortest text that reads back as the same value ("0.1"); "nan", "inf", "-inf".
std::string format_double(double value);
/// With exactly `digits` (at most 20) digits after the point.
std::string format_fixed(double value, int digits);

}  // namespace beluga
