#include "beluga/llm/providers/openai/internal/json_text.hpp"

namespace beluga::llm::openai {
namespace {

void append_utf8(std::uint32_t point, std::string& out) {
  const auto byte = [&](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xC0 | point >> 6);
    byte(0x80 | (point & 63));
  } else if (point < 0x10000) {
    byte(0xE0 | point >> 12);
    byte(0x80 | (point >> 6 & 63));
    byte(0x80 | (point & 63));
  } else {
    byte(0xF0 | point >> 18);
    byte(0x80 | (point >> 12 & 63));
    byte(0x80 | (point >> 6 & 63));
    byte(0x80 | (point & 63));
  }
}

/// The value of four hexadecimal digits, or -1.
std::int32_t hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  std::int32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    std::int32_t digit = -1;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

constexpr std::uint32_t kReplacement = 0xFFFD;

}  // namespace

bool JsonText::append(std::string_view token, std::string& out) {
  while (!token.empty() && token.back() != '"') token.remove_suffix(1);  // blanks after the string
  if (token.size() < 2 || token.front() != '"') return false;
  token = token.substr(1, token.size() - 2);
  std::size_t at = 0;
  while (at < token.size()) {
    std::size_t escape = token.find('\\', at);
    if (escape == std::string_view::npos) escape = token.size();
    if (escape > at) {
      end(out);
      out.append(token.substr(at, escape - at));
      at = escape;
      continue;
    }
    if (at + 1 >= token.size()) return false;
    const char letter = token[at + 1];
    at += 2;
    if (letter == 'u') {
      const std::int32_t unit = hex4(token.substr(at));
      if (unit < 0) return false;
      at += 4;
      const auto point = static_cast<std::uint32_t>(unit);
      if (point >= 0xDC00 && point <= 0xDFFF) {
        append_utf8(high_ == 0 ? kReplacement : 0x10000 + ((high_ - 0xD800) << 10) + (point - 0xDC00), out);
        high_ = 0;
        continue;
      }
      end(out);
      if (point >= 0xD800 && point <= 0xDBFF)
        high_ = point;
      else
        append_utf8(point, out);
      continue;
    }
    end(out);
    switch (letter) {
      case '"':
      case '\\':
      case '/':
        out.push_back(letter);
        break;
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      default:
        return false;
    }
  }
  return true;
}

void JsonText::end(std::string& out) {
  if (high_ != 0) append_utf8(kReplacement, out);
  high_ = 0;
}

}  // namespace beluga::llm::openai
