#pragma once
/// Reflection of plain aggregates and enums, in C++20 and without macros: field count, names and references;
/// enum names.
///
///     struct SearchArgs { std::string query; int limit = 10; };
///     static_assert(reflect::field_name<SearchArgs, 0>() == "query");
///     SearchArgs args;
///     reflect::for_each_field(args, [](std::string_view name, auto& field) { ... });
///
///     enum class Unit { metric, imperial };
///     reflect::enum_name(Unit::metric);                     // "metric"
///     reflect::enum_value<Unit>("imperial");                // Unit::imperial
///
/// Supported structs: aggregates of up to 32 fields without base class, C array, reference or bit-field; a
/// static_assert names what is wrong otherwise. Supported enums: those with a fixed underlying type (every
/// `enum class`); enumerators from -16 to 127 are seen. One trailing underscore, as C++ keywords need
/// (`default_`), is not part of a name.
///
/// How: fields are counted by trying initialisers that convert to anything, reached by structured bindings,
/// and named by the signature of a function template on a pointer to them, as g++ 12 and clang 19 print it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace beluga::reflect {

inline constexpr std::size_t kMaxFields = 32;

namespace detail {

// The conversions are for unevaluated operands. They are defined because clang warns of functions that are
// used with types of an unnamed namespace and have no definition (-Wundefined-internal).

/// Initialises a member of any type but T itself (which would be a copy, not a field).
template <class T>
struct AnyField {
  template <class U>
    requires(!std::is_same_v<std::remove_cv_t<U>, T>)
  operator U() const noexcept {
    __builtin_trap();
  }
};
/// Initialises what AnyField cannot: a reference.
template <class T>
struct AnyReference {
  template <class U>
    requires(!std::is_same_v<std::remove_cv_t<U>, T>)
  operator U&() const noexcept {
    __builtin_trap();
  }
};
/// Initialises a base class of T and nothing else.
template <class T>
struct AnyBase {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<std::remove_cv_t<U>, T>)
  operator U() const noexcept {
    __builtin_trap();
  }
};
template <class T, std::size_t>
using AnyFieldAt = AnyField<T>;

template <class T, class... Init>
concept BraceConstructible = requires { T{Init{}...}; };

template <class T, std::size_t... I>
constexpr bool accepts(std::index_sequence<I...>) {
  return BraceConstructible<T, AnyFieldAt<T, I>...>;
}
template <class T, class Extra, std::size_t... I>
constexpr bool accepts_then(std::index_sequence<I...>) {
  return BraceConstructible<T, AnyFieldAt<T, I>..., Extra>;
}
/// Most initialisers that T takes: one more than kMaxFields when there are too many. 0 when none fit.
template <class T, std::size_t N = kMaxFields + 1>
constexpr std::size_t initializers() {
  if constexpr (accepts<T>(std::make_index_sequence<N>{}))
    return N;
  else if constexpr (N == 0)
    return 0;
  else
    return initializers<T, N - 1>();
}
/// Whether T takes the same number of initialisers with braces around that at `Before`: a C array of two or
/// more, whose elements are counted one by one, does not.
template <class T, std::size_t... Before, std::size_t... After>
constexpr bool brace_stands_for_one(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{AnyFieldAt<T, Before>{}..., {}, AnyFieldAt<T, After>{}...}; } ||
         requires { T{AnyFieldAt<T, Before>{}..., {AnyField<T>{}}, AnyFieldAt<T, After>{}...}; };
}
template <class T, std::size_t N, std::size_t... I>
constexpr bool has_array(std::index_sequence<I...>) {
  return (!brace_stands_for_one<T>(std::make_index_sequence<I>{}, std::make_index_sequence<N - I - 1>{}) ||
          ...);
}
template <class T, std::size_t N>
constexpr bool has_reference() {
  // AnyReference is tried only where AnyField does not fit: on a std::vector<T> of a T that cannot be copied,
  // clang would go on to define the vector's copy constructor.
  if constexpr (!accepts<T>(std::make_index_sequence<N + 1>{})) {
    if constexpr (accepts_then<T, AnyReference<T>>(std::make_index_sequence<N>{})) return true;
  }
  if constexpr (N == 0)
    return false;
  else
    return has_reference<T, N - 1>();
}

