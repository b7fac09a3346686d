#define PCRE2_CODE_UNIT_WIDTH 8
#include "beluga/base/internal/ecma_regex.hpp"

#include <pcre2.h>

#include <array>
#include <cstdint>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga::detail {
namespace {

// A match that needs more is an attack or an accident: 1e6 steps are some 10 ms.
constexpr std::uint32_t kHeapLimitKiB = 16 * 1024;
constexpr std::size_t kMaxPattern = 16 * 1024;

/// WhiteSpace and LineTerminator of ECMA-262 12.2 and 12.3, beyond ASCII.
constexpr std::string_view kWideSpaces =
    R"(\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff})";

/// Long names of general categories (Unicode, PropertyValueAliases.txt): PCRE2 10.42 knows the short ones
/// only.
constexpr std::array<std::pair<std::string_view, std::string_view>, 39> kCategories{{
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"Format", "Cf"},
    {"Unassigned", "Cn"},
}};

[[noreturn]] void fail(std::string_view pattern, std::size_t offset, std::string_view why) {
  raise(Error(ErrorCode::invalid_argument, "bad pattern " + sanitize_utf8(shorten(pattern, 200)) +
                                               " at offset " + std::to_string(offset) + ": " +
                                               std::string(why)));
}

/// \p{General_Category=Letter}, \p{Script=Greek}, \p{Letter} -> what PCRE2 calls them.
std::string property_name(std::string_view name) {
  for (const std::string_view prefix :
       {"General_Category=", "gc=", "Script=", "sc=", "Script_Extensions=", "scx="})
    if (name.substr(0, prefix.size()) == prefix) {
      name.remove_prefix(prefix.size());
      break;
    }
  for (const auto& [long_name, short_name] : kCategories)
    if (name == long_name) return std::string(short_name);
  return std::string(name);
}

/// The differences between the two syntaxes that options cannot bridge.
std::string to_pcre(std::string_view in) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const char c = in[i];
    if (c == '\\') {
      if (i + 1 == in.size()) fail(in, i, "\\ at the end");
      const char e = in[++i];
      switch (e) {
        case 's':
          out += in_class ? "\\s" + std::string(kWideSpaces) : "[\\s" + std::string(kWideSpaces) + "]";
          break;
        case 'S':
          // A negated set has no form inside a set; there the ASCII reading must do.
          out += in_class ? "\\S" : "[^\\s" + std::string(kWideSpaces) + "]";
          break;
        case 'p':
        case 'P': {
          const auto close = in.find('}', i);
          if (i + 1 >= in.size() || in[i + 1] != '{' || close == std::string_view::npos)
            fail(in, i, "\\p needs {name}");
          out += std::string("\\") + e + "{" + property_name(in.substr(i + 2, close - i - 2)) + "}";
          i = close;
          break;
        }
        case 'd':
        case 'D':
        case 'w':
        case 'W':
        case 'f':
        case 'n':
        case 'r':
        case 't':
        case 'v':
          // \v is the vertical tab alone; PCRE2 reads a class.
          out += e == 'v' ? std::string("\\x0b") : std::string("\\") + e;
          break;
        case 'b':
        case 'B':
        case 'c':
        case 'x':
        case 'u':
        case 'k':
        case '0':
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
        case '6':
        case '7':
        case '8':
        case '9':
          out += '\\';
          out += e;
          break;
        default:
          if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z'))
            fail(in, i, std::string("unknown escape \\") + e);
          out += '\\';  // IdentityEscape: punctuation, and whatever is not ASCII
          out += e;
          if (static_cast<unsigned char>(e) >= 0x80) out.erase(out.size() - 2, 1);
      }
      continue;
    }
    if (!in_class && c == '(' && i + 1 < in.size() && in[i + 1] == '*') fail(in, i + 1, "nothing to repeat");
    if (!in_class && c == '(' && i + 2 < in.size() && in[i + 1] == '?') {
      // (?: (?= (?! (?<= (?<! (?<name>; PCRE2 has more, which ECMA has not.
      const char kind = in[i + 2];
      if (kind != ':' && kind != '=' && kind != '!' && kind != '<') fail(in, i + 1, "unknown group");
    }
    if (c == '[' && in_class) {
      out += "\\[";  // else PCRE2 may see a POSIX class
      continue;
    }
    if (c == '[')
      in_class = true;
    else if (c == ']')
      in_class = false;
    out += c;
  }
  return out;
}

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* p) const { Free(p); }
};

}  // namespace

struct EcmaRegex::Code {
  std::unique_ptr<pcre2_code, Freed<pcre2_code, pcre2_code_free>> code;
  using Context = std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context, pcre2_match_context_free>>;
  std::array<Context, kEfforts> contexts;
};

EcmaRegex::EcmaRegex(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) fail(pattern, kMaxPattern, "longer than 16 KiB");
  const std::string text = to_pcre(pattern);
  std::unique_ptr<pcre2_compile_context, Freed<pcre2_compile_context, pcre2_compile_context_free>> compile(
      pcre2_compile_context_create(nullptr));
  if (!compile) raise(Error(ErrorCode::resource_exhausted, "out of memory for a pattern"));
  pcre2_set_compile_extra_options(compile.get(), PCRE2_EXTRA_ALT_BSUX);
  pcre2_set_newline(compile.get(), PCRE2_NEWLINE_ANY);
  pcre2_set_parens_nest_limit(compile.get(), 100);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                 PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                                     PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_BSUX,
                                 &error, &offset, compile.get()));
  if (!code->code) {
    std::array<PCRE2_UCHAR, 160> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    fail(pattern, offset, reinterpret_cast<const char*>(message.data()));
  }
  for (unsigned effort = 0; effort < kEfforts; ++effort) {
    auto& context = code->contexts[effort];
    context.reset(pcre2_match_context_create(nullptr));
    if (!context) raise(Error(ErrorCode::resource_exhausted, "out of memory for a pattern"));
    pcre2_set_match_limit(context.get(), steps(effort));
    pcre2_set_heap_limit(context.get(), kHeapLimitKiB);
  }
  code_ = std::move(code);
}

bool EcmaRegex::search(std::string_view text) const {
  const auto found = search(text, kEfforts - 1);
  if (!found)
    raise(Error(ErrorCode::resource_exhausted, "a pattern takes too many steps on this text; simplify it"));
  return *found;
}

std::optional<bool> EcmaRegex::search(std::string_view text, unsigned effort) const {
  const std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data, pcre2_match_data_free>> data(
      pcre2_match_data_create_from_pattern(code_->code.get(), nullptr));
  if (!data) raise(Error(ErrorCode::resource_exhausted, "out of memory for a pattern"));
  const int result = pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                                 0, data.get(), code_->contexts[effort].get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_HEAPLIMIT || result == PCRE2_ERROR_DEPTHLIMIT)
    return std::nullopt;
  return false;  // not UTF-8: no string of ours
}

}  // namespace beluga::detail
