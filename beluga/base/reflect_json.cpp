#include "beluga/base/reflect_json.hpp"

#include <cstring>

#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/internal/json_pointer.hpp"
#include "beluga/base/result.hpp"

namespace beluga {
namespace {

/// Values in messages are cut: they may be megabytes.
std::string shown(const Json& json) {
  constexpr std::size_t kMax = 60;
  if (json.is_array() || json.is_object()) return std::string(to_string(json.kind()));
  std::string text = json.is_string() && json.as_string().size() > kMax
                         ? Json(std::string_view(json.as_string()).substr(0, kMax)).dump() + "..."
                         : json.dump();
  if (text.size() > kMax + 10) text = text.substr(0, kMax) + "...";
  return text;
}

Json number(const Bound& bound) {
  return bound.integral ? Json(bound.integer) : Json(bound.real);
}

}  // namespace

std::string JsonPath::text() const {
  std::vector<const JsonPath*> chain;
  for (const JsonPath* p = this; p->parent_ != nullptr; p = p->parent_) chain.push_back(p);
  std::string out;
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    out += '/';
    if ((*it)->index_ != static_cast<std::size_t>(-1))
      out += std::to_string((*it)->index_);
    else
      detail::append_pointer_token(out, (*it)->key_);
  }
  return out;
}

void JsonPath::fail(std::string_view message) const {
  std::string where = text();
  if (where.empty()) where = "(root)";
  raise(Error(ErrorCode::invalid_argument, where + ": " + std::string(message)));
}

void JsonPath::expected(std::string_view what, const Json& got) const {
  std::string message = "expected " + std::string(what) + ", got ";
  if (got.is_null() || got.is_array() || got.is_object())
    message += to_string(got.kind());
  else
    message += std::string(to_string(got.kind())) + " " + shown(got);
  fail(message);
}

struct SchemaBuilder::State {
  struct Type {
    const void* id;
    std::string name;
    unsigned uses = 0;
    bool defined = false;
  };
  std::vector<Type> types;
  bool counting = true;
  const void* root = nullptr;
  bool root_open = false;
  Json definitions = Json::object();

  std::size_t find(const void* id) const {
    std::size_t i = 0;
    while (i < types.size() && types[i].id != id) ++i;
    return i;
  }
};

SchemaBuilder::SchemaBuilder() : state_(std::make_unique<State>()) {}
SchemaBuilder::~SchemaBuilder() = default;

Json SchemaBuilder::build(Json (*make)(SchemaBuilder&), const void* root_id) {
  state_->root = root_id;
  make(*this);  // counts how often each type is used
  state_->counting = false;
  Json schema = make(*this);
  if (!state_->definitions.empty()) schema["$defs"] = std::move(state_->definitions);
  return schema;
}

Json SchemaBuilder::named(const void* id, std::string_view name, Json (*make)(SchemaBuilder&)) {
  State& state = *state_;
  const std::size_t index = state.find(id);
  if (state.counting) {
    if (index < state.types.size()) {
      ++state.types[index].uses;
      return {};
    }
    std::string unique(name);
    for (unsigned n = 2;; ++n) {
      bool taken = false;
      for (const auto& type : state.types) taken = taken || type.name == unique;
      if (!taken) break;
      unique = std::string(name) + "_" + std::to_string(n);
    }
    state.types.push_back({id, std::move(unique), 1});
    return make(*this);
  }
  if (id == state.root) {
    if (state.root_open) return Json::object({{"$ref", "#"}});
    state.root_open = true;
    return make(*this);
  }
  if (state.types[index].uses == 1) return make(*this);
  const std::string unique = state.types[index].name;
  if (!state.types[index].defined) {
    state.types[index].defined = true;
    Json definition = make(*this);
    state.definitions[unique] = std::move(definition);
  }
  return Json::object({{"$ref", "#/$defs/" + unique}});
}

