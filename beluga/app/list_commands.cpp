#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "beluga/agent/session.hpp"
#include "beluga/app/commands.hpp"
#include "beluga/app/internal/turn.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/llm/registry.hpp"

namespace beluga::app {

int list_models() {
  for (const llm::ProviderInfo& provider : llm::registry().list()) {
    fmt::print("{}{}\n    {}\n", provider.name, provider.needs_model ? "/MODEL" : "", provider.description);
    if (!provider.key_variable.empty()) {
      const char* key = std::getenv(provider.key_variable.c_str());
      fmt::print("    key:      {} ({})\n", provider.key_variable,
                 key != nullptr && *key != '\0' ? "set" : "not set");
    }
    if (!provider.base_url.empty()) fmt::print("    base URL: {}", provider.base_url);
    if (!provider.base_url_variable.empty()) fmt::print(" (or {})", provider.base_url_variable);
    if (!provider.base_url.empty()) fmt::print("\n");
    if (!provider.examples.empty()) fmt::print("    models:   {}\n", fmt::join(provider.examples, ", "));
  }
  return 0;
}

int list_tools(const Settings& settings) {
  for (const ToolPtr& tool : open_tools(settings))
    fmt::print("{}\n    {}\n", tool->schema().name, tool->schema().description);
  return 0;
}

int list_sessions() {
  for (const SessionInfo& session : stored_sessions()->list())
    fmt::print("{}  {} messages, {} tokens\n", strip_terminal_controls(session.name), session.last_seq,
               session.usage.total());
  return 0;
}

int delete_session(const std::string& name) {
  if (!stored_sessions()->remove(name))
    throw Error(ErrorCode::not_found, fmt::format("there is no session '{}'", name));
  return 0;
}

}  // namespace beluga::app
