#include "beluga/base/base64.hpp"

#include <array>
#include <cstdint>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> kValues = [] {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return values;
}();

[[noreturn]] void fail(std::size_t offset, std::string_view what) {
  throw Error(ErrorCode::invalid_argument,
              "base64: " + std::string(what) + " at offset " + std::to_string(offset));
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[i])}; };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out.push_back(kAlphabet[group >> 18]);
    out.push_back(kAlphabet[group >> 12 & 63]);
    out.push_back(kAlphabet[group >> 6 & 63]);
    out.push_back(kAlphabet[group & 63]);
  }
  if (bytes.size() - i == 1) {
    out.push_back(kAlphabet[byte(i) >> 2]);
    out.push_back(kAlphabet[(byte(i) & 3) << 4]);
    out += "==";
  } else if (bytes.size() - i == 2) {
    out.push_back(kAlphabet[byte(i) >> 2]);
    out.push_back(kAlphabet[(byte(i) & 3) << 4 | byte(i + 1) >> 4]);
    out.push_back(kAlphabet[(byte(i + 1) & 15) << 2]);
    out.push_back('=');
  }
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) fail(text.size(), "length is no multiple of 4");
  std::size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const int value = kValues[static_cast<unsigned char>(text[i])];
    if (value < 0) fail(i, "a character outside the alphabet");
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(group >> bits & 255));
      group &= (1U << bits) - 1;
    }
  }
  // What is left over must be padding: 0, 2 or 4 zero bits (RFC 4648 section 3.5).
  if (group != 0) fail(digits, "unused bits are not zero");
  return out;
}

}  // namespace beluga
