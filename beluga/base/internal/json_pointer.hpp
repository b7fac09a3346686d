#pragma once
/// JSON Pointer (RFC 6901), the writing side. Json::pointer() reads.

#include <string>
#include <string_view>

namespace beluga::detail {

/// Appends `token` with '~' and '/' escaped (section 3).
inline void append_pointer_token(std::string& out, std::string_view token) {
  for (const char c : token) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
}

}  // namespace beluga::detail