/// Storage for a T that is never made: its members have addresses, hence names.
template <class T>
union Ghost {
  char none;
  T value;
  constexpr Ghost() noexcept : none() {}
  constexpr ~Ghost() {}
};
template <class T>
inline constexpr Ghost<T> kGhost{};

template <std::size_t I>
struct Nth {
  template <class First, class... Rest>
  static constexpr auto& of([[maybe_unused]] First& first, [[maybe_unused]] Rest&... rest) noexcept {
    if constexpr (I == 0)
      return first;
    else
      return Nth<I - 1>::of(rest...);
  }
};

// Both compilers end the signature with the template arguments; `Last` keeps the one of interest in front of
// a marker.
template <auto Pointer>
constexpr std::string_view signature_of_pointer() {
  return __PRETTY_FUNCTION__;
}
template <auto... Values>
constexpr std::string_view signature_of_values() {
  return __PRETTY_FUNCTION__;
}
template <class T>
constexpr std::string_view signature_of_type() {
  return __PRETTY_FUNCTION__;
}

/// The C++ identifier without the underscore that avoids a keyword.
constexpr std::string_view without_trailing_underscore(std::string_view name) {
  if (name.size() > 1 && name.back() == '_') name.remove_suffix(1);
  return name;
}
/// The part after the last "::", "." or ")" of a qualified name.
constexpr std::string_view last_component(std::string_view name) {
  const std::size_t cut = name.find_last_of(":.)& ");
  return cut == std::string_view::npos ? name : name.substr(cut + 1);
}
/// g++: "... [with auto Pointer = (& kGhost<T>.Ghost<T>::value.T::name); std::string_view = ...]";
/// clang: "... [Pointer = &kGhost.value.name]".
constexpr std::string_view name_in_pointer_signature(std::string_view text) {
  text.remove_prefix(text.find("Pointer = ") + 10);
#if defined(__clang__)
  text = text.substr(0, text.rfind(']'));
#else
  text = text.substr(0, text.rfind(");"));
#endif
  return without_trailing_underscore(last_component(text));
}

template <class T>
constexpr bool check_aggregate() {
  static_assert(std::is_class_v<T>, "beluga: reflection needs a struct; this is no class type");
  static_assert(
      std::is_aggregate_v<T>,
      "beluga: reflection needs a plain aggregate: no constructor, no private field, no virtual function");
  if constexpr (std::is_class_v<T> && std::is_aggregate_v<T>) {
    static_assert(!BraceConstructible<T, AnyBase<T>>,
                  "beluga: a reflected struct must not have a base class; make the base a field");
    static_assert(!has_reference<T, initializers<T>()>(),
                  "beluga: a reflected struct must not have a reference as a field; hold a value");
    if constexpr (!has_reference<T, initializers<T>()>() && !BraceConstructible<T, AnyBase<T>>) {
      static_assert(initializers<T>() != 0 || std::is_empty_v<T>,
                    "beluga: the fields of this struct cannot be counted; a field may be neither copied nor "
                    "moved into place");
      static_assert(
          std::is_move_assignable_v<T>,
          "beluga: a field of this struct cannot be assigned: it is const, a reference or immovable");
      if constexpr (initializers<T>() != 0) {
        static_assert(
            !has_array<T, initializers<T>()>(std::make_index_sequence<initializers<T>()>{}),
            "beluga: a reflected struct must not have a C array as a field; use std::array or std::vector");
        static_assert(
            initializers<T>() <= kMaxFields ||
                has_array<T, initializers<T>()>(std::make_index_sequence<initializers<T>()>{}),
            "beluga: a reflected struct may have at most 32 fields; group some into a struct of their own");
      }
    }
  }
  return true;
}

}  // namespace detail

