// TOML through toml++.
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "beluga/base/internal/config_tree.hpp"
#include "beluga/base/number.hpp"

namespace beluga::detail {
namespace {

using Kind = ConfigNode::Kind;

class TomlReader {
 public:
  explicit TomlReader(std::shared_ptr<const std::string> name) : name_(std::move(name)) {}

  ConfigNodePtr read(const toml::node& from, std::size_t depth) {
    if (depth > kConfigDepth)
      config_fail(*name_, from.source().begin.line, from.source().begin.column,
                  "nested deeper than " + std::to_string(kConfigDepth) + " levels");
    auto node = std::make_shared<ConfigNode>();
    node->origin = origin(from.source());
    if (const toml::table* table = from.as_table()) {
      node->kind = Kind::map;
      for (const auto& [key, value] : *table) {
        node->members.push_back({std::string(key.str()), origin(key.source()), read(value, depth + 1)});
        node->weight += node->members.back().value->weight;
      }
      // toml++ sorts keys; the order of the file is what people expect back.
      std::stable_sort(node->members.begin(), node->members.end(),
                       [](const ConfigMember& a, const ConfigMember& b) {
                         return std::pair(a.key_origin.line, a.key_origin.column) <
                                std::pair(b.key_origin.line, b.key_origin.column);
                       });
    } else if (const toml::array* array = from.as_array()) {
      node->kind = Kind::list;
      for (const toml::node& item : *array) {
        node->items.push_back(read(item, depth + 1));
        node->weight += node->items.back()->weight;
      }
    } else if (const auto* text = from.as_string()) {
      node->kind = Kind::string;
      node->text = text->get();
    } else if (const auto* boolean = from.as_boolean()) {
      node->kind = Kind::boolean;
      node->text = boolean->get() ? "true" : "false";
    } else if (const auto* integer = from.as_integer()) {
      node->kind = Kind::number;
      node->text = std::to_string(integer->get());
    } else if (const auto* floating = from.as_floating_point()) {
      node->kind = Kind::number;
      node->text = format_double(floating->get());
    } else {
      // Dates and times: their text.
      node->kind = Kind::plain;
      std::ostringstream out;
      if (const auto* date = from.as_date()) out << date->get();
      if (const auto* time = from.as_time()) out << time->get();
      if (const auto* both = from.as_date_time()) out << both->get();
      node->text = out.str();
    }
    return node;
  }

 private:
  ConfigOrigin origin(const toml::source_region& region) const {
    return {ConfigOrigin::Source::file, name_, region.begin.line, region.begin.column};
  }
  std::shared_ptr<const std::string> name_;
};

}  // namespace

ConfigNodePtr read_config_toml(std::string_view text, const std::string& name) {
  try {
    const toml::table table = toml::parse(text, name);
    return TomlReader(std::make_shared<const std::string>(name)).read(table, 1);
  } catch (const toml::parse_error& error) {
    config_fail(name, error.source().begin.line, error.source().begin.column, error.description());
  }
}

}  // namespace beluga::detail
