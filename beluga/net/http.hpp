#pragma once
/// The HTTP message: what the client sends and the server receives, and the answer.
///
///     HttpRequest request{.method = "POST", .url = "https://api.example.com/v1/chat", .body = text};
///     request.headers.set("Content-Type", "application/json");
///
/// Nothing here can carry a header injection: a name that is not a token, or a value with CR, LF or NUL, is
/// Error{invalid_argument} at the moment it is put in (RFC 9110 sections 5.1 and 5.5).
/// Thread-safety: plain values.

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace beluga {

/// A list of header fields: keeps their order and their spelling, allows a name several times, ignores case
/// in look-ups.
class HttpHeaders {
 public:
  struct Field {
    std::string name;
    std::string value;
    friend bool operator==(const Field&, const Field&) = default;
  };

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  /// Appends a field, also when the name is there already. Whitespace around the value is dropped.
  void add(std::string_view name, std::string_view value);
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string_view value);
  /// Returns how many fields were removed.
  std::size_t remove(std::string_view name);
  void clear() noexcept { fields_.clear(); }

  /// The first value. Valid until the headers are changed.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  /// The first value, or `fallback`.
  std::string_view get_or(std::string_view name, std::string_view fallback) const noexcept;
  bool contains(std::string_view name) const noexcept { return get(name).has_value(); }
  /// All values of that name, in order.
  std::vector<std::string_view> get_all(std::string_view name) const;
  /// All values of that name joined by ", " (RFC 9110 section 5.3). Not for Set-Cookie.
  std::string get_joined(std::string_view name) const;
  /// Whether the comma-separated list in the fields of that name has `token`, ignoring case ("Connection:
  /// close").
  bool has_token(std::string_view name, std::string_view token) const noexcept;

  bool empty() const noexcept { return fields_.empty(); }
  std::size_t size() const noexcept { return fields_.size(); }
  auto begin() const noexcept { return fields_.begin(); }
  auto end() const noexcept { return fields_.end(); }
  friend bool operator==(const HttpHeaders&, const HttpHeaders&) = default;

 private:
  std::vector<Field> fields_;
};

struct HttpRequest {
  std::string method = "GET";  ///< case-sensitive, as sent
  /// Client: absolute, "https://host/path?query". Server: the request target as received, "/path?query".
  std::string url = {};
  HttpHeaders headers = {};
  std::string body = {};
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};
  std::string body = {};
  /// Client: where the answer came from, after redirects. Server: unused.
  std::string url = {};

  bool ok() const noexcept { return status >= 200 && status <= 299; }
};

/// "Not Found" for 404; empty for a status without a registered name.
std::string_view http_reason(int status) noexcept;
/// Whether `text` is a token (RFC 9110 section 5.6.2), as a method or a header name must be.
bool is_http_token(std::string_view text) noexcept;
/// Whether `text` may stand in a header value: visible characters, space, tab and bytes from 0x80.
bool is_http_field_value(std::string_view text) noexcept;
/// Comparison of header names and tokens: ASCII letters match in either case.
bool http_names_equal(std::string_view a, std::string_view b) noexcept;

}  // namespace beluga
