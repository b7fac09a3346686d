#include "beluga/llm/internal/builtin_providers.hpp"
#include "beluga/llm/offline.hpp"
#include "beluga/llm/providers/openai/openai.hpp"

#include <string>
#include <utility>

namespace beluga::llm {

void add_builtin_providers(Registry& registry) {
  ProviderInfo builtin;
  builtin.name = "offline";
  builtin.description = "built in: no network, no weights; quotes from files, tools and given texts";
  builtin.needs_model = false;
  registry.add(std::move(builtin), [](std::string_view model, const OpenOptions&) {
    return model.empty() ? offline() : offline({.model = std::string(model)});
  });
  registry.add(openai::provider_info(), openai::open);
}

}  // namespace beluga::llm
