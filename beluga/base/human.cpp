#include "beluga/base/human.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "beluga/base/ascii.hpp"
#include "beluga/base/number.hpp"

namespace beluga {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::array kUnits = {
    Unit{"d", 86400 * kSecond}, Unit{"h", 3600 * kSecond}, Unit{"m", 60 * kSecond},  Unit{"s", kSecond},
    Unit{"ms", 1'000'000},      Unit{"us", 1'000},         Unit{"\xC2\xB5s", 1'000}, Unit{"ns", 1}};

/// Splits "1.5h30m" after the first number; empty when there is none.
std::string_view take_number(std::string_view& text) noexcept {
  std::size_t length = 0;
  while (length < text.size() && (is_ascii_digit(text[length]) || text[length] == '.')) ++length;
  const std::string_view number = text.substr(0, length);
  text.remove_prefix(length);
  return number;
}

/// number * factor, exact where the number is whole; nothing when it does not fit.
std::optional<std::uint64_t> scaled(std::string_view number, std::uint64_t factor) noexcept {
  if (const auto whole = parse_uint64(number)) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(*whole, factor, &product)) return std::nullopt;
    return product;
  }
  if (number.empty() || number.front() == '.' || number.back() == '.') return std::nullopt;
  const auto value = parse_double(number);
  if (!value) return std::nullopt;
  const double product = std::round(*value * static_cast<double>(factor));
  if (product >= 0x1p63) return std::nullopt;
  return static_cast<std::uint64_t>(product);
}

/// At most one digit after the point and no ".0".
std::string brief(double value) {
  std::string text = format_fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const std::string_view number = take_number(text);
    std::size_t length = 0;
    while (length < text.size() && !is_ascii_digit(text[length]) && text[length] != '.') ++length;
    const std::string_view name = text.substr(0, length);
    text.remove_prefix(length);
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits)
      if (known.name == name) unit = &known;
    if (unit == nullptr || unit->nanoseconds >= smallest) return std::nullopt;
    smallest = unit->nanoseconds;
    const auto part = scaled(number, static_cast<std::uint64_t>(unit->nanoseconds));
    if (!part || *part > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return std::nullopt;
    if (__builtin_add_overflow(total, static_cast<std::int64_t>(*part), &total)) return std::nullopt;
  }
  return std::chrono::nanoseconds(negative ? -total : total);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const std::int64_t signed_count = duration.count();
  const std::string sign = signed_count < 0 ? "-" : "";
  // Unsigned negation: the smallest value has no positive counterpart.
  const std::uint64_t count = signed_count < 0 ? ~static_cast<std::uint64_t>(signed_count) + 1U
                                               : static_cast<std::uint64_t>(signed_count);
  if (count == 0) return "0s";
  if (count < 1'000) return sign + std::to_string(count) + "ns";
  const auto value = static_cast<double>(count);
  // Each bound is where rounding to one digit would show the next unit's 1.
  if (value < 999.95e3) return sign + brief(value / 1e3) + "us";
  if (value < 999.95e6) return sign + brief(value / 1e6) + "ms";
  if (value < 59.95e9) return sign + brief(value / 1e9) + "s";
  const std::uint64_t seconds = count / kSecond + (count % kSecond >= kSecond / 2 ? 1 : 0);
  const auto pair = [&](std::uint64_t whole, std::string_view unit, std::uint64_t part,
                        std::string_view part_unit) {
    std::string text = sign + std::to_string(whole) + std::string(unit);
    if (part != 0) text += std::to_string(part) + std::string(part_unit);
    return text;
  };
  if (seconds < 3600) return pair(seconds / 60, "m", seconds % 60, "s");
  const std::uint64_t minutes = (seconds + 30) / 60;
  if (minutes < 24 * 60) return pair(minutes / 60, "h", minutes % 60, "m");
  const std::uint64_t hours = (minutes + 30) / 60;
  return pair(hours / 24, "d", hours % 24, "h");
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
  const std::string_view number = take_number(text);
  text = trim_ascii(text);
  if (number.empty()) return std::nullopt;
  std::uint64_t factor = 1;
  if (!text.empty() && !equal_ignoring_case(text, "b")) {
    constexpr std::string_view kPrefixes = "kmgtpe";
    const std::size_t power = kPrefixes.find(ascii_lower(text.front()));
    if (power == std::string_view::npos) return std::nullopt;
    text.remove_prefix(1);
    std::uint64_t base = 1024;
    if (equal_ignoring_case(text, "b")) {
      base = 1000;
    } else if (!text.empty() && !equal_ignoring_case(text, "ib") && !equal_ignoring_case(text, "i")) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i <= power; ++i) factor *= base;
  }
  return scaled(number, factor);
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kNames = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (unit + 1 < kNames.size() && value >= 1023.95) {
    value /= 1024;
    ++unit;
  }
  return brief(value) + " " + std::string(kNames[unit]);
}

}  // namespace beluga
