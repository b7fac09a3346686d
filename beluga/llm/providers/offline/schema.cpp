#include "beluga/llm/providers/offline/internal/schema.hpp"

#include <algorithm>

namespace beluga::llm::offline_model {

using std::string_view;

std::vector<std::string> stems_of(string_view text) {
  std::vector<std::string> out;
  std::string spaced;  // camelCase and snake_case alike
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && is_upper(text[i]) && is_ascii_alpha(text[i - 1]) && !is_upper(text[i - 1])) spaced += ' ';
    spaced += text[i];
  }
  for (Token& token : tokenise(spaced)) out.push_back(std::move(token.stem));
  return out;
}

bool names_any(const std::vector<std::string>& stems, std::initializer_list<string_view> wanted) {
  return std::any_of(stems.begin(), stems.end(), [&](const std::string& s) {
    return std::find(wanted.begin(), wanted.end(), s) != wanted.end();
  });
}

const Json& properties(const Json& schema) {
  static const Json kNone = Json::object();
  const Json* p = schema.find("properties");
  return p != nullptr && p->is_object() ? *p : kNone;
}

bool is_required(const Json& schema, string_view name) {
  const Json* required = schema.find("required");
  if (required == nullptr) return false;
  for (const Json& item : required->items())
    if (item.is_string() && item.as_string() == name) return true;
  return false;
}

std::string description_of(const Json& schema) {
  std::string out;
  for (string_view key : {"description", "title"})
    if (string_view text = schema.string_or(key, ""); !text.empty()) out += std::string(text) + " ";
  return out;
}

const Json& resolve(const Json& schema, const Json& root) {
  const Json* at = &schema;
  for (int steps = 0; steps < 8; ++steps) {
    string_view ref = at->string_or("$ref", "");
    if (!ref.starts_with("#")) break;
    const Json* target = root.pointer(ref.substr(1));
    if (target == nullptr) break;
    at = target;
  }
  return *at;
}

string_view type_of(const Json& schema, bool* nullable) {
  if (nullable) *nullable = false;
  const Json* type = schema.find("type");
  if (type != nullptr && type->is_string()) return type->as_string();
  string_view found;
  if (type != nullptr)
    for (const Json& item : type->items()) {
      if (!item.is_string()) continue;
      if (item.as_string() == "null") {
        if (nullable) *nullable = true;
      } else if (found.empty()) {
        found = item.as_string();
      }
    }
  if (!found.empty()) return found;
  if (schema.contains("properties")) return "object";
  if (schema.contains("items")) return "array";
  if (const Json* values = schema.find("enum");
      values != nullptr && values->size() > 0 && values->items().front().is_string())
    return "string";
  return found;
}
}  // namespace beluga::llm::offline_model
