#pragma once
/// Words: tokens, stems and what is known about English words without looking at any document.
///
/// A name such as `max_queued-messages` becomes its parts in a row, on both sides of a comparison, so that
/// hyphens, underscores, dots and spaces do not matter. Everything here is a pure function and independent of
/// the locale.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace beluga::llm::offline_model {

struct Token {
  std::string stem;         ///< lower case, Porter-stemmed
  std::uint32_t begin = 0;  ///< byte range in the text
  std::uint32_t end = 0;
};

/// Splits text into tokens: runs of letters and digits; a leading `-` or `--` of an option stays outside the
/// token. Chinese, Japanese and Korean text, which has no spaces, becomes overlapping pairs of characters.
std::vector<Token> tokenise(std::string_view text);

std::string lower(std::string_view text);
/// The stem after M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980. Expects lower case.
std::string stem(std::string_view word);

/// Words that say nothing about the subject: articles, auxiliaries, question words, politeness.
bool is_stop_word(std::string_view lower_word) noexcept;
/// Words that say little in technical documents ("option", "default", "use"): they count, but less.
bool is_common_word(std::string_view lower_word) noexcept;
/// Words of everyday speech ("keep", "again", "before"): they count more than those, and less than a subject.
bool is_light_word(std::string_view lower_word) noexcept;

/// Collapses white space to single blanks and drops control characters.
std::string squeeze(std::string_view text);
bool contains_word(std::string_view text, std::string_view lower_word) noexcept;

inline bool is_ascii_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
inline bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}
inline bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}
/// A letter, a digit or a byte of a character outside ASCII.
inline bool is_word_char(char c) noexcept {
  return is_ascii_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace beluga::llm::offline_model
