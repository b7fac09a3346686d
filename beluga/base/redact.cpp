#include "beluga/base/redact.hpp"

#include <algorithm>
#include <array>

#include "beluga/base/ascii.hpp"

namespace beluga {
namespace {

constexpr std::string_view kRedacted = "[redacted]";

constexpr bool is_word(char c) noexcept {
  return is_ascii_alnum(c) || c == '_' || c == '-';
}
constexpr bool is_token(char c) noexcept {  // token68 of RFC 9110 section 11.2
  return is_word(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

/// A key known by its beginning: `prefix` and at least `least` more word characters.
struct Shape {
  std::string_view prefix;
  std::size_t least;
};
constexpr std::array kShapes = {
    Shape{"sk-", 16},
    Shape{"sk_live_", 8},
    Shape{"sk_test_", 8},
    Shape{"rk_live_", 8},
    Shape{"pk-lf-", 16},
    Shape{"AKIA", 16},
    Shape{"ASIA", 16},
    Shape{"AIza", 30},
    Shape{"ya29.", 20},
    Shape{"ghp_", 30},
    Shape{"gho_", 30},
    Shape{"ghu_", 30},
    Shape{"ghs_", 30},
    Shape{"ghr_", 30},
    Shape{"github_pat_", 20},
    Shape{"glpat-", 16},
    Shape{"xoxb-", 10},
    Shape{"xoxp-", 10},
    Shape{"xoxa-", 10},
    Shape{"xoxs-", 10},
    Shape{"gsk_", 20},
    Shape{"hf_", 20},
    Shape{"r8_", 20},
    Shape{"xai-", 20},
    Shape{"pplx-", 20},
    Shape{"nvapi-", 20},
    Shape{"tvly-", 12},
    Shape{"npm_", 30},
    Shape{"pypi-", 30},
    Shape{"dop_v1_", 30},
    Shape{"AGE-SECRET-KEY-", 20},
};

constexpr std::array<std::string_view, 22> kSecretNames = {
    "api_key",       "apikey",       "access_key", "accesskey",     "secret_key", "secretkey",
    "private_key",   "access_token", "auth_token", "refresh_token", "id_token",   "session_token",
    "bearer_token",  "api_token",    "secret",     "password",      "passwd",     "passphrase",
    "authorization", "cookie",       "credential", "credentials"};

/// First letters of everything that begins a secret, so that most words are passed over at once.
constexpr std::array<bool, 256> kFirst = [] {
  std::array<bool, 256> table{};
  for (const Shape& shape : kShapes) table[static_cast<unsigned char>(shape.prefix.front())] = true;
  for (const char c : {'e', 'b', 'B'}) table[static_cast<unsigned char>(c)] = true;  // eyJ, bearer, basic
  return table;
}();

template <class Predicate>
std::size_t run(std::string_view text, Predicate is) noexcept {
  std::size_t length = 0;
  while (length < text.size() && is(text[length])) ++length;
  return length;
}

bool begins_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return text.size() >= lower.size() && equal_ignoring_case(text.substr(0, lower.size()), lower);
}

/// Part of a text to be replaced: `keep` bytes stay, then `drop` bytes go. Nothing when drop is 0.
struct Cut {
  std::size_t keep = 0;
  std::size_t drop = 0;
};

/// A secret known by its shape at the beginning of a word.
Cut by_shape(std::string_view text, std::size_t word) noexcept {
  for (const Shape& shape : kShapes) {
    if (!text.starts_with(shape.prefix)) continue;
    const std::size_t length = run(text.substr(shape.prefix.size()), is_word);
    if (length >= shape.least) return {0, shape.prefix.size() + length};
  }
  if (text.starts_with("eyJ")) {  // a JWT: {" in base64url, three parts
    const auto is_base64url = [](char c) { return is_word(c); };
    std::size_t length = run(text, is_base64url);
    if (length >= 10 && text.substr(length).starts_with(".eyJ")) {
      length += 1 + run(text.substr(length + 1), is_base64url);
      if (length < text.size() && text[length] == '.') {
        length += 1 + run(text.substr(length + 1), is_base64url);
        return {0, length};
      }
    }
  }
  for (const std::string_view scheme : {std::string_view("bearer"), std::string_view("basic")}) {
    if (word != scheme.size() || !begins_ignoring_case(text, scheme)) continue;
    const std::size_t space = run(text.substr(word), [](char c) { return c == ' '; });
    const std::string_view value = text.substr(word + space);
    const std::size_t length = run(value, is_token);
    // "basic" and "bearer" are English words too: what follows must look like no other word.
    const bool plain = std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(length),
                                   [](char c) { return is_ascii_lower(c) || c == '.' || c == '-'; });
    if (space != 0 && length >= 8 && !(plain && length < 20)) return {word + space, length};
  }
  return {};
}

/// The value that follows a secret name: [quote] space (':' or '=') space [quote] value.
Cut by_name(std::string_view text, std::size_t word) noexcept {
  const std::string_view name = text.substr(0, word);
  std::size_t at = word;
  const auto skip_spaces = [&] { at += run(text.substr(at), [](char c) { return c == ' ' || c == '\t'; }); };
  const auto skip_quote = [&]() -> char {
    if (at < text.size() && text[at] == '\\') ++at;  // JSON inside a JSON string
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) return text[at++];
    return '\0';
  };
  skip_quote();
  skip_spaces();
  if (at == text.size() || (text[at] != ':' && text[at] != '=')) return {};
  ++at;
  skip_spaces();
  const char quote = skip_quote();
  const std::string_view value = text.substr(at);
  std::size_t length = 0;
  if (quote != '\0') {
    length = run(value, [quote](char c) { return c != quote && c != '\\' && c != '\n'; });
    // An escape inside the value belongs to it, unless it is the escaped end quote.
    while (length + 1 < value.size() && value[length] == '\\' && value[length + 1] != quote)
      length +=
          2 + run(value.substr(length + 2), [quote](char c) { return c != quote && c != '\\' && c != '\n'; });
  } else {
    const bool header = begins_ignoring_case(name, "authorization") ||
                        begins_ignoring_case(name, "proxy-auth") || begins_ignoring_case(name, "cookie") ||
                        begins_ignoring_case(name, "set-cookie");
    length = header ? run(value, [](char c) { return c != '\n' && c != '\r' && c != '"'; })
                    : run(value, [](char c) {
                        return !is_ascii_space(c) && c != '&' && c != ',' && c != ';' && c != '"' &&
                               c != '\'' && c != ')' && c != ']' && c != '}' && c != '{' && c != '[';
                      });
  }
  if (length == 0 || value.substr(0, length) == kRedacted) return {};
  if (quote == '\0') {
    const std::string_view plain = value.substr(0, length);
    if (plain == "null" || plain == "true" || plain == "false" || plain == "[redacted") return {};
  }
  return {at, length};
}

/// "-----BEGIN ... PRIVATE KEY-----" to its end line, or to the end of the text.
Cut private_key(std::string_view text) noexcept {
  constexpr std::string_view kBegin = "-----BEGIN ";
  if (!text.starts_with(kBegin)) return {};
  constexpr std::string_view kKind = "PRIVATE KEY-----";
  const std::size_t kind = text.substr(0, 80).find(kKind);
  if (kind == std::string_view::npos) return {};
  const std::size_t end = text.find("-----END ", kind);
  if (end == std::string_view::npos) return {kind + kKind.size(), text.size() - kind - kKind.size()};
  return {kind + kKind.size(), end - kind - kKind.size()};
}

/// The password in "://user:password@".
Cut url_password(std::string_view text) noexcept {
  if (!text.starts_with("://")) return {};
  const auto authority = [](char c) {
    return !is_ascii_space(c) && c != '/' && c != '?' && c != '#' && c != '"' && c != '\'' && c != '<' &&
           c != '>';
  };
  const std::string_view rest = text.substr(3, run(text.substr(3), authority));
  const std::size_t at = rest.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::size_t colon = rest.substr(0, at).find(':');
  if (colon == std::string_view::npos || colon + 1 == at) return {};
  return {3 + colon + 1, at - colon - 1};
}

/// Calls `found(begin, end)` for each secret, in order; stops when it returns false.
template <class Found>
void scan(std::string_view text, Found found) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    const char c = rest.front();
    Cut cut;
    std::size_t step = 1;
    if (is_ascii_alnum(c) || c == '_') {
      step = run(rest, is_word);
      if (kFirst[static_cast<unsigned char>(c)]) cut = by_shape(rest, step);
      if (cut.drop == 0 && is_secret_name(rest.substr(0, step))) cut = by_name(rest, step);
    } else if (c == '-') {
      cut = private_key(rest);
      if (cut.drop == 0) step = rest.starts_with("-----BEGIN") ? 5 : 1;
    } else if (c == ':') {
      cut = url_password(rest);
    }
    if (cut.drop == 0) {
      at += step;
      continue;
    }
    if (!found(at + cut.keep, at + cut.keep + cut.drop)) return;
    at += cut.keep + cut.drop;
  }
}

}  // namespace

bool is_secret_name(std::string_view name) noexcept {
  if (name.size() < 6 || name.size() > 128) return false;
  const auto same = [](char a, char b) { return ascii_lower(a) == b || (a == '-' && b == '_'); };
  for (const std::string_view known : kSecretNames) {
    if (name.size() < known.size()) continue;
    const std::string_view tail = name.substr(name.size() - known.size());
    if (!std::equal(tail.begin(), tail.end(), known.begin(), same)) continue;
    // "openai_api_key", "clientSecret" and "X-Api-Key" end in a name of their own; "insecret" does not.
    if (tail.size() == name.size()) return true;
    const char before = name[name.size() - tail.size() - 1];
    if (before == '_' || before == '-' || before == '.' || is_ascii_digit(before) ||
        is_ascii_upper(tail.front()))
      return true;
  }
  return false;
}

std::string redact(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  scan(text, [&](std::size_t begin, std::size_t end) {
    out.append(text.substr(copied, begin - copied)).append(kRedacted);
    copied = end;
    return true;
  });
  return out.append(text.substr(copied));
}

bool looks_secret(std::string_view text) {
  bool found = false;
  scan(text, [&](std::size_t, std::size_t) {
    found = true;
    return false;
  });
  return found;
}

}  // namespace beluga
