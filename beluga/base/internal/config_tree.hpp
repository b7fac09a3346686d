#pragma once
/// The merged tree behind `Config`, and the readers that make it from each source.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/config.hpp"

namespace beluga::detail {

struct ConfigOrigin {
  enum class Source : std::uint8_t { file, environment, flag };
  Source source = Source::file;
  std::shared_ptr<const std::string> name;  // file name, variable or flag
  std::size_t line = 0;                     // 1-based; 0 outside files
  std::size_t column = 0;

  std::string text() const;
};

struct ConfigNode;
using ConfigNodePtr = std::shared_ptr<const ConfigNode>;

struct ConfigMember {
  std::string key;
  ConfigOrigin key_origin;
  ConfigNodePtr value;
};

/// Immutable once it is part of a tree; YAML aliases and overlays share nodes.
struct ConfigNode {
  enum class Kind : std::uint8_t {
    null,
    boolean,
    number,
    plain,  ///< a text without a type of its own: unquoted in YAML, from the environment or a flag
    string,
    list,
    map
  };
  Kind kind = Kind::null;
  ConfigOrigin origin;
  std::string text;  // of every scalar
  std::vector<ConfigNodePtr> items;
  std::vector<ConfigMember> members;
  std::size_t weight = 1;  // nodes below and including this one, shared ones counted each time

  const ConfigMember* find(std::string_view key) const noexcept;
};

struct ConfigTree {
  ConfigNodePtr root;
  std::string directory;  // of the file; secret files are found from there
  std::string file;
  std::string environment_prefix;

  /// What the program asked for; the only part that changes.
  struct Usage {
    std::mutex mutex;
    std::map<const ConfigNode*, std::set<std::string, std::less<>>> asked;
    std::set<const ConfigNode*> secrets;
    std::vector<std::string> warnings;
  };
  mutable Usage usage;
};

/// A configuration is written by people; more is an attack or a mistake.
inline constexpr std::size_t kConfigDepth = 64;
inline constexpr std::size_t kConfigNodes = 100'000;

ConfigNodePtr read_config_yaml(std::string_view text, const std::string& name);
ConfigNodePtr read_config_toml(std::string_view text, const std::string& name);
ConfigNodePtr read_config_json(std::string_view text, const std::string& name);
/// A value of the environment or of a flag: JSON when it begins with '[' or '{', else plain.
ConfigNodePtr read_config_value(std::string_view text, const ConfigOrigin& origin);
/// `json` with the same origin everywhere.
ConfigNodePtr config_from_json(const Json& json, const ConfigOrigin& origin);

/// `base` with the value at `path` set; a text on the way is an error, and names are matched without regard
/// to case and to '-' or '_'.
ConfigNodePtr config_with(const ConfigNodePtr& base, const std::vector<std::string>& path,
                          ConfigNodePtr value, const ConfigOrigin& origin);

/// Error{invalid_argument}: "name:line:column: message".
[[noreturn]] void config_fail(const std::string& name, std::size_t line, std::size_t column,
                              std::string_view message);
std::string config_path(std::string_view parent, std::string_view key);

}  // namespace beluga::detail
