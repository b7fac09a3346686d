#include "beluga/app/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "beluga/llm/registry.hpp"
#include "beluga/tool/builtin/builtin.hpp"

namespace beluga::app {
namespace {

constexpr const char* kDefaultModel = "openai/gpt-4o-mini";
constexpr const char* kInstructions =
    "Answer from what the tools find, not from memory. Look before you answer: search the files, read the "
    "lines around a "
    "hit, then answer in a few sentences and cite each fact as (source: path:line). When the files do not "
    "hold the answer, "
    "say so plainly.";

}  // namespace

Settings load_settings(const std::string& file, std::vector<Config::Flag> flags) {
  const Config config = Config::load(
      {.file = file, .environment_ignored = {"BELUGA_HOME", "BELUGA_LOG"}, .flags = std::move(flags)});
  Settings s;
  s.model = config["model"].get_or("");
  s.base_url = config["base_url"].get_or("");
  s.instructions = config["instructions"].get_or(kInstructions);
  s.root = config["root"].get_or(".");
  s.tools = config["tools"].get_or(std::vector<std::string>{});
  s.use_tools = !config["no_tools"].get_or(false);
  s.allowed_hosts = config["allowed_hosts"].get_or(std::vector<std::string>{});
  s.max_steps = config["max_steps"].in_range(1, 10'000).get_or(std::uint32_t{25});
  s.max_tokens = config["max_tokens"].in_range(0, 1'000'000'000).get_or(std::int64_t{0});
  s.timeout = config["timeout"].get_or(Duration{});
  if (s.timeout < Duration::zero()) throw config["timeout"].error("expected a duration above 0, such as 30s");
  config.check_all_used();
  for (const std::string& warning : config.warnings()) fmt::print(stderr, "beluga: {}\n", warning);
  return s;
}

ChatModelPtr open_model(const Settings& settings) {
  std::string name = settings.model;
  if (name.empty()) {
    const char* key = std::getenv("OPENAI_API_KEY");
    if (key != nullptr && *key != '\0') {
      name = kDefaultModel;
    } else {
      name = "offline";
      fmt::print(stderr,
                 "beluga: no model named and OPENAI_API_KEY is not set: using the built-in 'offline' model "
                 "(extractive, no network); choose another with -m provider/model\n");
    }
  }
  llm::OpenOptions options;
  options.base_url = settings.base_url;
  return llm::open(name, options);
}

std::vector<ToolPtr> open_tools(const Settings& settings) {
  if (!settings.use_tools) return {};
  tool::builtin::StandardOptions options;
  options.root = settings.root;
  options.allowed_hosts = settings.allowed_hosts;
  std::vector<ToolPtr> offered = tool::builtin::standard(options);
  if (settings.tools.empty()) return offered;

  std::vector<ToolPtr> chosen;
  std::vector<std::string> names;
  for (const ToolPtr& tool : offered) names.push_back(tool->schema().name);
  for (const std::string& name : settings.tools) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      std::string message =
          fmt::format("--tool {}: there is no such tool; known: {}", name, fmt::join(names, ", "));
      if (name == "http_get") message += "; http_get needs --allow-host HOST";
      throw Error(ErrorCode::not_found, message);
    }
    chosen.push_back(offered[static_cast<std::size_t>(at - names.begin())]);
  }
  return chosen;
}

Agent make_agent(const Settings& settings, std::shared_ptr<SessionStore> sessions) {
  return Agent({.name = "assistant",
                .model = open_model(settings),
                .tools = open_tools(settings),
                .instructions = settings.instructions,
                .budget = {.max_steps = settings.max_steps,
                           .max_tokens = settings.max_tokens,
                           .max_time = settings.timeout},
                .sessions = std::move(sessions)});
}

}  // namespace beluga::app
