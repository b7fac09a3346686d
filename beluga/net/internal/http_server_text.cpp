#include "beluga/net/internal/http_server_text.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "beluga/base/json.hpp"
#include "beluga/net/http.hpp"

namespace beluga::detail {

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::optional<std::string> path_of(const RequestHead& head) {
  std::string_view target = head.target;
  if (target == "*" && head.method == "OPTIONS") return "*";
  if (target.find('#') != std::string_view::npos)
    return std::nullopt;  // RFC 9112 section 3.2 knows no fragment
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() > scheme.size() && http_names_equal(target.substr(0, scheme.size()), scheme)) {
      const std::size_t slash = target.find_first_of("/?", scheme.size());
      // RFC 9112 section 3.2.2: the target's host is the one that counts. When Host says something else,
      // somebody is to be misled.
      const std::string_view authority =
          target.substr(scheme.size(), slash == std::string_view::npos ? slash : slash - scheme.size());
      const auto host = head.headers.get("Host");
      if (authority.empty() || (host && !http_names_equal(authority, *host))) return std::nullopt;
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
      if (target.front() == '?') return "/";
      break;
    }
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  target = target.substr(0, target.find('?'));
  for (std::size_t i = 0; i + 2 < target.size(); ++i)
    if (target[i] == '%' && target[i + 1] == '2' && (target[i + 2] == 'f' || target[i + 2] == 'F'))
      return std::nullopt;
  auto path = percent_decode(target, false);
  if (!path || path->find('\0') != std::string::npos) return std::nullopt;
  for (std::size_t begin = 0; begin < path->size();) {
    const std::size_t end = std::min(path->find('/', begin), path->size());
    const std::string_view segment = std::string_view(*path).substr(begin, end - begin);
    if (segment == "." || segment == "..") return std::nullopt;
    begin = end + 1;
  }
  return path;
}

std::string http_date(WallTime wall) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch()).count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(utc.tm_wday)],
                     utc.tm_mday, kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string error_body(std::string_view code, std::string_view message) {
  std::string body = "{\"error\":{\"code\":";
  append_json_string(body, code);
  body += ",\"message\":";
  append_json_string(body, message);
  body += "}}\n";
  return body;
}

std::string_view rejection_code(int status) {
  switch (status) {
    case 408:
      return "deadline_exceeded";
    case 413:
    case 414:
    case 431:
      return "resource_exhausted";
    case 501:
    case 505:
      return "unimplemented";
    case 503:
      return "unavailable";
    default:
      return "invalid_argument";
  }
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&six))
      ::inet_ntop(AF_INET, six.s6_addr + 12, text, sizeof(text));
    else
      ::inet_ntop(AF_INET6, &six, text, sizeof(text));
  }
  return text;
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || (status >= 100 && status < 200);
}

bool is_framing(std::string_view name) {
  return http_names_equal(name, "Content-Length") || http_names_equal(name, "Transfer-Encoding") ||
         http_names_equal(name, "Connection") || http_names_equal(name, "Date");
}

}  // namespace beluga::detail
