#include "beluga/net/url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "beluga/base/error.hpp"
#include "beluga/net/ip_address.hpp"

namespace beluga {
namespace {

struct Scheme {
  std::string_view name;
  std::uint16_t port;
};
constexpr Scheme kSchemes[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};

constexpr std::string_view kHex = "0123456789ABCDEF";

constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_triplet(std::string_view text, std::size_t at) {
  return at + 2 < text.size() && text[at] == '%' && hex_value(text[at + 1]) >= 0 &&
         hex_value(text[at + 2]) >= 0;
}

void append_encoded(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4U];
  out += kHex[byte & 15U];
}

/// Encodes what RFC 3986 does not allow in path, query and fragment; what is encoded already stays.
std::string normalised(std::string_view text, std::string_view also_allowed) {
  constexpr std::string_view kSubDelimiters = "!$&'()*+,;=:@/";
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool allowed = is_unreserved(c) || kSubDelimiters.find(c) != std::string_view::npos ||
                         also_allowed.find(c) != std::string_view::npos || is_triplet(text, i);
    if (allowed)
      out += c;
    else
      append_encoded(out, c);
  }
  return out;
}

/// RFC 3986 section 5.2.4, for a path that begins with '/'.
std::string without_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    const bool dot = segment == "." || segment == "%2e" || segment == "%2E";
    const std::string plain = segment.size() <= 6 ? percent_decode(segment) : std::string();
    if (dot || plain == "..") {
      if (plain == "..") out.resize(std::min(out.rfind('/'), out.size()));
      if (path.empty()) out += '/';
      continue;
    }
    out += '/';
    out += segment;
  }
  return out.empty() ? "/" : out;
}

[[noreturn]] void fail(std::string_view problem) {
  raise(Error(ErrorCode::invalid_argument, "not a usable URL: " + std::string(problem)));
}

/// The scheme that `text` begins with, if "letters:" stands there.
std::optional<std::string_view> leading_scheme(std::string_view text) {
  if (text.empty() || !is_alpha(text.front())) return std::nullopt;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':') return text.substr(0, i);
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') break;
  }
  return std::nullopt;
}

void refuse_bad_bytes(std::string_view text) {
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) fail("it has a control character; remove it");
    // Browsers read '\' as '/', RFC 3986 does not: two readings of the same host are an attack.
    if (c == '\\') fail("it has a backslash; write '/' or %5C");
  }
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_unreserved(c))
      out += c;
    else
      append_encoded(out, c);
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_triplet(text, i)) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Url Url::parse(std::string_view text) {
  refuse_bad_bytes(text);
  Url url;
  const auto scheme = leading_scheme(text);
  if (!scheme || !text.substr(scheme->size()).starts_with("://")) {
    fail("it must begin with http://, https://, ws:// or wss://");
  }
  for (char c : *scheme) url.scheme_ += lower(c);
  const auto* known = std::ranges::find(kSchemes, url.scheme_, &Scheme::name);
  if (known == std::end(kSchemes)) fail("scheme '" + url.scheme_ + "' is not one of http, https, ws, wss");
  text.remove_prefix(scheme->size() + 3);

  std::string_view authority = text.substr(0, text.find_first_of("/?#"));
  text.remove_prefix(authority.size());
  if (const std::size_t at = authority.find('@'); at != std::string_view::npos) {
    const std::string_view userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    if (authority.find('@') != std::string_view::npos)
      fail("it has two '@' before the host; write %40 in user or password");
    const std::size_t colon = userinfo.find(':');
    url.user_ = percent_decode(userinfo.substr(0, colon));
    if (colon != std::string_view::npos) url.password_ = percent_decode(userinfo.substr(colon + 1));
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    const auto address =
        IpAddress::parse(authority.substr(1, close == std::string_view::npos ? close : close - 1));
    if (close == std::string_view::npos || !address || !address->is_v6())
      fail("what stands in [] is not an IPv6 address");
    url.host_ = address->to_string();
    port = authority.substr(close + 1);
    if (!port.empty() && port.front() != ':') fail("between ']' and the path only ':port' may stand");
  } else {
    const std::size_t colon = authority.find(':');
    for (char c : authority.substr(0, colon)) {
      if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_') {
        fail(
            "its host may have ASCII letters, digits, '-', '.', '_' only; write other names in their xn-- "
            "form");
      }
      url.host_ += lower(c);
    }
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  if (url.host_.empty()) fail("it has no host");
  if (url.host_.size() > 255) fail("its host is longer than 255 characters");
  url.port_ = known->port;
  if (port.size() > 1) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port_);
    if (error != std::errc() || end != port.data() + port.size() || url.port_ == 0)
      fail("its port is not in 1..65535");
  }

  const std::size_t hash = text.find('#');
  if (hash != std::string_view::npos) {
    url.fragment_ = normalised(text.substr(hash + 1), "?");
    text = text.substr(0, hash);
  }
  const std::size_t question = text.find('?');
  if (question != std::string_view::npos) {
    url.query_ = normalised(text.substr(question + 1), "?");
    url.has_query_ = true;
    text = text.substr(0, question);
  }
  url.path_ = text.empty() ? "/" : without_dot_segments(normalised(text, ""));
  return url;
}

std::string Url::authority() const {
  std::string out = host_.find(':') != std::string::npos ? "[" + host_ + "]" : host_;
  const auto* scheme = std::ranges::find(kSchemes, scheme_, &Scheme::name);
  if (scheme == std::end(kSchemes) || scheme->port != port_) out += ":" + std::to_string(port_);
  return out;
}

std::string Url::origin() const {
  return scheme_ + "://" + authority();
}
std::string Url::target() const {
  return has_query_ ? path_ + "?" + query_ : path_;
}
std::string Url::str() const {
  return origin() + target();
}

bool Url::same_origin(const Url& other) const noexcept {
  return scheme_ == other.scheme_ && host_ == other.host_ && port_ == other.port_;
}

Url Url::resolve(std::string_view reference) const {
  refuse_bad_bytes(reference);
  if (leading_scheme(reference)) return parse(reference);
  if (reference.starts_with("//")) return parse(scheme_ + ":" + std::string(reference));
  const std::string_view path = reference.substr(0, reference.find_first_of("?#"));
  const std::string_view rest = reference.substr(path.size());
  std::string text = origin();
  if (path.empty()) {
    text += path_;
    if (has_query_ && !rest.starts_with('?')) text += "?" + query_;
  } else if (path.starts_with('/')) {
    text += path;
  } else {
    text += path_.substr(0, path_.rfind('/') + 1);
    text += path;
  }
  text += rest;
  Url url = parse(text);
  url.user_ = user_;
  url.password_ = password_;
  return url;
}

Url Url::with_query(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) const {
  Url url = *this;
  for (const auto& [name, value] : pairs) {
    if (!url.query_.empty()) url.query_ += '&';
    url.query_ += percent_encode(name) + "=" + percent_encode(value);
    url.has_query_ = true;
  }
  return url;
}

}  // namespace beluga
