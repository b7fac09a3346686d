#include "beluga/llm/internal/builtin_providers.hpp"
#include "beluga/llm/providers/openai/openai.hpp"

namespace beluga::llm {

void add_builtin_providers(Registry& registry) {
  registry.add(openai::provider_info(), openai::open);
}

}  // namespace beluga::llm
