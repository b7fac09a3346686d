#pragma once
/// Values for a tool's arguments and for structured output, found in the words of a request.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/base/json.hpp"

namespace beluga::llm::offline_model {

/// Fills one value from the text, by its schema. Used for arguments and for structured output. `used` keeps
/// byte ranges that other arguments have taken.
struct Filler {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>> used;
  std::optional<Json> value(const std::string& name, const Json& schema, const Json& root, bool required);
};

/// The longest arithmetic expression, words replaced by operators; empty if there is none.
std::string find_expression(std::string_view text, std::size_t* begin = nullptr, std::size_t* end = nullptr);

}  // namespace beluga::llm::offline_model
