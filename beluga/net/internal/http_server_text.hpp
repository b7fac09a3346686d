#pragma once
/// The small texts of the HTTP server: targets, dates, error bodies. Pure functions. Not installed.

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

#include "beluga/fiber/clock.hpp"
#include "beluga/net/internal/http_server_parser.hpp"

namespace beluga::detail {

/// Percent-decodes; nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// The path of a request target in origin or absolute form (RFC 9112 section 3.2), decoded; nullopt when it
/// is refused, also because its host is not the one in Host.
std::optional<std::string> path_of(const RequestHead& head);
/// RFC 9110 section 5.6.7.
std::string http_date(WallTime wall);
/// {"error": {"code": ..., "message": ...}}
std::string error_body(std::string_view code, std::string_view message);
/// The error code that goes with a status that the server itself answers.
std::string_view rejection_code(int status);
/// 127.0.0.1, ::1; IPv4 in IPv6 as IPv4.
std::string address_text(const sockaddr_storage& address);
bool has_no_body(int status);
/// Headers that are the server's, not the handler's.
bool is_framing(std::string_view name);

}  // namespace beluga::detail
