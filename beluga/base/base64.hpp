#pragma once
/// Base64 with the standard alphabet and padding (RFC 4648 section 4): for media in JSON and data URLs.

#include <string>
#include <string_view>

namespace beluga {

std::string base64_encode(std::string_view bytes);
/// Appends to `out`; no intermediate string.
void append_base64(std::string& out, std::string_view bytes);
/// Strict: no whitespace, padding required, unused bits zero. Throws Error{invalid_argument} naming the
/// offset.
std::string base64_decode(std::string_view text);

}  // namespace beluga
