#pragma once
/// Values in running text: what a sentence gives when it is asked for a number, a path, a default, a name.

#include <cstdint>
#include <string>
#include <string_view>

#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm::offline_model {

/// What an answer must look like.
enum class Shape : std::uint8_t {
  any,
  number,
  duration,  ///< a number of seconds, days ...
  size,      ///< a number of bytes, bits ...
  path,
  option,      ///< -x, --long
  variable,    ///< UPPER_CASE
  signal,      ///< SIGHUP
  identifier,  ///< a name in code: a directive, a command, a function
  person,
  version,
  percentage,
  key,  ///< what is pressed
};

/// Calls f(word, offset) for the words between blanks, without the punctuation around them, until it returns
/// false.
template <class F>
void each_word(std::string_view text, F&& f) {
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && text[i] == ' ') ++i;
    std::size_t begin = i;
    while (i < text.size() && text[i] != ' ') ++i;
    std::size_t end = i;
    while (begin < end && (std::string_view("\"'`(<[*,;").find(text[begin]) != std::string_view::npos))
      ++begin;
    while (end > begin && (std::string_view("\"'`)>]*,;:.?!").find(text[end - 1]) != std::string_view::npos))
      --end;
    if (end > begin && !f(text.substr(begin, end - begin), begin)) return;
  }
}

/// Whether a value of this shape stands in the text.
bool has_shape(Shape shape, std::string_view text);

bool has_digit(std::string_view text) noexcept;
/// "two", "once", "daily", "unlimited".
bool has_number_word(std::string_view text) noexcept;
/// Two capitalised words in a row, or an address.
bool has_person(std::string_view text);
/// The tag of an entry that is a name in code rather than a phrase.
bool code_like(std::string_view tag);

/// The value that a sentence names as a default; empty if it names none.
std::string default_in(std::string_view sentence, std::size_t* offset = nullptr);
/// The first path, with its place.
std::string first_path(std::string_view text, std::size_t* offset = nullptr);
/// The only number of a sentence, with its unit.
std::string only_number(std::string_view text, std::size_t* offset = nullptr);

}  // namespace beluga::llm::offline_model