/// Number of fields. Ill-formed, with a readable message, for what cannot be reflected.
template <class T>
constexpr std::size_t field_count() {
  static_assert(detail::check_aggregate<std::remove_cv_t<T>>());
  return detail::initializers<std::remove_cv_t<T>>();
}

/// Calls `f(field...)` with a reference to each field of `object`, in order of declaration.
template <class T, class F>
constexpr decltype(auto) apply_fields(T& object, F&& f) {
  constexpr std::size_t N = field_count<T>();
  static_assert(N <= kMaxFields);
  if constexpr (N == 0)
    return f();
  else if constexpr (N == 1) {
    auto& [f0] = object;
    return f(f0);
  } else if constexpr (N == 2) {
    auto& [f0, f1] = object;
    return f(f0, f1);
  } else if constexpr (N == 3) {
    auto& [f0, f1, f2] = object;
    return f(f0, f1, f2);
  } else if constexpr (N == 4) {
    auto& [f0, f1, f2, f3] = object;
    return f(f0, f1, f2, f3);
  } else if constexpr (N == 5) {
    auto& [f0, f1, f2, f3, f4] = object;
    return f(f0, f1, f2, f3, f4);
  } else if constexpr (N == 6) {
    auto& [f0, f1, f2, f3, f4, f5] = object;
    return f(f0, f1, f2, f3, f4, f5);
  } else if constexpr (N == 7) {
    auto& [f0, f1, f2, f3, f4, f5, f6] = object;
    return f(f0, f1, f2, f3, f4, f5, f6);
  } else if constexpr (N == 8) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7);
  } else if constexpr (N == 9) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8);
  } else if constexpr (N == 10) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
  } else if constexpr (N == 11) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
  } else if constexpr (N == 12) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
  } else if constexpr (N == 13) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
  } else if constexpr (N == 14) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
  } else if constexpr (N == 15) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
  } else if constexpr (N == 16) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15);
  } else if constexpr (N == 17) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16);
  } else if constexpr (N == 18) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17);
  } else if constexpr (N == 19) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18);
  } else if constexpr (N == 20) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19);
  } else if constexpr (N == 21) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20] =
        object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20);
  } else if constexpr (N == 22) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
           f21] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21);
  } else if constexpr (N == 23) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22);
  } else if constexpr (N == 24) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23);
  } else if constexpr (N == 25) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24);
  } else if constexpr (N == 26) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25);
  } else if constexpr (N == 27) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26);
  } else if constexpr (N == 28) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26, f27] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26, f27);
  } else if constexpr (N == 29) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26, f27, f28] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26, f27, f28);
  } else if constexpr (N == 30) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26, f27, f28, f29] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26, f27, f28, f29);
  } else if constexpr (N == 31) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26, f27, f28, f29, f30] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26, f27, f28, f29, f30);
  } else if constexpr (N == 32) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
           f22, f23, f24, f25, f26, f27, f28, f29, f30, f31] = object;
    return f(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20,
             f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31);
  }
}

/// The type of field I.
template <class T, std::size_t I>
using FieldType = std::remove_reference_t<decltype(apply_fields(
    std::declval<T&>(), [](auto&... fields) -> auto& { return detail::Nth<I>::of(fields...); }))>;

/// The name of field I.
template <class T, std::size_t I>
constexpr std::string_view field_name() {
  constexpr auto pointer = apply_fields(detail::kGhost<std::remove_cv_t<T>>.value,
                                        [](auto&... fields) { return &detail::Nth<I>::of(fields...); });
  return detail::name_in_pointer_signature(detail::signature_of_pointer<pointer>());
}

/// Calls `f(name, field)` for each field.
template <class T, class F>
constexpr void for_each_field(T& object, F&& f) {
  apply_fields(object, [&](auto&... fields) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (f(field_name<T, I>(), fields), ...);
    }(std::index_sequence_for<decltype(fields)...>{});
  });
}

