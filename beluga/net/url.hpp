#pragma once
/// `Url`: an absolute http, https, ws or wss URL, taken apart (RFC 3986).
///
///     Url url = Url::parse("https://api.example.com/v1/models?limit=2");
///     url.host();                      // "api.example.com"
///     url.resolve("../v2/chat").str(); // "https://api.example.com/v2/chat"
///
/// What the client checks and what it connects to is this one reading of the text: there is no second parser
/// to disagree. Bytes that RFC 3986 does not allow in path and query (space, quotes, UTF-8) are
/// percent-encoded; control characters, backslashes and hosts that are not ASCII are refused. Thread-safety:
/// a plain value.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace beluga {

class Url {
 public:
  /// Throws Error{invalid_argument} that says what is wrong, without repeating userinfo or query.
  static Url parse(std::string_view text);

  const std::string& scheme() const noexcept { return scheme_; }  ///< lower case
  const std::string& host() const noexcept {
    return host_;
  }  ///< lower case, an IPv6 address without brackets
  std::uint16_t port() const noexcept { return port_; }  ///< that of the scheme if the text had none
  bool secure() const noexcept { return scheme_ == "https" || scheme_ == "wss"; }
  /// Percent-decoded; empty when absent.
  const std::string& user() const noexcept { return user_; }
  const std::string& password() const noexcept { return password_; }
  const std::string& path() const noexcept { return path_; }          ///< begins with '/', percent-encoded
  const std::string& query() const noexcept { return query_; }        ///< without '?', percent-encoded
  const std::string& fragment() const noexcept { return fragment_; }  ///< without '#'

  /// "host" or "host:port" when the port is not that of the scheme: the Host header.
  std::string authority() const;
  /// "https://host:port" (the port as in authority()): safe for logs and errors.
  std::string origin() const;
  /// "/path?query": the request target.
  std::string target() const;
  /// The whole URL without userinfo and fragment, as it goes out.
  std::string str() const;
  bool same_origin(const Url& other) const noexcept;

  /// The URL that `reference` (absolute or relative, for example a Location header) means here: RFC 3986
  /// section 5.2.
  Url resolve(std::string_view reference) const;
  /// With "name=value" pairs, percent-encoded, added to the query.
  Url with_query(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) const;

  friend bool operator==(const Url&, const Url&) = default;

 private:
  std::string scheme_, host_, user_, password_, path_, query_, fragment_;
  std::uint16_t port_ = 0;
  bool has_query_ = false;
};

/// Encodes every byte but letters, digits and "-._~": for a path segment or a query value.
std::string percent_encode(std::string_view text);
/// Decodes %XX; a '%' that does not begin such a triplet stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace beluga
