#pragma once
/// `Usd`: an amount of US dollars, exact to 10^-12 dollars, so that prices per million tokens (down to
/// $0.000001) and sums of them have no rounding. Up to about nine million dollars.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace beluga {

class Usd {
 public:
  constexpr Usd() noexcept = default;
  static constexpr Usd pico(std::int64_t units) noexcept { return Usd(units); }
  /// "0.25", "2.5", "1e-3" is not taken: digits and at most one point. Throws Error{invalid_argument}
  /// otherwise, for more than twelve decimals and for more than fits.
  static Usd parse(std::string_view text);

  constexpr std::int64_t pico() const noexcept { return pico_; }
  /// Exact, without trailing zeros: "0.000125", "12".
  std::string text() const;
  double approximate() const noexcept { return static_cast<double>(pico_) / 1e12; }

  /// Sums stay at the largest amount instead of overflowing.
  Usd& operator+=(Usd other) noexcept;
  friend Usd operator+(Usd a, Usd b) noexcept { return a += b; }
  friend constexpr Usd operator-(Usd a, Usd b) noexcept { return Usd(a.pico_ - b.pico_); }
  friend constexpr auto operator<=>(const Usd&, const Usd&) = default;

 private:
  explicit constexpr Usd(std::int64_t pico) noexcept : pico_(pico) {}
  std::int64_t pico_ = 0;
};

}  // namespace beluga
