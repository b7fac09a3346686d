#include "beluga/base/internal/json_number.hpp"

#include <charconv>
#include <limits>

namespace beluga::detail {
namespace {
constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
}  // namespace

std::size_t json_number_length(std::string_view text) noexcept {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (digits() == 0) {
    return 0;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return 0;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return 0;
  }
  return at;
}

Decimal decimal(std::string_view text) noexcept {
  Decimal out;
  if (!text.empty() && text.front() == '-') {
    out.negative = true;
    text.remove_prefix(1);
  }
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    const bool down = !power.empty() && power.front() == '-';
    if (!power.empty() && (power.front() == '-' || power.front() == '+')) power.remove_prefix(1);
    constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max() / 4;
    if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc{} ||
        exponent > kHuge)
      exponent = kHuge;
    if (down) exponent = -exponent;
    text = text.substr(0, e);
  }
  const std::size_t point = text.find('.');
  const std::size_t fraction = point == std::string_view::npos ? 0 : text.size() - point - 1;
  const std::size_t first = text.find_first_not_of("0.");
  if (first == std::string_view::npos) return Decimal{};  // zero has no sign
  const std::size_t last = text.find_last_not_of("0.");
  std::size_t dropped = 0;  // trailing zeros
  for (std::size_t i = last + 1; i < text.size(); ++i) dropped += text[i] == '0' ? 1U : 0U;
  out.text = text.substr(first, last - first + 1);
  out.digits = out.text.size() - (out.text.find('.') != std::string_view::npos ? 1U : 0U);
  out.exponent = exponent - static_cast<std::int64_t>(fraction) + static_cast<std::int64_t>(dropped);
  return out;
}

bool same_number(std::string_view a, std::string_view b) noexcept {
  if (a == b) return true;
  const Decimal x = decimal(a);
  const Decimal y = decimal(b);
  if (x.negative != y.negative || x.digits != y.digits || x.exponent != y.exponent) return false;
  std::size_t i = 0;
  std::size_t j = 0;
  for (std::size_t n = 0; n < x.digits; ++n, ++i, ++j) {
    if (x.text[i] == '.') ++i;
    if (y.text[j] == '.') ++j;
    if (x.text[i] != y.text[j]) return false;
  }
  return true;
}

std::optional<std::uint64_t> magnitude(const Decimal& number) noexcept {
  if (number.digits == 0) return 0;
  if (number.exponent < 0 || number.exponent > 19) return std::nullopt;
  std::uint64_t value = 0;
  const auto append = [&value](unsigned next) {
    return !__builtin_mul_overflow(value, std::uint64_t{10}, &value) &&
           !__builtin_add_overflow(value, next, &value);
  };
  for (const char c : number.text)
    if (c != '.' && !append(static_cast<unsigned>(c - '0'))) return std::nullopt;
  for (std::int64_t i = 0; i < number.exponent; ++i)
    if (!append(0)) return std::nullopt;
  return value;
}

}  // namespace beluga::detail