namespace detail {

Json nullable_schema(Json schema) {
  Json* type = schema.find("type");
  if (type != nullptr && type->is_string()) {
    *type = Json::array({*type, "null"});
    if (Json* values = schema.find("enum")) values->push_back(nullptr);
    return schema;
  }
  if (schema.empty()) return schema;
  return Json::object({{"anyOf", Json::array({std::move(schema), Json::object({{"type", "null"}})})}});
}

Json integer_schema(std::int64_t low, std::uint64_t high, bool bounded) {
  Json schema = Json::object({{"type", "integer"}});
  if (bounded || low == 0) schema["minimum"] = low;
  if (bounded) schema["maximum"] = high;
  return schema;
}

void apply_limits(Json& schema, std::string_view description, const Limits& limits) {
  if (!description.empty()) schema["description"] = description;
  const auto bound = [&](const char* keyword, const Bound& value) {
    if (value.set) schema[keyword] = number(value);
  };
  bound("minimum", limits.minimum);
  bound("maximum", limits.maximum);
  bound("exclusiveMinimum", limits.exclusive_minimum);
  bound("exclusiveMaximum", limits.exclusive_maximum);
  bound("multipleOf", limits.multiple_of);
  bound("minLength", limits.min_length);
  bound("maxLength", limits.max_length);
  if (!limits.pattern.view().empty()) schema["pattern"] = limits.pattern.view();
  if (!limits.format.view().empty()) schema["format"] = limits.format.view();
  bound("minItems", limits.min_items);
  bound("maxItems", limits.max_items);
  if (limits.unique_items) schema["uniqueItems"] = true;
}

Json object_schema(Json properties, Json required) {
  Json schema = Json::object({{"type", "object"}, {"properties", std::move(properties)}});
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

Json tagged_schema(Json schema, std::string_view tag) {
  Json properties = Json::object({{"type", Json::object({{"const", tag}})}});
  for (auto& member : schema["properties"].members()) properties[member.key] = std::move(member.value);
  Json required = Json::array({"type"});
  if (const Json* others = schema.find("required"))
    for (const Json& name : others->items()) required.push_back(name);
  return object_schema(std::move(properties), std::move(required));
}

std::string snake_case(std::string_view name) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool starts_word =
        upper(name[i]) && i > 0 && (!upper(name[i - 1]) || (i + 1 < name.size() && !upper(name[i + 1])));
    if (starts_word && out.back() != '_') out += '_';
    out += upper(name[i]) ? static_cast<char>(name[i] + ('a' - 'A')) : name[i];
  }
  return out;
}

void fail_unknown_member(const JsonPath& path, std::string_view key, std::vector<std::string_view> known) {
  JsonPath(path, key).fail("unknown member" + did_you_mean(key, known));
}

void fail_missing_member(const JsonPath& path, std::string_view key) {
  path.fail("the member '" + std::string(key) + "' is required");
}

void fail_enum(const JsonPath& path, const Json& got, std::vector<std::string_view> known) {
  std::string message = "expected one of ";
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (i > 0) message += ", ";
    message += Json(known[i]).dump();
  }
  path.fail(message + "; got " + shown(got));
}

std::int64_t decode_signed(const Json& json, std::int64_t low, std::int64_t high, const JsonPath& path) {
  if (!json.is_number() || !json.is_integer()) path.expected("an integer", json);
  const auto value = attempt([&] { return json.as_int(); });
  if (!value.ok() || *value < low || *value > high)
    path.fail(shown(json) + " is out of range (" + std::to_string(low) + " to " + std::to_string(high) + ")");
  return *value;
}

std::uint64_t decode_unsigned(const Json& json, std::uint64_t high, const JsonPath& path) {
  if (!json.is_number() || !json.is_integer()) path.expected("an integer", json);
  const auto value = attempt([&] { return json.as_uint(); });
  if (!value.ok() || *value > high)
    path.fail(shown(json) + " is out of range (0 to " + std::to_string(high) + ")");
  return *value;
}

double decode_double(const Json& json, const JsonPath& path) {
  if (!json.is_number()) path.expected("a number", json);
  const auto value = attempt([&] { return json.as_double(); });
  if (!value.ok()) path.fail(shown(json) + " is out of range");
  return *value;
}

unsigned char* poisoned(void* storage, std::size_t size, unsigned char pattern) noexcept {
  std::memset(storage, pattern, size);
  asm volatile("" : : "r"(storage) : "memory");  // the stores above must happen although an object follows
  return static_cast<unsigned char*>(storage);
}

bool shows_pattern(const void* field, unsigned char pattern) noexcept {
  asm volatile("" : : "r"(field) : "memory");
  return *static_cast<const unsigned char*>(field) == pattern;
}

}  // namespace detail
}  // namespace beluga
