#pragma once
/// Durations and byte sizes as people write and read them: "1m30s", "250ms", "64 MiB".

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace beluga {

/// One or more numbers with a unit, largest first: "30s", "1m30s", "1.5h", "250ms", "-2s". Units: ns, us (or
/// µs), ms, s, m, h, d. A number without unit is refused, except "0": guessing seconds or milliseconds is how
/// outages begin.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept;
/// Two significant units or three digits: "850ns", "12.3ms", "4.2s", "1m30s", "2h5m", "3d4h".
std::string format_duration(std::chrono::nanoseconds duration);

/// "4096", "10 kB", "64KiB", "1.5GB", "16M". kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB and the
/// letters alone powers of 1024. Letter case does not matter.
std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;
/// "512 B", "1.5 KiB", "2 GiB".
std::string format_bytes(std::uint64_t bytes);

}  // namespace beluga
