#pragma once
/// Base 64 (RFC 4648), strict: one text for each sequence of bytes and the other way round.

#include <cstddef>
#include <string>
#include <string_view>

namespace beluga {

/// Section 4, with padding.
std::string base64_encode(std::string_view bytes);
/// Appends to `out`; no intermediate string.
void append_base64(std::string& out, std::string_view bytes);
/// Throws Error{invalid_argument} with the offset: for characters outside the alphabet (white space
/// included), missing or misplaced padding, and non-zero bits after the last byte.
std::string base64_decode(std::string_view text);

/// Section 5 ("base64url"), without padding, as in JWT and URLs.
std::string base64url_encode(std::string_view bytes);
std::string base64url_decode(std::string_view text);

}  // namespace beluga
