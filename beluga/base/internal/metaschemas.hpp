#pragma once
/// The metaschemas of JSON Schema 2020-12, built in so that a $ref to them needs no network.

#include <string_view>

namespace beluga::detail {

/// The document of that URI (without fragment); empty when it is none of them.
std::string_view metaschema(std::string_view uri) noexcept;

}  // namespace beluga::detail
