// JSON: the values come from Json::parse, their places from a second, simpler walk over the text, which is
// known to be right by then.
#include "beluga/base/ascii.hpp"
#include "beluga/base/internal/config_tree.hpp"
#include "beluga/base/internal/utf8.hpp"
#include "beluga/base/number.hpp"

namespace beluga::detail {
namespace {

using Kind = ConfigNode::Kind;

/// Goes through a JSON text token by token and knows line and column. Precondition: the text is JSON.
class Places {
 public:
  explicit Places(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  /// Moves to the next key or value and gives its place.
  std::pair<std::size_t, std::size_t> next() {
    while (is_ascii_space(text_[at_]) || text_[at_] == ',' || text_[at_] == ':' || text_[at_] == ']' ||
           text_[at_] == '}')
      step();
    const std::pair place(line_, column_);
    if (text_[at_] == '"') {
      for (step(); text_[at_] != '"'; step())
        if (text_[at_] == '\\') step();
      step();
    } else if (text_[at_] == '[' || text_[at_] == '{') {
      step();
    } else {
      while (at_ < text_.size() &&
             (is_ascii_alnum(text_[at_]) || text_[at_] == '.' || text_[at_] == '+' || text_[at_] == '-'))
        step();
    }
    return place;
  }

 private:
  void step() {
    const auto c = static_cast<unsigned char>(text_[at_++]);
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if ((c & 0xC0U) != 0x80U) {
      ++column_;
    }
  }
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t column_ = 1;
};

/// `places` is null for a value without a file; then `origin` stands everywhere.
ConfigNodePtr convert(const Json& json, ConfigOrigin origin, Places* places) {
  const auto move_on = [&] {
    if (places == nullptr) return;
    const auto [line, column] = places->next();
    origin.line = line;
    origin.column = column;
  };
  move_on();
  auto node = std::make_shared<ConfigNode>();
  node->origin = origin;
  switch (json.kind()) {
    case Json::Kind::null:
      break;
    case Json::Kind::boolean:
      node->kind = Kind::boolean;
      node->text = json.as_bool() ? "true" : "false";
      break;
    case Json::Kind::number:
      node->kind = Kind::number;
      node->text = json.number_text();
      break;
    case Json::Kind::string:
      node->kind = Kind::string;
      node->text = json.as_string();
      break;
    case Json::Kind::array:
      node->kind = Kind::list;
      for (const Json& item : json.items()) {
        node->items.push_back(convert(item, origin, places));
        node->weight += node->items.back()->weight;
      }
      break;
    case Json::Kind::object:
      node->kind = Kind::map;
      for (const Json::Member& member : json.members()) {
        move_on();
        node->members.push_back({member.key, origin, convert(member.value, origin, places)});
        node->weight += node->members.back().value->weight;
      }
      break;
  }
  return node;
}

constexpr Json::ParseOptions kOptions{.max_depth = kConfigDepth,
                                      .duplicate_keys = Json::DuplicateKeys::error};

}  // namespace

ConfigNodePtr read_config_json(std::string_view text, const std::string& name) {
  Json json;
  try {
    json = Json::parse(text, kOptions);
  } catch (const Error& error) {
    // "line 3, column 7: what" becomes "name:3:7: what", as everywhere in a configuration.
    std::string_view message = error.message();
    std::size_t place[2] = {1, 1};
    for (std::size_t& part : place) {
      const std::size_t digit = message.find_first_of("0123456789");
      const std::size_t end = message.find_first_not_of("0123456789", digit);
      part = static_cast<std::size_t>(parse_uint64(message.substr(digit, end - digit)).value_or(1));
      message.remove_prefix(end);
    }
    message.remove_prefix(std::string_view(": ").size());
    config_fail(name, place[0], place[1], message);
  }
  Places places(text);
  return convert(json, {ConfigOrigin::Source::file, std::make_shared<const std::string>(name), 0, 0},
                 &places);
}

ConfigNodePtr config_from_json(const Json& json, const ConfigOrigin& origin) {
  return convert(json, origin, nullptr);
}

ConfigNodePtr read_config_value(std::string_view text, const ConfigOrigin& origin) {
  const std::string_view trimmed = trim_ascii(text);
  if (!trimmed.empty() && (trimmed.front() == '[' || trimmed.front() == '{')) {
    try {
      return config_from_json(Json::parse(trimmed, kOptions), origin);
    } catch (const Error& error) {
      throw error.with_context(origin.text() + ": this begins like JSON, but");
    }
  }
  auto node = std::make_shared<ConfigNode>();
  node->kind = Kind::plain;
  node->text = text;
  node->origin = origin;
  return node;
}

}  // namespace beluga::detail
