#pragma once
/// `Field<T, "description", Limits{...}>`: a struct field that tells a model what it means and what it may
/// be.
///
///     struct SearchArgs {
///       Field<std::string, "What to look for", Limits{.min_length = 1}> query;
///       Field<int, "How many results", Limits{.minimum = 1, .maximum = 50}> limit = 10;
///     };
///     SearchArgs args;
///     args.limit + 1;  *args.query + "!";  args.query->size();
///
/// It behaves like the T inside: converts to it both ways, `*` and `->` reach it. Description and limits go
/// into the JSON Schema (reflect_json.hpp), which is what enforces them. A Field with a default member
/// initialiser, whatever its value, need not be given.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace beluga {

/// A string literal as a template argument.
template <std::size_t N>
struct FixedString {
  char text[N]{};
  constexpr FixedString(const char (&literal)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
  constexpr std::string_view view() const noexcept { return {text, N - 1}; }
};

/// A limit that may be absent; remembers whether it was written as an integer.
struct Bound {
  bool set = false;
  bool integral = false;
  std::int64_t integer = 0;
  double real = 0;
  constexpr Bound() noexcept = default;
  template <std::integral I>
  constexpr Bound(I value) noexcept : set(true), integral(true), integer(static_cast<std::int64_t>(value)) {}
  template <std::floating_point F>
  constexpr Bound(F value) noexcept : set(true), real(static_cast<double>(value)) {}
};

/// A literal of at most 127 characters inside a template argument.
struct ShortText {
  char text[128]{};
  constexpr ShortText() noexcept = default;
  template <std::size_t N>
  constexpr ShortText(const char (&literal)[N]) {
    static_assert(N <= sizeof text, "beluga: a pattern or format in Limits may have at most 127 characters");
    for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
  constexpr std::string_view view() const noexcept { return text; }
};

/// The assertions of JSON Schema 2020-12 (validation, section 6) that one field may carry.
struct Limits {
  Bound minimum{}, maximum{}, exclusive_minimum{}, exclusive_maximum{}, multiple_of{};  // numbers
  Bound min_length{}, max_length{};  // strings, in code points
  ShortText pattern{};               // ECMA-262, unanchored
  ShortText format{};                // "date", "uri", ...
  Bound min_items{}, max_items{};    // arrays and sets
  bool unique_items = false;
  bool optional = false;  ///< may be left out although it has no default
};

template <class T, FixedString Description, Limits Rules = Limits{}>
class Field {
 public:
  using value_type = T;
  static constexpr std::string_view description() noexcept { return Description.view(); }
  static constexpr const Limits& limits() noexcept { return kLimits; }

  constexpr Field() = default;
  constexpr Field(T value) : value_(std::move(value)), given_(true) {}
  template <class U>
    requires(std::is_constructible_v<T, U &&> && std::is_convertible_v<U &&, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Field> && !std::is_same_v<std::remove_cvref_t<U>, T>)
  constexpr Field(U&& value) : value_(std::forward<U>(value)), given_(true) {}

  constexpr operator const T&() const noexcept { return value_; }
  constexpr operator T&() noexcept { return value_; }
  constexpr const T& operator*() const noexcept { return value_; }
  constexpr T& operator*() noexcept { return value_; }
  constexpr const T* operator->() const noexcept { return &value_; }
  constexpr T* operator->() noexcept { return &value_; }
  constexpr const T& value() const noexcept { return value_; }
  constexpr T& value() noexcept { return value_; }
  /// Whether it was made from a value: by its default member initialiser or since.
  constexpr bool given() const noexcept { return given_; }

  constexpr auto begin() const
    requires requires(const T& t) { t.begin(); }
  {
    return value_.begin();
  }
  constexpr auto end() const
    requires requires(const T& t) { t.end(); }
  {
    return value_.end();
  }

  friend constexpr bool operator==(const Field& a, const Field& b)
    requires std::equality_comparable<T>
  {
    return a.value_ == b.value_;
  }
  friend constexpr bool operator==(const Field& a, const T& b)
    requires std::equality_comparable<T>
  {
    return a.value_ == b;
  }

 private:
  static constexpr Limits kLimits = Rules;
  T value_{};
  bool given_ = false;
};

}  // namespace beluga
