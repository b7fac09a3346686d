#include "beluga/contract/usd.hpp"

#include <limits>

#include "beluga/base/error.hpp"

namespace beluga {

namespace {
constexpr int kDecimals = 12;
}

Usd Usd::parse(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return Error(ErrorCode::invalid_argument, "'" + std::string(text.substr(0, 40)) +
                                                  "' is no amount of dollars: " + std::string(why) +
                                                  "; write digits with at most one point, as 0.25");
  };
  std::int64_t units = 0;
  int decimals = -1;  // behind the point; -1 before it
  bool digit = false;
  const auto push = [&](int value) {
    if (__builtin_mul_overflow(units, std::int64_t{10}, &units) ||
        __builtin_add_overflow(units, std::int64_t{value}, &units))
      throw bad("it is too large");
  };
  for (const char c : text) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
    } else if (c >= '0' && c <= '9') {
      digit = true;
      if (decimals == kDecimals) {
        if (c != '0') throw bad("it has more than twelve decimals");
        continue;
      }
      if (decimals >= 0) ++decimals;
      push(c - '0');
    } else {
      throw bad("it is no plain decimal number");
    }
  }
  if (!digit) throw bad("there is no digit");
  for (int i = decimals < 0 ? 0 : decimals; i < kDecimals; ++i) push(0);
  return Usd(units);
}

std::string Usd::text() const {
  const bool negative = pico_ < 0;
  // Unsigned: the magnitude of the smallest amount has no signed form.
  std::uint64_t left = negative ? 0 - static_cast<std::uint64_t>(pico_) : static_cast<std::uint64_t>(pico_);
  std::string digits = std::to_string(left);
  if (digits.size() <= kDecimals) digits.insert(0, kDecimals + 1 - digits.size(), '0');
  digits.insert(digits.size() - kDecimals, 1, '.');
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return negative ? "-" + digits : digits;
}

Usd& Usd::operator+=(Usd other) noexcept {
  if (__builtin_add_overflow(pico_, other.pico_, &pico_))
    pico_ =
        other.pico_ > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  return *this;
}

}  // namespace beluga
