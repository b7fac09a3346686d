#pragma once
/// What the commands need to know: from a file, over it BELUGA_ variables, over them the flags.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/base/config.hpp"
#include "beluga/cost/price_table.hpp"

namespace beluga::app {

struct Settings {
  std::string model{};  ///< "provider/model"; empty: chosen by what keys there are
  std::string base_url{};
  std::string instructions{};
  std::string root = ".";
  std::vector<std::string> tools{};  ///< names; empty: all that are offered
  bool use_tools = true;
  std::vector<std::string> allowed_hosts{};
  std::uint32_t max_steps = 25;
  std::int64_t max_tokens = 0;
  std::optional<Usd> max_cost{};
  std::shared_ptr<const PriceTable> prices{};  ///< null: the built-in one
  Duration timeout{};
};

/// Reads the keys model, base_url, instructions, root, tools, no_tools, allowed_hosts, max_steps, max_tokens,
/// max_cost, prices and timeout. An unknown key is an error that names its place.
Settings load_settings(const std::string& file, std::vector<Config::Flag> flags);

/// Opens the model of the settings. When none is named: OpenAI if there is a key, else offline, and a line on
/// stderr says which and why.
ChatModelPtr open_model(const Settings& settings);

/// The tools the settings allow. Throws Error{not_found} for a name that no tool has.
std::vector<ToolPtr> open_tools(const Settings& settings);

/// The agent behind `run` and `chat`.
Agent make_agent(const Settings& settings, std::shared_ptr<SessionStore> sessions);

}  // namespace beluga::app
