#include "beluga/base/number.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace beluga {
namespace {

template <class T>
std::optional<T> whole(std::string_view text) noexcept {
  T value{};
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_int64(std::string_view text) noexcept {
  return whole<std::int64_t>(text);
}
std::optional<std::uint64_t> parse_uint64(std::string_view text) noexcept {
  return whole<std::uint64_t>(text);
}

std::optional<double> parse_double(std::string_view text) noexcept {
  const auto value = whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string format_double(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string format_fixed(double value, int digits) {
  std::array<char, 352> text{};  // 309 digits before the point, 20 after, sign and point
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed,
                                 std::clamp(digits, 0, 20))
                       .ptr;
  return {text.data(), end};
}

}  // namespace beluga
