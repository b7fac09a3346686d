#pragma once
/// A context key that a program and its plugin share through a header.

#include <string>

namespace beluga::plugin_test {

struct Tenant {
  using Value = std::string;
};

}  // namespace beluga::plugin_test
