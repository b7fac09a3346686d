// Json::dump: compact and indented text.
#include <array>

#include "beluga/base/internal/utf8.hpp"
#include "beluga/base/json.hpp"

namespace beluga {
namespace {

/// What follows the backslash: a letter, 'u' for \u00XX, 0 when the byte needs no escape.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  return table;
}();

void append_escaped(std::string& out, std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    const char* stop = detail::find_json_special(at, end);
    out.append(at, stop);
    if (stop == end) return;
    const char escape = kEscapes[static_cast<unsigned char>(*stop)];
    if (escape == 'u') {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(*stop);
      const char unicode[] = {'\\', 'u', '0', '0', kHex[byte >> 4U], kHex[byte & 15U]};
      out.append(unicode, sizeof unicode);
    } else {
      const char pair[] = {'\\', escape};
      out.append(pair, sizeof pair);
    }
    at = stop + 1;
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  if (detail::is_utf8(text)) {
    append_escaped(out, text);
  } else {
    append_escaped(out, detail::sanitized_utf8(text));
  }
  out.push_back('"');
}

struct Json::Writer {
  std::string& out;
  int indent;

  void line(int level) {
    if (indent < 0) return;
    out.push_back('\n');
    out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
  }

  void write(const Json& value, int level) {
    switch (value.kind_) {
      case Kind::null:
        out.append("null");
        return;
      case Kind::boolean:
        out.append(value.boolean_ ? "true" : "false");
        return;
      case Kind::number:
        out.append(value.string_);
        return;
      case Kind::string:
        append_json_string(out, value.string_);
        return;
      case Kind::array: {
        out.push_back('[');
        bool first = true;
        for (const Json& item : value.array_) {
          if (!first) out.push_back(',');
          first = false;
          line(level + 1);
          write(item, level + 1);
        }
        if (!first) line(level);
        out.push_back(']');
        return;
      }
      case Kind::object: {
        out.push_back('{');
        bool first = true;
        for (const Member& member : value.object_) {
          if (!first) out.push_back(',');
          first = false;
          line(level + 1);
          append_json_string(out, member.key);
          out.append(indent < 0 ? ":" : ": ");
          write(member.value, level + 1);
        }
        if (!first) line(level);
        out.push_back('}');
        return;
      }
    }
  }
};

std::string Json::dump(int indent) const {
  std::string out;
  Writer{out, indent}.write(*this, 0);
  return out;
}

void Json::dump_to(std::string& out) const {
  Writer{out, -1}.write(*this, 0);
}

}  // namespace beluga
