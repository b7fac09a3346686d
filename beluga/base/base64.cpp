#include "beluga/base/base64.hpp"

#include <array>
#include <cstdint>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNone = 0xFF;

constexpr std::array<std::uint8_t, 256> inverse(std::string_view alphabet) {
  std::array<std::uint8_t, 256> table{};
  table.fill(kNone);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return table;
}
constexpr auto kStandardValues = inverse(kStandard);
constexpr auto kUrlValues = inverse(kUrl);

void encode(std::string& out, std::string_view bytes, std::string_view alphabet, bool padded) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    const char four[] = {alphabet[group >> 18U], alphabet[group >> 12U & 63U], alphabet[group >> 6U & 63U],
                         alphabet[group & 63U]};
    out.append(four, sizeof four);
  }
  const std::size_t rest = bytes.size() - i;
  if (rest != 0) {
    const std::uint32_t group = byte(i) << 16U | (rest == 2 ? byte(i + 1) << 8U : 0U);
    out.push_back(alphabet[group >> 18U]);
    out.push_back(alphabet[group >> 12U & 63U]);
    if (rest == 2) out.push_back(alphabet[group >> 6U & 63U]);
    if (padded) out.append(3 - rest, '=');
  }
}

[[noreturn]] void refuse(std::size_t offset, std::string_view why) {
  raise(Error(ErrorCode::invalid_argument,
              "base64: " + std::string(why) + " at offset " + std::to_string(offset)));
}

/// `text` without padding.
std::string decode(std::string_view text, const std::array<std::uint8_t, 256>& values) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned have = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t value = values[static_cast<unsigned char>(text[i])];
    if (value == kNone) refuse(i, "a character outside the alphabet");
    bits = bits << 6U | value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> have)));
      bits &= (1U << have) - 1U;
    }
  }
  if (text.size() % 4 == 1) refuse(text.size(), "a last character that holds no byte");
  if (bits != 0) refuse(text.size() - 1, "unused bits that are not zero");
  return out;
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  encode(out, bytes, kStandard, true);
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kStandard, true);
  return out;
}

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kUrl, false);
  return out;
}

std::string base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) refuse(text.size(), "missing padding (the length is no multiple of 4)");
  if (!text.empty() && text.back() == '=') text.remove_suffix(text[text.size() - 2] == '=' ? 2 : 1);
  return decode(text, kStandardValues);
}

std::string base64url_decode(std::string_view text) {
  return decode(text, kUrlValues);
}

}  // namespace beluga
