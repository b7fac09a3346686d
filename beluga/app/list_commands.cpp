#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "beluga/agent/session.hpp"
#include "beluga/app/commands.hpp"
#include "beluga/app/internal/turn.hpp"
#include "beluga/app/output.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/llm/registry.hpp"

namespace beluga::app {
namespace {

std::string minute_of(WallTime time) {
  return fmt::format("{:%F %R}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace

int list_models() {
  std::string text;
  for (const llm::ProviderInfo& provider : llm::registry().list()) {
    text += fmt::format("{}{}\n    {}\n", provider.name, provider.needs_model ? "/MODEL" : "",
                        provider.description);
    if (!provider.key_variable.empty()) {
      const char* key = std::getenv(provider.key_variable.c_str());
      text += fmt::format("    key:      {} ({})\n", provider.key_variable,
                          key != nullptr && *key != '\0' ? "set" : "not set");
    }
    if (!provider.base_url.empty()) {
      text += fmt::format("    base URL: {}", provider.base_url);
      if (!provider.base_url_variable.empty()) text += fmt::format(" (or {})", provider.base_url_variable);
      text += '\n';
    }
    if (!provider.examples.empty())
      text += fmt::format("    models:   {}\n", fmt::join(provider.examples, ", "));
  }
  print(text);
  return 0;
}

std::string describe_tools(const Settings& settings) {
  std::string text;
  for (const ToolPtr& tool : open_tools(settings))
    text += fmt::format("{}\n    {}\n", tool->schema().name, tool->schema().description);
  return text;
}

int list_tools(const Settings& settings) {
  print(describe_tools(settings));
  return 0;
}

int list_sessions() {
  std::string text;
  for (const SessionInfo& session : stored_sessions()->list())
    text += fmt::format("{}  {} message{}, {} tokens, last used {} UTC\n",
                        strip_terminal_controls(session.name), session.last_seq,
                        session.last_seq == 1 ? "" : "s", session.usage.total(), minute_of(session.updated));
  print(text);
  return 0;
}

std::string session_state(SessionStore& sessions, const std::string& name) {
  const auto known = sessions.find(name);
  if (!known || known->last_seq == 0) return fmt::format("new session '{}'", name);
  return fmt::format("session '{}' goes on after {} message{}", name, known->last_seq,
                     known->last_seq == 1 ? "" : "s");
}

int delete_session(const std::string& name) {
  if (!stored_sessions()->remove(name))
    throw Error(ErrorCode::not_found, fmt::format("there is no session '{}'", name));
  return 0;
}

}  // namespace beluga::app
