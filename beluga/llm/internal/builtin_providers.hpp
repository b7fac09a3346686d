#pragma once
// The one table of providers that come with the library.
#include "beluga/llm/registry.hpp"

namespace beluga::llm {

void add_builtin_providers(Registry& registry);

}  // namespace beluga::llm
