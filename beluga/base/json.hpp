#pragma once
/// `Json`: our own tagged JSON value.
///
/// Objects keep insertion order and numbers keep their text, so that what is read and written again is
/// byte-stable (prompt caches depend on it). No third-party type is visible; `beluga/interop/` converts.
///
///     Json request = Json::object({{"model", "gpt-4o"}, {"temperature", 0.2}});
///     request["messages"].push_back(Json::object({{"role", "user"}, {"content", "hi"}}));
///     std::string wire = request.dump();
///
/// Policy: RFC 8259 without extensions; UTF-8 only (one leading byte order mark is skipped, lone surrogates
/// are an error); duplicate keys are an error unless ParseOptions says otherwise; nesting is limited.
/// Thread-safety: like std::string. Errors: Error{invalid_argument} with line and column from parse(), with
/// the kinds that were wanted and found from the checked accessors.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace beluga {

class Json {
 public:
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
  struct Member;
  enum class DuplicateKeys : std::uint8_t {
    error,
    last_wins,  ///< the last value, at the place of the first
  };
  struct ParseOptions {
    unsigned max_depth =
        128;  ///< nesting levels of arrays and objects; 512 at most, so that any stack holds it
    DuplicateKeys duplicate_keys = DuplicateKeys::error;
  };

  Json() noexcept {}
  Json(std::nullptr_t) noexcept {}
  template <class B, std::enable_if_t<std::is_same_v<B, bool>, int> = 0>
  Json(B value) noexcept : kind_(Kind::boolean), boolean_(value) {}
  template <class I,
            std::enable_if_t<std::is_integral_v<I> && !std::is_same_v<I, bool> && !std::is_same_v<I, char>,
                             int> = 0>
  Json(I value) {
    if constexpr (std::is_signed_v<I>)
      set_integer(static_cast<std::int64_t>(value));
    else
      set_unsigned(static_cast<std::uint64_t>(value));
  }
  /// A character may be meant as a number or as a text: say Json(int{c}) or Json(std::string(1, c)).
  Json(char value) = delete;
  /// An enum may be meant as its number or as its name: say which.
  template <class E, std::enable_if_t<std::is_enum_v<E>, int> = 0>
  Json(E value) = delete;
  /// NaN and infinities have no JSON form: Error{invalid_argument}.
  Json(double value);
  Json(std::string value);
  Json(std::string_view value);
  Json(const char* value);
  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json();

  static Json array(std::vector<Json> items = {});
  /// A key that occurs twice is an error: JSON readers disagree on which value counts.
  static Json object(std::initializer_list<Member> members = {});
  static Json object(std::vector<Member> members);
  /// A number by its text, kept as it is written. Throws unless `text` is a JSON number.
  static Json number(std::string_view text);

  /// Parses one JSON document. Throws Error{invalid_argument}: "line 3, column 7: expected ',' or '}'".
  static Json parse(std::string_view text, ParseOptions options);
  static Json parse(std::string_view text);

  Kind kind() const noexcept { return kind_; }
  bool is_null() const noexcept { return kind_ == Kind::null; }
  bool is_bool() const noexcept { return kind_ == Kind::boolean; }
  bool is_number() const noexcept { return kind_ == Kind::number; }
  /// A number without fraction once its value is taken: 1, 1.0 and 1e2 are integers (JSON Schema 2020-12).
  bool is_integer() const noexcept;
  bool is_string() const noexcept { return kind_ == Kind::string; }
  bool is_array() const noexcept { return kind_ == Kind::array; }
  bool is_object() const noexcept { return kind_ == Kind::object; }

  // Checked accessors: throw Error{invalid_argument} naming the kind that was found.
  bool as_bool() const;
  std::int64_t as_int() const;  ///< also throws when the value is no integer or does not fit
  std::uint64_t as_uint() const;
  double as_double() const;  ///< the nearest double; throws when the value is beyond the largest
  const std::string& as_string() const;
  /// The number exactly as it was written.
  std::string_view number_text() const;

  /// Elements of an array or members of an object; 0 for everything else.
  std::size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }

  // Arrays. `items()` is empty for other kinds.
  std::span<const Json> items() const noexcept;
  std::span<Json> items() noexcept;
  const Json& at(std::size_t index) const;
  Json& at(std::size_t index);
  Json& operator[](std::size_t index) { return at(index); }
  const Json& operator[](std::size_t index) const { return at(index); }
  /// Null becomes an array first; throws for other kinds.
  Json& push_back(Json value);

  // Objects. `members()` is empty for other kinds.
  std::span<const Member> members() const noexcept;
  std::span<Member> members() noexcept;
  /// The member's value, or null when this is no object or has no such member.
  const Json* find(std::string_view key) const noexcept;
  Json* find(std::string_view key) noexcept;
  bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }
  const Json& at(std::string_view key) const;
  /// Finds or appends. Null becomes an object first; throws for other kinds.
  Json& operator[](std::string_view key);
  bool erase(std::string_view key);

  // Lenient readers for wire formats: the value when present and of that kind, else the fallback.
  std::string_view string_or(std::string_view key, std::string_view fallback) const noexcept;
  std::int64_t int_or(std::string_view key, std::int64_t fallback) const noexcept;
  double double_or(std::string_view key, double fallback) const noexcept;
  bool bool_or(std::string_view key, bool fallback) const noexcept;

  /// RFC 6901 pointer ("/a/0/b~1c"); null when nothing is there.
  const Json* pointer(std::string_view path) const noexcept;

  /// Compact text, or indented by `indent` spaces when it is not negative. Non-ASCII stays UTF-8.
  std::string dump(int indent = -1) const;
  /// Appends the compact text to `out` (no intermediate string).
  void dump_to(std::string& out) const;

  /// Equal by value: member order does not matter, and 1, 1.0 and 1e0 are the same number.
  friend bool operator==(const Json& a, const Json& b) noexcept { return equal(a, b); }

 private:
  struct Parser;
  struct Writer;
  void set_integer(std::int64_t value);
  void set_unsigned(std::uint64_t value);
  void take(Json& other) noexcept;
  void destroy() noexcept;
  static bool equal(const Json& a, const Json& b) noexcept;

  // 40 bytes: short strings and numbers need no allocation, which is what makes parsing fast
  // (bench/json_bench.cpp).
  Kind kind_ = Kind::null;
  union {
    bool boolean_;
    std::string string_;  // strings, and numbers by their text
    std::vector<Json> array_;
    std::vector<Member> object_;
    void* nothing_ = nullptr;
  };
};

struct Json::Member {
  std::string key;
  Json value;
};

std::string_view to_string(Json::Kind kind) noexcept;

/// Appends `text` to `out` as a quoted JSON string. Invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace beluga
