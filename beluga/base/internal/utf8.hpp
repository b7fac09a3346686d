#pragma once
/// UTF-8 and byte scanning, shared by the JSON reader and writer and by text.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace beluga::detail {

/// Whether `text` is UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text) noexcept;
/// The length of the well-formed sequence at the start of `text`. When there is none: 0, and `bad` is the
/// length of the maximal subpart to be replaced by one U+FFFD (Unicode 15, section 3.9, "substitution of
/// maximal subparts"). `cut` tells that the text ends inside a sequence that is right so far. Precondition:
/// `text` is not empty.
struct Utf8Step {
  std::size_t length = 0;
  std::size_t bad = 0;
  bool cut = false;
};
Utf8Step utf8_step(std::string_view text) noexcept;
/// Each maximal ill-formed part becomes U+FFFD.
std::string sanitized_utf8(std::string_view text);
/// The offset of the first byte that does not belong to well-formed UTF-8; the size when all do.
std::size_t utf8_error_at(std::string_view text) noexcept;

inline void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) {
    out.push_back(byte(c));
  } else if (c < 0x800) {
    const char bytes[] = {byte(0xC0U | c >> 6U), byte(0x80U | (c & 0x3FU))};
    out.append(bytes, sizeof bytes);
  } else if (c < 0x10000) {
    const char bytes[] = {byte(0xE0U | c >> 12U), byte(0x80U | (c >> 6U & 0x3FU)), byte(0x80U | (c & 0x3FU))};
    out.append(bytes, sizeof bytes);
  } else {
    const char bytes[] = {byte(0xF0U | c >> 18U), byte(0x80U | (c >> 12U & 0x3FU)),
                          byte(0x80U | (c >> 6U & 0x3FU)), byte(0x80U | (c & 0x3FU))};
    out.append(bytes, sizeof bytes);
  }
}

/// The first '"', '\\' or control character (below 0x20) in [at, end), else end. 16 bytes a step where SSE2
/// is there, else 8 by bit tricks.
inline const char* find_json_special(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  while (end - at >= 16) {
    const __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i quote = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"'));
    const __m128i slash = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(chunk, _mm_set1_epi8(0x1F)), chunk);
    const int mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control));
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
    at += 16;
  }
#else
  while (end - at >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHigh = 0x8080808080808080U;
    const std::uint64_t quote = word ^ kOnes * '"';
    const std::uint64_t slash = word ^ kOnes * '\\';
    const std::uint64_t hit = ((word - kOnes * 0x20) | (quote - kOnes) | (slash - kOnes)) & ~word & kHigh;
    if (hit != 0) break;  // the loop below finds which
    at += 8;
  }
#endif
  for (; at != end; ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c == '"' || c == '\\') break;
  }
  return at;
}

}  // namespace beluga::detail
