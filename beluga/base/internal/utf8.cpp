#include "beluga/base/internal/utf8.hpp"

#include <simdjson.h>

namespace beluga::detail {

bool is_utf8(std::string_view text) noexcept {
  // Most strings are short and plain; the vector routine pays from about 64 bytes on.
  if (text.size() < 64) return utf8_error_at(text) == text.size();
  return simdjson::validate_utf8(text.data(), text.size());
}

Utf8Step utf8_step(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {.length = 1};
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;  // bounds of the second byte (Unicode 15, table 3-7)
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {.bad = 1};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {.bad = i, .cut = true};
    if (at(i) < low || at(i) > high) return {.bad = i};
    low = 0x80;
    high = 0xBF;
  }
  return {.length = length};
}

std::size_t utf8_error_at(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    while (text.size() - at >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & 0x8080808080808080U) != 0) break;
      at += 8;
    }
    if (at == text.size()) break;
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.length == 0) return at;
    at += step.length;
  }
  return at;
}

std::string sanitized_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  while (!text.empty()) {
    const std::size_t good = utf8_error_at(text);
    out.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    out.append("\xEF\xBF\xBD");
    text.remove_prefix(utf8_step(text).bad);
  }
  return out;
}

}  // namespace beluga::detail
