#pragma once
/// What the tests of the HTTP client share. Tests only.

#include <gtest/gtest.h>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/net/http_client.hpp"

namespace beluga::testing_support {

/// Options that the environment of the test run does not change.
inline HttpClientOptions plain() {
  return {.proxy = {}};
}

/// What `f` throws; a failure of the test when it throws nothing.
template <class F>
Error error_of(F f) {
  const auto result = attempt([&] {
    f();
    return 0;
  });
  if (result.ok()) {
    ADD_FAILURE() << "no error was thrown";
    return {ErrorCode::unknown, "none"};
  }
  return result.error();
}

}  // namespace beluga::testing_support
