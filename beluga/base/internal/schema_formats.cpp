/// `format` (JSON Schema validation 2020-12, section 7.3), by hand-written checks; time of one is linear in
/// the text.

#include <arpa/inet.h>

#include <array>
#include <cstdint>

#include "beluga/base/internal/schema_node.hpp"
#include "beluga/base/internal/uri_reference.hpp"
#include "beluga/base/result.hpp"

namespace beluga::detail {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool hex(char c) {
  return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool ascii(std::string_view s) {
  for (const char c : s)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

/// Reads exactly `count` digits.
bool number(std::string_view& s, std::size_t count, int& out) {
  if (s.size() < count) return false;
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!digit(s[i])) return false;
    out = out * 10 + (s[i] - '0');
  }
  s.remove_prefix(count);
  return true;
}
bool literal(std::string_view& s, char c) {
  if (s.empty() || s[0] != c) return false;
  s.remove_prefix(1);
  return true;
}

/// RFC 3339 full-date.
bool full_date(std::string_view& s) {
  int y = 0, m = 0, d = 0;
  if (!number(s, 4, y) || !literal(s, '-') || !number(s, 2, m) || !literal(s, '-') || !number(s, 2, d))
    return false;
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (m < 1 || m > 12 || d < 1) return false;
  const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= kDays[static_cast<std::size_t>(m - 1)] + (m == 2 && leap ? 1 : 0);
}
/// RFC 3339 full-time; a leap second only where it is 23:59:60 UTC.
bool full_time(std::string_view& s) {
  int h = 0, m = 0, sec = 0;
  if (!number(s, 2, h) || !literal(s, ':') || !number(s, 2, m) || !literal(s, ':') || !number(s, 2, sec))
    return false;
  if (h > 23 || m > 59 || sec > 60) return false;
  if (literal(s, '.')) {
    if (s.empty() || !digit(s[0])) return false;
    while (!s.empty() && digit(s[0])) s.remove_prefix(1);
  }
  int offset = 0;
  if (!literal(s, 'Z') && !literal(s, 'z')) {
    const int sign = !s.empty() && s[0] == '-' ? -1 : 1;
    int oh = 0, om = 0;
    if ((!literal(s, '+') && !literal(s, '-')) || !number(s, 2, oh) || !literal(s, ':') || !number(s, 2, om))
      return false;
    if (oh > 23 || om > 59) return false;
    offset = sign * (oh * 60 + om);
  }
  const int utc = ((h * 60 + m - offset) % 1440 + 1440) % 1440;
  return sec < 60 || utc == 23 * 60 + 59;
}
bool date(std::string_view s) {
  return full_date(s) && s.empty();
}
bool time_of_day(std::string_view s) {
  return full_time(s) && s.empty();
}
bool date_time(std::string_view s) {
  return full_date(s) && (literal(s, 'T') || literal(s, 't')) && full_time(s) && s.empty();
}

/// RFC 3339 appendix A.
bool duration(std::string_view s) {
  if (!literal(s, 'P') || s.empty()) return false;
  const auto section = [&](std::string_view units, bool& any) {
    std::size_t next = 0;
    std::size_t last = units.size();
    while (!s.empty() && digit(s[0])) {
      while (!s.empty() && digit(s[0])) s.remove_prefix(1);
      if (s.empty()) return false;
      const auto at = units.find(s[0], next);
      // Neighbours only: years and days without months are not in the grammar.
      if (at == std::string_view::npos || (last != units.size() && at != last + 1)) return false;
      last = at;
      next = at + 1;
      any = true;
      s.remove_prefix(1);
    }
    return true;
  };
  bool any = false;
  std::string_view week = s;
  while (!week.empty() && digit(week[0])) week.remove_prefix(1);
  if (week == "W" && week.size() < s.size()) return true;
  if (!section("YMD", any)) return false;
  if (literal(s, 'T')) {
    bool any_time = false;
    if (!section("HMS", any_time) || !any_time) return false;
    any = true;
  }
  return any && s.empty();
}

bool ipv4(std::string_view s) {
  in_addr address{};
  return s.size() < 16 && s.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET, std::string(s).c_str(), &address) == 1;
}
bool ipv6(std::string_view s) {
  in6_addr address{};
  return s.size() < 46 && s.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, std::string(s).c_str(), &address) == 1;
}

/// RFC 1123 section 2.1. For idn names, bytes above ASCII count as letters (no Punycode, no RFC 5892 tables).
bool hostname(std::string_view s, bool international) {
  if (s.empty() || s.size() > 253) return false;
  std::size_t label = 0;
  for (std::size_t i = 0; i <= s.size(); ++i) {
    if (i == s.size() || s[i] == '.') {
      const std::string_view one = s.substr(label, i - label);
      if (one.empty() || one.size() > 63 || one.front() == '-' || one.back() == '-') return false;
      if (one.size() >= 4 && one[2] == '-' && one[3] == '-' && one.substr(0, 2) != "xn" &&
          one.substr(0, 2) != "XN")
        return false;
      label = i + 1;
      continue;
    }
    if (!alpha(s[i]) && !digit(s[i]) && s[i] != '-' &&
        !(international && static_cast<unsigned char>(s[i]) >= 0x80))
      return false;
  }
  return true;
}

