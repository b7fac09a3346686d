#include "beluga/app/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "beluga/app/output.hpp"
#include "beluga/base/result.hpp"
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

/// An amount as it was written: a number, or a text.
Usd read_usd(const Config& config) {
  const Json json = config.get<Json>();
  if (!json.is_number() && !json.is_string())
    throw config.error("expected an amount of dollars, such as 0.25");
  const auto amount =
      attempt([&] { return Usd::parse(json.is_number() ? json.number_text() : json.as_string()); });
  if (!amount.ok()) throw config.error(amount.error().message());
  return *amount;
}

/// prices: {"openai/my-model": {input: 0.5, cache_read: 0.05, cache_write: 0.5, output: 2}}, over the
/// built-in rows. Those hold for the providers' own servers only.
std::shared_ptr<const PriceTable> read_prices(const Config& config, bool own_server) {
  auto table = std::make_shared<PriceTable>(own_server ? PriceTable() : PriceTable::builtin());
  if (!config.exists()) return table;
  for (const auto& [model, row] : config.members()) {
    Price price{.input = read_usd(row.at("input")), .output = read_usd(row.at("output"))};
    if (const Config read = row["cache_read"]; read.exists()) price.cache_read = read_usd(read);
    if (const Config write = row["cache_write"]; write.exists()) price.cache_write = read_usd(write);
    row.check_all_used();
    const auto set = attempt([&] { table->set(model, std::move(price)); });
    if (!set.ok()) throw row.error(set.error().message());
  }
  return table;
}

/// A text that is either absent or says something. An empty one is the mark of an unset variable in a script,
/// and what is left out by accident may send a question to another server.
std::string given_text(const Config& config) {
  std::string text = config.get_or("");
  if (config.exists() && text.empty()) throw config.error("is empty; leave it out or give a value");
  return text;
}

}  // namespace

Settings load_settings(const std::string& file, std::vector<Config::Flag> flags) {
  const Config config = Config::load(
      {.file = file, .environment_ignored = {"BELUGA_HOME", "BELUGA_LOG"}, .flags = std::move(flags)});
  Settings s;
  s.model = given_text(config["model"]);
  s.base_url = given_text(config["base_url"]);
  s.instructions = config["instructions"].get_or(kInstructions);
  s.root = config["root"].get_or(".");
  s.tools = config["tools"].get_or(std::vector<std::string>{});
  s.use_tools = !config["no_tools"].get_or(false);
  s.allowed_hosts = config["allowed_hosts"].get_or(std::vector<std::string>{});
  s.max_steps = config["max_steps"].in_range(1, 10'000).get_or(std::uint32_t{25});
  s.max_tokens = config["max_tokens"].in_range(0, 1'000'000'000).get_or(std::int64_t{0});
  if (const Config most = config["max_cost"]; most.exists()) s.max_cost = read_usd(most);
  s.prices = read_prices(config["prices"], !s.base_url.empty());
  s.timeout = config["timeout"].get_or(Duration{});
  if (s.timeout < Duration::zero()) throw config["timeout"].error("expected a duration above 0, such as 30s");
  config.check_all_used();
  for (const std::string& warning : config.warnings()) notice(warning);
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
      notice(
          "no model named and OPENAI_API_KEY is not set: using the built-in 'offline' model (extractive, no "
          "network); choose another with -m provider/model");
    }
  }
  if (name == "offline" && !settings.base_url.empty())
    throw Error(ErrorCode::invalid_argument,
                "a base URL was given, but the model is 'offline', which has no use for one; choose a model "
                "with -m provider/model");
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
  std::vector<std::string> chosen_names;
  std::vector<std::string> names;
  for (const ToolPtr& tool : offered) names.push_back(tool->schema().name);
  for (const std::string& name : settings.tools) {
    if (std::find(chosen_names.begin(), chosen_names.end(), name) != chosen_names.end()) continue;
    chosen_names.push_back(name);
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
                           .max_cost = settings.max_cost,
                           .max_time = settings.timeout},
                .sessions = std::move(sessions),
                .prices = settings.prices});
}

}  // namespace beluga::app
