#pragma once
/// Conversions between beluga::Json and boost::json::value. Header-only; link Boost.JSON where it is used.
///
///     boost::json::value theirs = beluga::to_boost_json(ours);
///     beluga::Json ours = beluga::from_boost_json(theirs);
///
/// Boost's integers are 64-bit and its other numbers doubles: a longer number is rounded, one beyond the
/// largest double throws Error{invalid_argument}. Both sides keep the order of keys.

#include <boost/json.hpp>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"

namespace beluga {

inline boost::json::value to_boost_json(const Json& json, boost::json::storage_ptr storage = {}) {
  switch (json.kind()) {
    case Json::Kind::null:
      break;
    case Json::Kind::boolean:
      return boost::json::value(json.as_bool(), storage);
    case Json::Kind::string:
      return boost::json::value(boost::json::string_view(json.as_string()), storage);
    case Json::Kind::number: {
      // Only what is written as an integer becomes one: 1.0 stays a double on the other side.
      const std::string_view text = json.number_text();
      if (text.find_first_of(".eE") == std::string_view::npos && text != "-0") {
        std::int64_t whole = 0;
        std::uint64_t positive = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, whole).ec == std::errc{})
          return boost::json::value(whole, storage);
        if (std::from_chars(text.data(), end, positive).ec == std::errc{})
          return boost::json::value(positive, storage);
      }
      return boost::json::value(json.as_double(), storage);
    }
    case Json::Kind::array: {
      boost::json::array out(storage);
      out.reserve(json.size());
      for (const Json& item : json.items()) out.push_back(to_boost_json(item, storage));
      return out;
    }
    case Json::Kind::object: {
      boost::json::object out(storage);
      out.reserve(json.size());
      for (const Json::Member& member : json.members())
        out[member.key] = to_boost_json(member.value, storage);
      return out;
    }
  }
  return boost::json::value(nullptr, storage);
}

inline Json from_boost_json(const boost::json::value& json) {
  switch (json.kind()) {
    case boost::json::kind::null:
      return nullptr;
    case boost::json::kind::bool_:
      return json.get_bool();
    case boost::json::kind::int64:
      return json.get_int64();
    case boost::json::kind::uint64:
      return json.get_uint64();
    case boost::json::kind::double_:
      return json.get_double();
    case boost::json::kind::string:
      return std::string(json.get_string().data(), json.get_string().size());
    case boost::json::kind::array: {
      std::vector<Json> items;
      items.reserve(json.get_array().size());
      for (const auto& item : json.get_array()) items.push_back(from_boost_json(item));
      return Json::array(std::move(items));
    }
    case boost::json::kind::object: {
      std::vector<Json::Member> members;
      members.reserve(json.get_object().size());
      for (const auto& member : json.get_object())
        members.push_back(
            {std::string(member.key().data(), member.key().size()), from_boost_json(member.value())});
      return Json::object(std::move(members));
    }
  }
  return nullptr;
}

}  // namespace beluga
