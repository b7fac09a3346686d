#include "beluga/base/internal/config_tree.hpp"

#include <algorithm>

#include "beluga/base/ascii.hpp"

namespace beluga::detail {
namespace {

/// How a name is compared with the name of an environment variable.
bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto fold = [](char c) { return c == '-' ? '_' : ascii_lower(c); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return fold(x) == fold(y); });
}

}  // namespace

std::string ConfigOrigin::text() const {
  const std::string& own = *name;
  switch (source) {
    case Source::file:
      return own + ":" + std::to_string(line) + ":" + std::to_string(column);
    case Source::environment:
      return "environment variable " + own;
    case Source::flag:
      return "flag " + own;
  }
  return own;
}

const ConfigMember* ConfigNode::find(std::string_view key) const noexcept {
  for (const ConfigMember& member : members)
    if (member.key == key) return &member;
  return nullptr;
}

ConfigNodePtr config_with(const ConfigNodePtr& base, const std::vector<std::string>& path,
                          ConfigNodePtr value, const ConfigOrigin& origin) {
  if (path.empty()) return value;
  auto copy = base != nullptr ? std::make_shared<ConfigNode>(*base) : std::make_shared<ConfigNode>();
  if (base == nullptr || base->kind == ConfigNode::Kind::null) {
    copy->kind = ConfigNode::Kind::map;
    copy->origin = origin;
  } else if (base->kind != ConfigNode::Kind::map) {
    raise(Error(ErrorCode::invalid_argument, origin.text() + ": sets '" + path.front() +
                                                 "' inside of what is no map (" + base->origin.text() + ")"));
  }
  auto member = std::find_if(copy->members.begin(), copy->members.end(),
                             [&](const ConfigMember& m) { return m.key == path.front(); });
  if (member == copy->members.end())
    member = std::find_if(copy->members.begin(), copy->members.end(),
                          [&](const ConfigMember& m) { return same_name(m.key, path.front()); });
  const std::vector<std::string> rest(path.begin() + 1, path.end());
  if (member == copy->members.end()) {
    copy->members.push_back({path.front(), origin, config_with(nullptr, rest, std::move(value), origin)});
  } else {
    member->value = config_with(member->value, rest, std::move(value), origin);
    if (rest.empty()) member->key_origin = origin;
  }
  return copy;
}

void config_fail(const std::string& name, std::size_t line, std::size_t column, std::string_view message) {
  raise(Error(ErrorCode::invalid_argument, name + ":" + std::to_string(line) + ":" + std::to_string(column) +
                                               ": " + std::string(message)));
}

std::string config_path(std::string_view parent, std::string_view key) {
  std::string out(parent);
  if (!out.empty()) out.push_back('.');
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return is_ascii_alnum(c) || c == '_' || c == '-' || c == '/';
  });
  if (plain) return out.append(key);
  return out.append("\"").append(key).append("\"");
}

}  // namespace beluga::detail
