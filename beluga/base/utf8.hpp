#pragma once
/// UTF-8: validate, repair, cut and walk text without breaking a character.
///
///     std::string safe = sanitize_utf8(bytes_from_outside);
///     log(truncate_utf8(safe, 200));                      // never ends inside a character
///     for (std::string_view c : CodePoints(safe)) use(c);     // each element is one character's bytes
///
/// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Thread-safety: pure functions; a
/// Utf8Sanitizer belongs to one stream.

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

namespace beluga {

bool is_valid_utf8(std::string_view text) noexcept;

/// `text` with each maximal ill-formed part replaced by one U+FFFD (Unicode 15 section 3.9).
std::string sanitize_utf8(std::string_view text);

/// The longest prefix of at most `max_bytes` bytes that does not end inside a character.
std::string_view truncate_utf8(std::string_view text, std::size_t max_bytes) noexcept;

/// `text` when it fits, else a prefix and `mark`, together at most `max_bytes` long.
std::string shorten(std::string_view text, std::size_t max_bytes, std::string_view mark = "...");

/// Number of code points; an ill-formed part counts as one.
std::size_t count_code_points(std::string_view text) noexcept;

/// A range over the code points of a text, each as the view of its bytes. An ill-formed part is one element.
class CodePoints {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator() = default;
    explicit Iterator(std::string_view rest) noexcept : rest_(rest) { measure(); }
    std::string_view operator*() const noexcept { return rest_.substr(0, length_); }
    Iterator& operator++() noexcept {
      rest_.remove_prefix(length_);
      measure();
      return *this;
    }
    void operator++(int) noexcept { ++*this; }
    bool operator==(const Iterator& other) const noexcept { return rest_.size() == other.rest_.size(); }

   private:
    void measure() noexcept;
    std::string_view rest_;
    std::size_t length_ = 0;
  };

  explicit CodePoints(std::string_view text) noexcept : text_(text) {}
  Iterator begin() const noexcept { return Iterator(text_); }
  Iterator end() const noexcept { return {}; }

 private:
  std::string_view text_;
};

/// sanitize_utf8 for text that arrives in pieces: a character cut between two chunks comes out whole.
class Utf8Sanitizer {
 public:
  /// Appends what is complete to `out`; keeps up to three bytes of a character that may still come.
  void feed(std::string_view chunk, std::string& out);
  /// The text is over: a character that stayed incomplete becomes U+FFFD.
  void finish(std::string& out);

 private:
  std::string held_;
};

}  // namespace beluga
