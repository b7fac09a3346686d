#pragma once
/// What a JSON schema says about a value, in its keywords and in its words.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/json.hpp"
#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm::offline_model {

/// Follows "$ref": "#/..." within `root`, at most a few steps.
const Json& resolve(const Json& schema, const Json& root);
/// The type a schema asks for: "string", "integer", ..., "" if it does not say. Null alternatives are left
/// out.
std::string_view type_of(const Json& schema, bool* nullable = nullptr);

/// The stems of a name or a text; `camelCase` and `snake_case` are taken apart.
std::vector<std::string> stems_of(std::string_view text);
bool names_any(const std::vector<std::string>& stems, std::initializer_list<std::string_view> wanted);
/// Its "properties", or an empty object.
const Json& properties(const Json& schema);
bool is_required(const Json& schema, std::string_view name);
/// Its description and title.
std::string description_of(const Json& schema);

}  // namespace beluga::llm::offline_model
