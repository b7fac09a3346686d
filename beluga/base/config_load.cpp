// Config::load: file, then environment, then flags.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "beluga/base/ascii.hpp"
#include "beluga/base/config.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/internal/config_tree.hpp"
#include "beluga/base/internal/utf8.hpp"

extern char** environ;  // POSIX, in no header of the C++ library

namespace beluga {
namespace {

using detail::ConfigNodePtr;
using detail::ConfigOrigin;

Config::Format format_of(const std::string& path) {
  const std::string ending = ascii_lower(std::filesystem::path(path).extension().string());
  if (ending == ".yaml" || ending == ".yml") return Config::Format::yaml;
  if (ending == ".toml") return Config::Format::toml;
  if (ending == ".json") return Config::Format::json;
  raise(Error(ErrorCode::invalid_argument,
              path + ": the ending says no format; name it .yaml, .yml, .toml or .json"));
}

std::string read_file(const std::string& path, std::size_t limit) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status))
    raise(Error(ErrorCode::not_found, path + ": the configuration file does not exist"));
  if (std::filesystem::is_directory(status))
    raise(Error(ErrorCode::invalid_argument, path + ": is a directory; name a file in it"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    raise(Error(ErrorCode::permission_denied,
                path + ": " + std::system_category().message(errno != 0 ? errno : EACCES)));
  std::string text;
  char buffer[16384];
  while (file.read(buffer, sizeof buffer), file.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (text.size() > limit)
      raise(Error(ErrorCode::resource_exhausted,
                  path + ": larger than " + format_bytes(limit) + "; a configuration should be small"));
  }
  if (file.bad()) raise(Error(ErrorCode::data_loss, path + ": reading failed"));
  return text;
}

ConfigNodePtr read_text(std::string_view text, Config::Format format, const std::string& name) {
  if (!detail::is_utf8(text)) {
    const std::string_view before = text.substr(0, detail::utf8_error_at(text));
    const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    detail::config_fail(name, line, before.size() - (before.rfind('\n') + 1) + 1, "this is not UTF-8");
  }
  ConfigNodePtr root;
  switch (format) {
    case Config::Format::yaml:
      root = detail::read_config_yaml(text, name);
      break;
    case Config::Format::toml:
      root = detail::read_config_toml(text, name);
      break;
    case Config::Format::json:
      root = detail::read_config_json(text, name);
      break;
  }
  if (root == nullptr || root->kind == detail::ConfigNode::Kind::null) {
    // An empty file, or one of comments only.
    auto empty = std::make_shared<detail::ConfigNode>();
    empty->kind = detail::ConfigNode::Kind::map;
    empty->origin = {ConfigOrigin::Source::file, std::make_shared<const std::string>(name), 1, 1};
    return empty;
  }
  if (root->kind != detail::ConfigNode::Kind::map)
    detail::config_fail(name, root->origin.line, root->origin.column, "expected a map of keys and values");
  return root;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

/// "AGENT__MAX_STEPS" to {"agent", "max_steps"}; an empty part is an error.
std::vector<std::string> environment_path(std::string_view name, const ConfigOrigin& origin) {
  std::vector<std::string> path;
  while (true) {
    const std::size_t end = name.find("__");
    path.push_back(ascii_lower(name.substr(0, end)));
    if (path.back().empty() || path.size() > detail::kConfigDepth)
      raise(Error(ErrorCode::invalid_argument,
                  origin.text() + ": '__' separates levels and must have a name on both sides"));
    if (end == std::string_view::npos) return path;
    name.remove_prefix(end + 2);
  }
}

/// `models."gpt-4.1".price` to its three parts.
std::vector<std::string> flag_path(std::string_view text, const ConfigOrigin& origin) {
  std::vector<std::string> path;
  while (true) {
    std::string part;
    if (text.starts_with('"')) {
      const std::size_t end = text.find('"', 1);
      if (end == std::string_view::npos)
        raise(Error(ErrorCode::invalid_argument, origin.text() + ": a quote in the path is not closed"));
      part = text.substr(1, end - 1);
      text.remove_prefix(end + 1);
    } else {
      part = text.substr(0, text.find('.'));
      text.remove_prefix(part.size());
    }
    if (part.empty() || (!text.empty() && text.front() != '.') || path.size() >= detail::kConfigDepth)
      raise(Error(ErrorCode::invalid_argument, origin.text() + ": expected a path such as agent.max_steps"));
    path.push_back(std::move(part));
    if (text.empty()) return path;
    text.remove_prefix(1);
  }
}

}  // namespace

Config Config::load(const Sources& sources) {
  auto tree = std::make_shared<Tree>();
  tree->environment_prefix = sources.environment_prefix;
  if (!sources.file.empty()) {
    tree->file = sources.file;
    tree->directory = std::filesystem::path(sources.file).parent_path().string();
    const std::string text = read_file(sources.file, sources.max_file_bytes);
    tree->root = read_text(text, format_of(sources.file), sources.file);
  } else {
    tree->root = read_text("", Format::yaml, "configuration");
  }
  if (!sources.environment_prefix.empty()) {
    auto variables = sources.environment ? *sources.environment : own_environment();
    std::sort(variables.begin(),
              variables.end());  // the same result whatever the order they were exported in
    for (const std::string& variable : variables) {
      const std::size_t equals = variable.find('=');
      if (equals == std::string::npos || !variable.starts_with(sources.environment_prefix)) continue;
      const std::string name = variable.substr(0, equals);
      const auto& ignored = sources.environment_ignored;
      if (std::find(ignored.begin(), ignored.end(), name) != ignored.end()) continue;
      if (name.size() <= sources.environment_prefix.size()) continue;
      const std::string_view value = std::string_view(variable).substr(equals + 1);
      if (value.empty()) continue;  // the usual way to unset a variable in a unit file or a compose file
      const ConfigOrigin origin{ConfigOrigin::Source::environment, std::make_shared<const std::string>(name),
                                0, 0};
      const auto path =
          environment_path(std::string_view(name).substr(sources.environment_prefix.size()), origin);
      tree->root = detail::config_with(tree->root, path, detail::read_config_value(value, origin), origin);
    }
  }
  for (const Flag& flag : sources.flags) {
    const ConfigOrigin origin{
        ConfigOrigin::Source::flag,
        std::make_shared<const std::string>(flag.name.empty() ? "--set " + flag.path : flag.name), 0, 0};
    tree->root = detail::config_with(tree->root, flag_path(flag.path, origin),
                                     detail::read_config_value(flag.value, origin), origin);
  }
  ConfigNodePtr root = tree->root;
  return {std::move(tree), std::move(root), {}};
}

Config Config::parse(std::string_view text, Format format, std::string name) {
  auto tree = std::make_shared<Tree>();
  tree->root = read_text(text, format, name);
  tree->file = std::move(name);
  ConfigNodePtr root = tree->root;
  return {std::move(tree), std::move(root), {}};
}

}  // namespace beluga
