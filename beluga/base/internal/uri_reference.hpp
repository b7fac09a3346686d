#pragma once
/// Resolving URI references (RFC 3986 section 5.2), as far as identifiers of schemas need it. No fetching, no
/// decoding.

#include <string>
#include <string_view>

namespace beluga::detail {

struct UriParts {
  std::string_view scheme, authority, path, query, fragment;
  bool has_scheme = false, has_authority = false, has_query = false, has_fragment = false;
};
UriParts split_uri(std::string_view uri) noexcept;

/// `reference` against `base`. Either may be relative or empty; the fragment of the reference is kept.
std::string resolve_uri(std::string_view base, std::string_view reference);
/// %41 -> A. Malformed escapes stay as they are.
std::string percent_decoded(std::string_view text);

}  // namespace beluga::detail
