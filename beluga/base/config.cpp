#include "beluga/base/config.hpp"

#include <algorithm>
#include <filesystem>

#include "beluga/base/ascii.hpp"
#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/internal/config_tree.hpp"
#include "beluga/base/number.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga {
namespace {

using detail::ConfigMember;
using detail::ConfigNode;
using detail::ConfigOrigin;
using Kind = ConfigNode::Kind;

/// The last name in "agent.openai.api_key", `a."x.api_key"` or "api_keys[2]".
std::string_view last_part(std::string_view path) noexcept {
  while (path.ends_with(']')) path = path.substr(0, path.rfind('['));
  if (path.ends_with('"')) path.remove_suffix(1);
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::optional<bool> truth(std::string_view text) noexcept {
  for (const std::string_view yes : {"true", "yes", "on", "1"})
    if (equal_ignoring_case(text, yes)) return true;
  for (const std::string_view no : {"false", "no", "off", "0"})
    if (equal_ignoring_case(text, no)) return false;
  return std::nullopt;
}

/// The number a scalar spells, in any notation JSON has.
std::optional<Json> number(const ConfigNode& node) {
  if (node.kind != Kind::number && node.kind != Kind::plain) return std::nullopt;
  try {
    return Json::number(node.text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_reference(std::string_view text) noexcept {
  return text.starts_with("env:") || text.starts_with("file:");
}

}  // namespace

Config::Config(std::shared_ptr<const Tree> tree, std::shared_ptr<const Node> node, std::string path)
    : tree_(std::move(tree)), node_(std::move(node)), path_(std::move(path)) {}

Config::Config() {
  *this = parse("", Format::yaml);
}

Config Config::child(std::string_view key) const {
  if (node_ != nullptr && node_->kind != Kind::map && node_->kind != Kind::null) expected("a map");
  std::string path = detail::config_path(path_, key);
  if (node_ == nullptr || node_->kind != Kind::map) return {tree_, nullptr, std::move(path)};
  {
    const std::lock_guard lock(tree_->usage.mutex);
    tree_->usage.asked[node_.get()].emplace(key);
  }
  const ConfigMember* member = node_->find(key);
  return {tree_, member != nullptr ? member->value : nullptr, std::move(path)};
}

Config Config::operator[](std::string_view key) const {
  return child(key);
}

Config Config::at(std::string_view key) const {
  Config found = child(key);
  if (found.exists()) return found;
  if (node_ != nullptr && node_->kind == Kind::map && found.node_ == nullptr) {
    std::vector<std::string_view> present;
    for (const ConfigMember& member : node_->members) present.emplace_back(member.key);
    if (const std::string_view near = nearest_name(key, present); !near.empty())
      raise(Error(ErrorCode::invalid_argument, node_->find(near)->key_origin.text() + ": " + found.path_ +
                                                   " is missing; did you mean it by '" + std::string(near) +
                                                   "'?"));
  }
  found.missing();
}

bool Config::exists() const noexcept {
  return node_ != nullptr && node_->kind != Kind::null;
}
bool Config::is_map() const noexcept {
  return node_ != nullptr && node_->kind == Kind::map;
}
bool Config::is_list() const noexcept {
  return node_ != nullptr && node_->kind == Kind::list;
}

std::vector<Config> Config::items() const {
  if (!exists()) missing();
  std::vector<Config> out;
  const auto path = [&] { return path_ + "[" + std::to_string(out.size()) + "]"; };
  if (node_->kind == Kind::plain && node_->origin.source != ConfigOrigin::Source::file) {
    std::string_view rest = node_->text;
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      auto item = std::make_shared<ConfigNode>();
      item->kind = Kind::plain;
      item->text = trim_ascii(part);
      item->origin = node_->origin;
      out.push_back(Config(tree_, std::move(item), path()));
    }
    return out;
  }
  if (node_->kind != Kind::list) expected("a list");
  for (const auto& item : node_->items) out.push_back(Config(tree_, item, path()));
  return out;
}

std::vector<std::pair<std::string, Config>> Config::members() const {
  if (!exists()) missing();
  if (node_->kind != Kind::map) expected("a map");
  std::vector<std::pair<std::string, Config>> out;
  for (const ConfigMember& member : node_->members) out.emplace_back(member.key, child(member.key));
  return out;
}

std::string Config::origin() const {
  return node_ != nullptr ? node_->origin.text() : std::string();
}

Error Config::error(std::string_view message) const {
  std::string text = origin();
  if (!text.empty()) text += ": ";
  if (!path_.empty()) text.append(path_).append(": ");
  return {ErrorCode::invalid_argument, text.append(message)};
}

void Config::missing() const {
  std::string message = path_.empty() ? "the configuration" : path_;
  message += " is missing; set it";
  if (!tree_->file.empty()) message += " in " + tree_->file;
  if (!tree_->environment_prefix.empty() && !path_.empty()) {
    std::string variable = tree_->environment_prefix;
    for (const char c : path_) {
      if (c == '.') {
        variable += "__";
      } else if (c != '"') {
        variable.push_back(c == '-' ? '_' : ascii_upper(c));
      }
    }
    message += (tree_->file.empty() ? " with " : " or with ") + variable;
  }
  raise(Error(ErrorCode::invalid_argument, std::move(message)));
}

/// The value for a message; never a secret.
std::string Config::shown() const {
  switch (node_->kind) {
    case Kind::null:
      return "nothing";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    default:
      break;
  }
  if (is_secret_name(last_part(path_)) || looks_secret(node_->text)) return "[redacted]";
  std::string text = shorten(strip_terminal_controls(node_->text), 60);
  if (node_->kind == Kind::string || node_->kind == Kind::plain) return '"' + text + '"';
  return text;
}

void Config::expected(std::string_view what) const {
  if (node_ == nullptr) missing();
  std::string message = "expected " + std::string(what) + ", found " + shown();
  // "5" in quotes where 5 is wanted is the commonest slip of all.
  if (node_->kind == Kind::string && node_->text.size() < 20 &&
      (parse_double(node_->text) || truth(node_->text)) && what.find("text") == std::string_view::npos)
    message += " (remove the quotes)";
  raise(error(message));
}

bool Config::read_bool() const {
  if (!exists()) expected("true or false");
  if (node_->kind == Kind::boolean) return node_->text == "true";
  if (node_->kind == Kind::plain)
    if (const auto value = truth(node_->text)) return *value;
  expected("true or false");
}

std::int64_t Config::read_signed(std::int64_t least, std::int64_t most) const {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  if (range_) {
    least = std::max(least, range_->first);
    most = std::min(most, range_->second);
  }
  const auto wanted = [&] {
    std::string text = "a whole number";
    if (least == 1 && most == kMost) return text + " above 0";
    if (least != kLeast && most != kMost)
      return text + " from " + std::to_string(least) + " to " + std::to_string(most);
    if (least != kLeast) return text + " of at least " + std::to_string(least);
    if (most != kMost) return text + " of at most " + std::to_string(most);
    return text;
  };
  if (exists()) {
    if (const auto value = number(*node_); value && value->is_integer()) {
      // Outside of 64 bits both fallbacks come back, and one of them is outside of any narrower range.
      const std::int64_t whole = Json::object({{"n", *value}}).int_or("n", kLeast);
      const bool fits = whole != kLeast || value->number_text() == std::to_string(kLeast);
      if (fits && whole >= least && whole <= most) return whole;
    }
  }
  // Without a range of its own, int's limits would only confuse: say them when they are what is wrong.
  if (!range_ && exists() && !number(*node_)) expected("a whole number");
  expected(wanted());
}

std::uint64_t Config::read_unsigned(std::uint64_t most) const {
  if (range_) {
    const auto signed_most = static_cast<std::int64_t>(
        std::min<std::uint64_t>(most, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
    return static_cast<std::uint64_t>(read_signed(0, signed_most));
  }
  if (exists()) {
    if (const auto value = number(*node_); value && value->is_integer()) {
      try {
        if (const std::uint64_t whole = value->as_uint(); whole <= most) return whole;
      } catch (const Error&) {  // negative or too large: told below
      }
      expected("a whole number from 0 to " + std::to_string(most));
    }
  }
  expected("a whole number of at least 0");
}

double Config::read_double() const {
  if (exists()) {
    if (const auto text = number(*node_)) {
      const double value =
          Json::object({{"n", *text}}).double_or("n", std::numeric_limits<double>::infinity());
      const bool inside = !range_ || (value >= static_cast<double>(range_->first) &&
                                      value <= static_cast<double>(range_->second));
      if (inside && value <= std::numeric_limits<double>::max()) return value;
    }
  }
  if (range_)
    expected("a number from " + std::to_string(range_->first) + " to " + std::to_string(range_->second));
  expected("a number");
}

std::string Config::read_string() const {
  if (exists() && (node_->kind == Kind::string || node_->kind == Kind::plain)) return node_->text;
  expected("a text");
}

std::chrono::nanoseconds Config::read_duration() const {
  if (exists() && (node_->kind == Kind::string || node_->kind == Kind::plain || node_->kind == Kind::number))
    if (const auto value = parse_duration(node_->text)) return *value;
  expected("a duration such as 30s, 1m30s or 250ms");
}

std::uint64_t Config::bytes() const {
  if (exists() && (node_->kind == Kind::string || node_->kind == Kind::plain || node_->kind == Kind::number))
    if (const auto value = parse_bytes(node_->text)) return *value;
  expected("a number of bytes such as 4096, 64KiB or 10MB");
}

Config Config::in_range(std::int64_t least, std::int64_t most) const {
  Config copy = *this;
  copy.range_ = {least, most};
  return copy;
}

std::string Config::one_of(const std::vector<std::string>& choices) const {
  std::string text = read_string();
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  std::string wanted = "one of ";
  for (std::size_t i = 0; i < choices.size(); ++i) wanted.append(i == 0 ? "" : ", ").append(choices[i]);
  std::string message = "expected " + wanted + ", found " + shown();
  if (const std::string_view near = nearest_name(text, choices); !near.empty())
    message += "; did you mean '" + std::string(near) + "'?";
  raise(error(message));
}

Secret Config::read_secret() const {
  constexpr std::string_view kForms = "a text, {env: NAME} or {file: PATH}";
  if (!exists()) expected(kForms);
  {
    const std::lock_guard lock(tree_->usage.mutex);
    tree_->usage.secrets.insert(node_.get());
  }
  std::string kind;
  std::string name;
  if (node_->kind == Kind::map) {
    if (node_->members.size() != 1 || (node_->members[0].key != "env" && node_->members[0].key != "file"))
      expected(kForms);
    kind = node_->members[0].key;
    name = child(kind).read_string();
  } else if (node_->kind == Kind::string || node_->kind == Kind::plain) {
    if (!is_reference(node_->text)) return Secret(node_->text);
    const std::size_t colon = node_->text.find(':');
    kind = node_->text.substr(0, colon);
    name = trim_ascii(std::string_view(node_->text).substr(colon + 1));
  } else {
    expected(kForms);
  }
  if (name.empty()) raise(error("'" + kind + ":' needs a name"));
  try {
    if (kind == "env") return Secret::from_environment(name);
    std::filesystem::path path(name);
    if (path.is_relative() && node_->origin.source == ConfigOrigin::Source::file && !tree_->directory.empty())
      path = std::filesystem::path(tree_->directory) / path;
    std::string warning;
    Secret secret = Secret::from_file(path.string(), &warning);
    if (!warning.empty()) {
      const std::string message = origin() + ": " + path_ + ": " + warning;
      const std::lock_guard lock(tree_->usage.mutex);
      auto& warnings = tree_->usage.warnings;
      if (std::find(warnings.begin(), warnings.end(), message) == warnings.end()) warnings.push_back(message);
    }
    return secret;
  } catch (const Error& failure) {
    throw failure.with_context(path_).with_context(origin());
  }
}

Json Config::to_json(bool redacted) const {
  if (node_ == nullptr) return {};
  if (redacted && node_->kind != Kind::map && node_->kind != Kind::list) {
    bool secret = is_secret_name(last_part(path_)) || looks_secret(node_->text);
    if (!secret) {
      const std::lock_guard lock(tree_->usage.mutex);
      secret = tree_->usage.secrets.contains(node_.get());
    }
    if (secret && node_->kind != Kind::null && !is_reference(node_->text)) return "[redacted]";
  }
  switch (node_->kind) {
    case Kind::null:
      return {};
    case Kind::boolean:
      return node_->text == "true";
    case Kind::number:
      if (const auto value = number(*node_)) return *value;
      return node_->text;  // TOML's inf and nan
    case Kind::plain:
      // The core schema of YAML 1.2: what reads as a number or a truth value is one.
      if (const auto value = number(*node_)) return *value;
      if (node_->text == "true" || node_->text == "false") return node_->text == "true";
      return node_->text;
    case Kind::string:
      return node_->text;
    case Kind::list: {
      Json out = Json::array();
      for (std::size_t i = 0; i < node_->items.size(); ++i)
        out.push_back(
            Config(tree_, node_->items[i], path_ + "[" + std::to_string(i) + "]").to_json(redacted));
      return out;
    }
    case Kind::map: {
      Json out = Json::object(std::vector<Json::Member>{});
      for (const ConfigMember& member : node_->members) {
        // dump() only looks; asking would count every key as known.
        const Config view = redacted ? Config(tree_, member.value, detail::config_path(path_, member.key))
                                     : child(member.key);
        out[member.key] = view.to_json(redacted);
      }
      return out;
    }
  }
  return {};
}

Json Config::read_json() const {
  if (node_ == nullptr) missing();
  return to_json(false);
}

Json Config::dump() const {
  return to_json(true);
}

void Config::find_unknown(std::vector<std::string>& unknown) const {
  if (node_ == nullptr) return;
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    Config(tree_, node_->items[i], path_ + "[" + std::to_string(i) + "]").find_unknown(unknown);
  if (node_->kind != Kind::map) return;
  std::vector<std::string> asked;
  {
    const std::lock_guard lock(tree_->usage.mutex);
    const auto found = tree_->usage.asked.find(node_.get());
    if (found != tree_->usage.asked.end()) asked.assign(found->second.begin(), found->second.end());
  }
  for (const ConfigMember& member : node_->members) {
    const std::string path = detail::config_path(path_, member.key);
    if (std::binary_search(asked.begin(), asked.end(), member.key)) {
      Config(tree_, member.value, path).find_unknown(unknown);
    } else {
      // Not "path: unknown key": after a name such as api_key that reads as a secret, and would be redacted.
      unknown.push_back(member.key_origin.text() + ": unknown key " + strip_terminal_controls(path) +
                        did_you_mean(member.key, asked));
    }
  }
}

void Config::check_all_used() const {
  std::vector<std::string> unknown;
  find_unknown(unknown);
  if (unknown.empty()) return;
  std::string message;
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(unknown.size(), kShown); ++i)
    message.append(i == 0 ? "" : "\n").append(unknown[i]);
  if (unknown.size() > kShown) message += "\nand " + std::to_string(unknown.size() - kShown) + " more";
  raise(Error(ErrorCode::invalid_argument, std::move(message)));
}

std::vector<std::string> Config::warnings() const {
  const std::lock_guard lock(tree_->usage.mutex);
  return tree_->usage.warnings;
}

}  // namespace beluga
