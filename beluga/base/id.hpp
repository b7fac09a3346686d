#pragma once
/// ULIDs (github.com/ulid/spec): 26 characters of Crockford base 32; 48 bits of milliseconds, then 80 random
/// bits. They sort by creation time, and within one millisecond and process by creation order.

#include <cstdint>
#include <string>
#include <string_view>

namespace beluga {

/// A new ULID for the current wall time. Any thread. The random bits come from getrandom(2).
std::string new_ulid();
/// A ULID from given parts: `unix_ms` below 2^48; `high` (16 bits used) and `low` are the 80 random bits.
std::string make_ulid(std::uint64_t unix_ms, std::uint64_t high, std::uint64_t low);
/// Whether `text` is a well-formed ULID (either case).
bool is_ulid(std::string_view text) noexcept;
/// Milliseconds since 1970 encoded in a ULID. Throws Error{invalid_argument}.
std::uint64_t ulid_time(std::string_view ulid);

}  // namespace beluga