/// The name of a type without its namespaces: "SearchArgs".
template <class T>
constexpr std::string_view type_name() {
  std::string_view text = detail::signature_of_type<T>();
  text.remove_prefix(text.find("T = ") + 4);
#if defined(__clang__)
  text = text.substr(0, text.rfind(']'));
#else
  text = text.substr(0, text.rfind("; std::string_view"));
#endif
  const std::string_view plain = text.substr(0, text.find('<'));
  return detail::last_component(plain);
}

namespace detail {

inline constexpr int kFirstEnumerator = -16;
inline constexpr int kLastEnumerator = 127;

template <class E>
constexpr bool check_enum() {
  static_assert(std::is_enum_v<E>, "beluga: enum_name needs an enum");
  static_assert(
      requires { E{0}; },
      "beluga: reflection of an enum needs a fixed underlying type: write `enum class` or `enum E : int`");
  return true;
}
template <class E>
constexpr int first_enumerator() {
  return std::is_signed_v<std::underlying_type_t<E>> ? kFirstEnumerator : 0;
}

template <class E, std::size_t... I>
constexpr std::string_view enum_signature(std::index_sequence<I...>) {
  return signature_of_values<static_cast<E>(static_cast<int>(I) + first_enumerator<E>())...>();
}

template <class E>
struct EnumTable {
  static constexpr std::size_t kSize = static_cast<std::size_t>(kLastEnumerator - first_enumerator<E>() + 1);
  std::array<std::string_view, kSize> names{};  ///< by value; empty: no enumerator
  std::size_t count = 0;
};

/// g++: "... [with auto ...Values = {Color::red, (Color)1}; ...]"; clang: "... [Values = <Color::red,
/// (Color)1>]".
template <class E>
constexpr EnumTable<E> make_enum_table() {
  EnumTable<E> table;
  std::string_view text = enum_signature<E>(std::make_index_sequence<EnumTable<E>::kSize>{});
#if defined(__clang__)
  text.remove_prefix(text.find("Values = <") + 10);
  text = text.substr(0, text.rfind(">]"));
#else
  text.remove_prefix(text.find("Values = {") + 10);
  text = text.substr(0, text.rfind("};"));
#endif
  for (std::size_t i = 0; i < table.names.size(); ++i) {
    const std::size_t comma = text.find(", ");
    const std::string_view one = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 2);
    const std::string_view name = last_component(one);
    // "(Color)1" ends in a number, an enumerator never starts with a digit.
    if (name.empty() || name[0] == '-' || (name[0] >= '0' && name[0] <= '9')) continue;
    table.names[i] = without_trailing_underscore(name);
    ++table.count;
  }
  return table;
}
template <class E>
inline constexpr EnumTable<E> kEnumTable = make_enum_table<E>();

}  // namespace detail

/// Calls `f(value, name)` for each enumerator, in order of value.
template <class E, class F>
constexpr void for_each_enumerator(F&& f) {
  static_assert(detail::check_enum<E>());
  static_assert(detail::kEnumTable<E>.count > 0, "beluga: this enum has no enumerator from -16 to 127");
  const auto& names = detail::kEnumTable<E>.names;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!names[i].empty()) f(static_cast<E>(static_cast<int>(i) + detail::first_enumerator<E>()), names[i]);
}

/// The enumerator's name; empty for a value that has none.
template <class E>
constexpr std::string_view enum_name(E value) {
  std::string_view found;
  for_each_enumerator<E>([&](E candidate, std::string_view name) {
    if (candidate == value) found = name;
  });
  return found;
}

template <class E>
constexpr std::optional<E> enum_value(std::string_view name) {
  std::optional<E> found;
  for_each_enumerator<E>([&](E candidate, std::string_view candidate_name) {
    if (candidate_name == name) found = candidate;
  });
  return found;
}

}  // namespace beluga::reflect
