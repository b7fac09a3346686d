#include "beluga/net/http.hpp"

#include <array>
#include <cstdint>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr auto kTokenBytes = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

constexpr std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// A value may be a secret, therefore it never gets into the message.
void check(std::string_view name, std::string_view value) {
  if (!is_http_token(name)) {
    std::string shown;
    for (char c : name.substr(0, 64)) shown += c >= 0x20 && c < 0x7f ? c : '?';
    raise(Error(ErrorCode::invalid_argument,
                "'" + shown + "' is not an HTTP header name; use letters, digits and !#$%&'*+-.^_`|~ only"));
  }
  if (!is_http_field_value(value)) {
    raise(Error(ErrorCode::invalid_argument, "the value of HTTP header '" + std::string(name) +
                                                 "' has a control character (CR, LF, NUL, ...); remove it"));
  }
}

}  // namespace

bool http_names_equal(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool is_http_token(std::string_view text) noexcept {
  if (text.empty()) return false;
  for (char c : text) {
    if (!kTokenBytes[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

bool is_http_field_value(std::string_view text) noexcept {
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
  }
  return true;
}

HttpHeaders::HttpHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  fields_.reserve(fields.size());
  for (const auto& [name, value] : fields) add(name, value);
}

void HttpHeaders::add(std::string_view name, std::string_view value) {
  value = trimmed(value);
  check(name, value);
  fields_.push_back({std::string(name), std::string(value)});
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  value = trimmed(value);
  check(name, value);
  // The first field keeps its place. Built first: `value` may point into what is removed.
  Field field{std::string(name), std::string(value)};
  bool placed = false;
  std::size_t kept = 0;
  for (Field& each : fields_) {
    const bool match = http_names_equal(each.name, field.name);
    if (match && placed) continue;
    Field& slot = fields_[kept++];
    if (match) {
      slot = field;
      placed = true;
    } else if (&slot != &each) {
      slot = std::move(each);
    }
  }
  fields_.resize(kept);
  if (!placed) fields_.push_back(std::move(field));
}

std::size_t HttpHeaders::remove(std::string_view name) {
  const std::string own(name);
  return std::erase_if(fields_, [&](const Field& field) { return http_names_equal(field.name, own); });
}

std::optional<std::string_view> HttpHeaders::get(std::string_view name) const noexcept {
  for (const Field& field : fields_) {
    if (http_names_equal(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::string_view HttpHeaders::get_or(std::string_view name, std::string_view fallback) const noexcept {
  return get(name).value_or(fallback);
}

std::vector<std::string_view> HttpHeaders::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields_) {
    if (http_names_equal(field.name, name)) values.emplace_back(field.value);
  }
  return values;
}

std::string HttpHeaders::get_joined(std::string_view name) const {
  std::string joined;
  bool first = true;
  for (const Field& field : fields_) {
    if (!http_names_equal(field.name, name)) continue;
    if (!first) joined += ", ";
    joined += field.value;
    first = false;
  }
  return joined;
}

bool HttpHeaders::has_token(std::string_view name, std::string_view token) const noexcept {
  for (const Field& field : fields_) {
    if (!http_names_equal(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (http_names_equal(trimmed(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::string_view http_reason(int status) noexcept {
  switch (status) {  // the IANA registry of HTTP status codes
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 511:
      return "Network Authentication Required";
    default:
      return {};
  }
}

}  // namespace beluga
