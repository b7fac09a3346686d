// Json::parse: RFC 8259, one pass from the text into the tree. simdjson validates the UTF-8; its document
// forms are not used, because they neither keep the text of numbers nor say where an error is, and filling
// our tree from them is slower than this (docs/decisions/json-reader.md).
#include <algorithm>
#include <new>

#include "beluga/base/error.hpp"
#include "beluga/base/internal/json_number.hpp"
#include "beluga/base/internal/utf8.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga {
namespace {
constexpr unsigned kDepthLimit = 512;
}  // namespace

struct Json::Parser {
  const char* const begin;
  const char* at;
  const char* const end;
  const unsigned max_depth;
  const DuplicateKeys duplicates;
  unsigned depth = 0;

  Json document() {
    Json out;
    if (end - at >= 3 && std::string_view(at, 3) == "\xEF\xBB\xBF") at += 3;
    skip_space();
    value(out);
    skip_space();
    if (at != end) fail(at, "expected the end of the text, found " + found());
    return out;
  }

 private:
  [[noreturn]] void fail(const char* where, const std::string& what) const {
    std::size_t line = 1;
    std::size_t column = 1;
    for (const char* p = begin; p < where; ++p) {
      const auto c = static_cast<unsigned char>(*p);
      if (c == '\n') {
        ++line;
        column = 1;
      } else if ((c & 0xC0U) != 0x80U) {
        ++column;  // columns count code points
      }
    }
    raise(Error(ErrorCode::invalid_argument,
                "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what));
  }

  std::string found() const {
    if (at == end) return "the end of the text";
    const auto c = static_cast<unsigned char>(*at);
    std::string out;
    if (c < 0x20 || c == 0x7F) {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      out.append("the control character U+00").append(1, kHex[c >> 4U]).append(1, kHex[c & 15U]);
      return out;
    }
    const auto rest = std::string_view(at, static_cast<std::size_t>(end - at));
    out.append("'")
        .append(rest.substr(0, std::max<std::size_t>(detail::utf8_step(rest).length, 1)))
        .append("'");
    return out;
  }

  void skip_space() noexcept {
    while (at != end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
  }

  bool take(char c) noexcept {
    if (at == end || *at != c) return false;
    ++at;
    return true;
  }

  void literal(std::string_view word) {
    if (std::string_view(at, static_cast<std::size_t>(end - at)).substr(0, word.size()) != word)
      fail(at, "expected a value, found " + found());
    at += word.size();
  }

  void enter() {
    if (++depth > max_depth)
      fail(at, "nested deeper than " + std::to_string(max_depth) + " levels of arrays and objects");
  }

  void value(Json& out) {
    if (at == end) fail(at, "expected a value, found the end of the text");
    switch (*at) {
      case '{':
        return object(out);
      case '[':
        return array(out);
      case '"':
        ::new (&out.string_) std::string();
        out.kind_ = Kind::string;
        return string(out.string_);
      case 't':
        literal("true");
        out.boolean_ = true;
        out.kind_ = Kind::boolean;
        return;
      case 'f':
        literal("false");
        out.boolean_ = false;
        out.kind_ = Kind::boolean;
        return;
      case 'n':
        return literal("null");
      default:
        return number(out);
    }
  }

  void number(Json& out) {
    const auto rest = std::string_view(at, static_cast<std::size_t>(end - at));
    const std::size_t length = detail::json_number_length(rest);
    if (length == 0) {
      if (*at != '-' && (*at < '0' || *at > '9')) fail(at, "expected a value, found " + found());
      const std::size_t stop = std::min(rest.find_first_of(",]} \t\r\n"), std::size_t{40});
      fail(at, std::string("'").append(truncate_utf8(rest, stop)).append("' is not a JSON number"));
    }
    ::new (&out.string_) std::string(at, length);
    out.kind_ = Kind::number;
    at += length;
  }

  /// Precondition: *at is the opening quote and `out` is empty.
  void string(std::string& out) {
    const char* const open = at++;
    const char* stop = detail::find_json_special(at, end);
    if (stop != end && *stop == '"') {
      out.assign(at, stop);
      at = stop + 1;
      return;
    }
    while (true) {
      out.append(at, stop);
      at = stop;
      if (at == end) fail(open, "this string has no closing quote");
      if (*at == '"') {
        ++at;
        return;
      }
      if (*at != '\\') fail(at, found() + " must be written as an escape inside a string");
      escape(out, open);
      stop = detail::find_json_special(at, end);
    }
  }

  void escape(std::string& out, const char* open) {
    const char* const slash = at++;
    if (at == end) fail(open, "this string has no closing quote");
    switch (*at++) {
      case '"':
        out.push_back('"');
        return;
      case '\\':
        out.push_back('\\');
        return;
      case '/':
        out.push_back('/');
        return;
      case 'b':
        out.push_back('\b');
        return;
      case 'f':
        out.push_back('\f');
        return;
      case 'n':
        out.push_back('\n');
        return;
      case 'r':
        out.push_back('\r');
        return;
      case 't':
        out.push_back('\t');
        return;
      case 'u':
        break;
      default:
        fail(slash, "unknown escape; known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    }
    std::uint32_t code = four_hex(slash);
    if (code >= 0xDC00 && code <= 0xDFFF) fail(slash, "a low surrogate without its high one");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (end - at < 2 || at[0] != '\\' || at[1] != 'u') fail(slash, "a high surrogate without its low one");
      at += 2;
      const std::uint32_t low = four_hex(slash);
      if (low < 0xDC00 || low > 0xDFFF) fail(slash, "a high surrogate without its low one");
      code = 0x10000U + ((code - 0xD800U) << 10U) + (low - 0xDC00U);
    }
    detail::append_utf8(out, code);
  }

  std::uint32_t four_hex(const char* slash) {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at) {
      const char c = at == end ? '\0' : *at;
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<std::uint32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<std::uint32_t>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<std::uint32_t>(c - 'A' + 10);
      } else {
        fail(slash, "\\u needs four hexadecimal digits");
      }
      code = code << 4U | digit;
    }
    return code;
  }

  void array(Json& out) {
    enter();
    ++at;
    ::new (&out.array_) std::vector<Json>();
    out.kind_ = Kind::array;
    skip_space();
    if (!take(']')) {
      while (true) {
        value(out.array_.emplace_back());
        skip_space();
        if (take(',')) {
          skip_space();
          if (at != end && *at == ']') fail(at, "expected a value after ',', found ']'");
          continue;
        }
        if (take(']')) break;
        fail(at, "expected ',' or ']', found " + found());
      }
    }
    --depth;
  }

  void object(Json& out) {
    enter();
    const char* const open = at++;
    ::new (&out.object_) std::vector<Member>();
    out.kind_ = Kind::object;
    std::vector<Member>& members = out.object_;
    skip_space();
    if (!take('}')) {
      while (true) {
        if (at == end || *at != '"') fail(at, "expected a key in double quotes, found " + found());
        if (members.empty())
          members.reserve(4);  // growing from one by one costs three allocations up to here
        Member& member = members.emplace_back();
        string(member.key);
        skip_space();
        if (!take(':')) fail(at, "expected ':' after the key, found " + found());
        skip_space();
        if (members.size() <= detail::kFewKeys && repeated(members)) {
          if (duplicates == DuplicateKeys::error) {
            at = open;
            --depth;
            blame(std::string(member.key));
          }
          Json last;
          value(last);
          const std::string key = std::move(member.key);
          members.pop_back();
          *out.find(key) = std::move(last);
        } else {
          value(member.value);
        }
        skip_space();
        if (take(',')) {
          skip_space();
          continue;
        }
        if (take('}')) break;
        fail(at, "expected ',' or '}', found " + found());
      }
      if (members.size() > detail::kFewKeys) unique_keys(members, open);
    }
    --depth;
  }

  /// Whether the last key equals one before it.
  static bool repeated(const std::vector<Member>& members) noexcept {
    const std::string_view key = members.back().key;
    for (std::size_t i = 0; i + 1 < members.size(); ++i)
      if (members[i].key == key) return true;
    return false;
  }

  /// Finds duplicates in a large object in n log n: a hostile one must not cost n squared.
  void unique_keys(std::vector<Member>& members, const char* open) {
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int compared = members[a].key.compare(members[b].key);
      return compared != 0 ? compared < 0 : a < b;
    });
    std::vector<bool> drop;
    for (std::size_t i = 0; i + 1 < order.size();) {
      std::size_t last = i;
      while (last + 1 < order.size() && members[order[last + 1]].key == members[order[i]].key) ++last;
      if (last != i) {
        if (duplicates == DuplicateKeys::error) {
          at = open;
          --depth;
          blame(members[order[i]].key);
        }
        drop.resize(members.size());
        members[order[i]].value = std::move(members[order[last]].value);
        for (std::size_t j = i + 1; j <= last; ++j) drop[order[j]] = true;
      }
      i = last + 1;
    }
    if (drop.empty()) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (drop[i]) continue;
      if (kept != i) members[kept] = std::move(members[i]);
      ++kept;
    }
    members.erase(members.begin() + static_cast<std::ptrdiff_t>(kept), members.end());
  }

  /// Reads the object at `at` again, up to the second occurrence of `key`, to say where that is.
  [[noreturn]] void blame(const std::string& key) {
    const char* first = nullptr;
    for (++at; true; ++at) {
      skip_space();
      const char* const key_at = at;
      std::string read;
      string(read);
      if (read == key && first != nullptr) {
        std::string text;
        append_json_string(text, key.size() <= 60 ? key : key.substr(0, 60) + "...");
        fail(key_at, "the key " + text + " occurs twice in this object; it is already in line " +
                         std::to_string(1 + std::count(begin, first, '\n')));
      }
      if (read == key) first = key_at;
      skip_space();
      ++at;
      skip_space();
      Json skipped;
      value(skipped);
      skip_space();
    }
  }

  friend class Json;
};

Json Json::parse(std::string_view text, ParseOptions options) {
  Parser parser{text.data(), text.data(), text.data() + text.size(), std::min(options.max_depth, kDepthLimit),
                options.duplicate_keys};
  if (!detail::is_utf8(text)) {
    parser.at = text.data() + detail::utf8_error_at(text);
    parser.fail(parser.at, "this is not UTF-8");
  }
  return parser.document();
}

Json Json::parse(std::string_view text) {
  return parse(text, ParseOptions{});
}

}  // namespace beluga
