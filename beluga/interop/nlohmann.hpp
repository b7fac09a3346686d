#pragma once
/// Conversions between beluga::Json and nlohmann::json. Header-only; include it where both are used.
///
///     nlohmann::json theirs = beluga::to_nlohmann(ours);
///     beluga::Json ours = beluga::from_nlohmann(theirs);
///
/// nlohmann's integers are 64-bit and its other numbers doubles: a longer number is rounded, one beyond the
/// largest double throws Error{invalid_argument}, as do NaN and binary values on the way back. nlohmann::json
/// sorts keys; say to_nlohmann<nlohmann::ordered_json>() to keep their order.

#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"

namespace beluga {

template <class BasicJson = nlohmann::json>
BasicJson to_nlohmann(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::null:
      return nullptr;
    case Json::Kind::boolean:
      return json.as_bool();
    case Json::Kind::string:
      return json.as_string();
    case Json::Kind::number: {
      // Only what is written as an integer becomes one: 1.0 stays a float on the other side.
      const std::string_view text = json.number_text();
      if (text.find_first_of(".eE") == std::string_view::npos && text != "-0") {
        std::int64_t whole = 0;
        std::uint64_t positive = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, whole).ec == std::errc{}) return whole;
        if (std::from_chars(text.data(), end, positive).ec == std::errc{}) return positive;
      }
      return json.as_double();
    }
    case Json::Kind::array: {
      BasicJson out = BasicJson::array();
      for (const Json& item : json.items()) out.push_back(to_nlohmann<BasicJson>(item));
      return out;
    }
    case Json::Kind::object: {
      BasicJson out = BasicJson::object();
      for (const Json::Member& member : json.members())
        out[member.key] = to_nlohmann<BasicJson>(member.value);
      return out;
    }
  }
  return nullptr;
}

template <class BasicJson>
Json from_nlohmann(const BasicJson& json) {
  using Type = nlohmann::detail::value_t;
  switch (json.type()) {
    case Type::null:
      return nullptr;
    case Type::boolean:
      return json.template get<bool>();
    case Type::string:
      return json.template get<std::string>();
    case Type::number_integer:
      return json.template get<std::int64_t>();
    case Type::number_unsigned:
      return json.template get<std::uint64_t>();
    case Type::number_float:
      return json.template get<double>();
    case Type::array: {
      std::vector<Json> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(from_nlohmann(item));
      return Json::array(std::move(items));
    }
    case Type::object: {
      std::vector<Json::Member> members;
      members.reserve(json.size());
      for (const auto& [key, value] : json.items()) members.push_back({key, from_nlohmann(value)});
      return Json::object(std::move(members));
    }
    case Type::binary:
    case Type::discarded:
      break;
  }
  raise(Error(ErrorCode::invalid_argument,
              "a binary or discarded nlohmann::json has no JSON form; encode it first"));
}

}  // namespace beluga