bool email(std::string_view s, bool international) {
  const auto at = s.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > (international ? 256U : 64U)) return false;
  const std::string_view local = s.substr(0, at);
  const std::string_view domain = s.substr(at + 1);
  if (!international && !ascii(s)) return false;
  if (local.front() == '"') {
    if (local.size() < 2 || local.back() != '"') return false;
    for (std::size_t i = 1; i + 1 < local.size(); ++i) {
      if (local[i] == '"') return false;
      if (local[i] == '\\' && ++i + 1 >= local.size()) return false;
    }
  } else {
    char before = '.';
    for (const char c : local) {
      const bool atext = alpha(c) || digit(c) ||
                         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos ||
                         static_cast<unsigned char>(c) >= 0x80;
      if (!atext && !(c == '.' && before != '.')) return false;
      before = c;
    }
    if (before == '.') return false;
  }
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    const std::string_view inner = domain.substr(1, domain.size() - 2);
    return inner.substr(0, 5) == "IPv6:" ? ipv6(inner.substr(5)) : ipv4(inner);
  }
  return hostname(domain, international);
}

/// RFC 3986, or RFC 3987 when `international`.
bool uri_reference(std::string_view s, bool international, bool need_scheme) {
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '%') {
      if (i + 2 >= s.size() || !hex(s[i + 1]) || !hex(s[i + 2])) return false;
      i += 2;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      if (!international) return false;
    } else if (!alpha(c) && !digit(c) &&
               std::string_view("-._~:/?#[]@!$&'()*+,;=").find(c) == std::string_view::npos) {
      return false;
    }
  }
  const UriParts parts = split_uri(s);
  if (need_scheme && !parts.has_scheme) return false;
  if (parts.fragment.find('#') != std::string_view::npos) return false;
  for (const std::string_view part : {parts.path, parts.query, parts.fragment})
    if (part.find_first_of("[]") != std::string_view::npos) return false;
  if (!parts.has_scheme && !parts.has_authority) {
    const auto colon = parts.path.find(':');
    if (colon != std::string_view::npos && parts.path.substr(0, colon).find('/') == std::string_view::npos)
      return false;
  }
  if (!parts.has_authority) return true;
  std::string_view host = parts.authority;
  if (const auto user = host.rfind('@'); user != std::string_view::npos) {
    if (host.substr(0, user).find_first_of("[]@") != std::string_view::npos) return false;
    host.remove_prefix(user + 1);
  }
  std::string_view port;
  if (!host.empty() && host[0] == '[') {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view inner = host.substr(1, close - 1);
    if (!ipv6(inner) && !(inner.size() > 3 && (inner[0] == 'v' || inner[0] == 'V'))) return false;
    port = host.substr(close + 1);
    if (!port.empty() && port[0] != ':') return false;
  } else {
    if (host.find_first_of("[]") != std::string_view::npos) return false;
    const auto colon = host.find(':');
    if (colon != std::string_view::npos) port = host.substr(colon);
  }
  for (std::size_t i = 1; i < port.size(); ++i)
    if (!digit(port[i])) return false;
  return true;
}

/// RFC 6570, the outline: balanced braces, a variable list inside.
bool uri_template(std::string_view s) {
  bool open = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '{') {
      if (open) return false;
      open = true;
      start = i + 1;
    } else if (c == '}') {
      if (!open || i == start) return false;
      open = false;
    } else if (open) {
      const bool is_operator =
          i == start && std::string_view("+#./;?&=,!@|").find(c) != std::string_view::npos;
      if (!is_operator && !alpha(c) && !digit(c) &&
          std::string_view("_%.,*:").find(c) == std::string_view::npos)
        return false;
    } else if (static_cast<unsigned char>(c) <= 0x20 ||
               std::string_view("\"'<>\\^`|").find(c) != std::string_view::npos) {
      return false;
    }
  }
  return !open;
}

bool json_pointer(std::string_view s) {
  if (s.empty()) return true;
  if (s[0] != '/') return false;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] == '~' && (i + 1 >= s.size() || (s[i + 1] != '0' && s[i + 1] != '1'))) return false;
  return true;
}
bool relative_json_pointer(std::string_view s) {
  std::size_t n = 0;
  while (n < s.size() && digit(s[n])) ++n;
  if (n == 0 || (n > 1 && s[0] == '0')) return false;
  s.remove_prefix(n);
  return s == "#" || json_pointer(s);
}

bool uuid(std::string_view s) {
  if (s.size() != 36) return false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? s[i] != '-' : !hex(s[i])) return false;
  }
  return true;
}

bool regex(std::string_view s) {
  return attempt([&] { return EcmaRegex(s); }).ok();
}

}  // namespace

bool has_format(std::string_view format, std::string_view text) {
  if (format == "date-time") return date_time(text);
  if (format == "date") return date(text);
  if (format == "time") return time_of_day(text);
  if (format == "duration") return duration(text);
  if (format == "email") return email(text, false);
  if (format == "idn-email") return email(text, true);
  if (format == "hostname") return hostname(text, false);
  if (format == "idn-hostname") return hostname(text, true);
  if (format == "ipv4") return ipv4(text);
  if (format == "ipv6") return ipv6(text);
  if (format == "uri") return uri_reference(text, false, true);
  if (format == "uri-reference") return uri_reference(text, false, false);
  if (format == "iri") return uri_reference(text, true, true);
  if (format == "iri-reference") return uri_reference(text, true, false);
  if (format == "uri-template") return uri_template(text);
  if (format == "json-pointer") return json_pointer(text);
  if (format == "relative-json-pointer") return relative_json_pointer(text);
  if (format == "uuid") return uuid(text);
  if (format == "regex") return regex(text);
  return true;
}

}  // namespace beluga::detail
