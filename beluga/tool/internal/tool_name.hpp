#pragma once
/// The names that every provider accepts.

#include <string>
#include <string_view>

#include "beluga/base/error.hpp"

namespace beluga::detail {

inline void check_tool_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= 64;
  for (const char c : name)
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-');
  if (!good)
    raise(Error(ErrorCode::invalid_argument, "tool name '" + std::string(name.substr(0, 100)) +
                                                 "': use 1 to 64 letters, digits, '_' or '-'"));
}

}  // namespace beluga::detail
