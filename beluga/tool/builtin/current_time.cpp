#include <array>
#include <cstdio>
#include <cstring>
#include <optional>

#include "beluga/fiber/clock.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/internal/root_folder.hpp"
#include "beluga/tool/typed.hpp"

namespace beluga::tool::builtin {
namespace {

/// "+02:00", "-0530", "+2".
std::optional<std::int64_t> fixed_offset(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const std::int64_t sign = text[0] == '-' ? -1 : 1;
  std::string digits;
  for (const char c : text.substr(1)) {
    if (c == ':') continue;
    if (c < '0' || c > '9') return std::nullopt;
    digits += c;
  }
  if (digits.empty() || digits.size() > 4) return std::nullopt;
  const std::int64_t hours = std::stoi(digits.size() > 2 ? digits.substr(0, digits.size() - 2) : digits);
  const std::int64_t minutes = digits.size() > 2 ? std::stoi(digits.substr(digits.size() - 2)) : 0;
  if (hours > 18 || minutes > 59) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

std::int64_t big_endian(std::string_view data, std::size_t at, std::size_t width) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < width; ++i) out = out << 8U | static_cast<unsigned char>(data[at + i]);
  return width == 4 ? static_cast<std::int32_t>(out) : static_cast<std::int64_t>(out);
}

/// The offset in force at `time`, by the transition table of a TZif file (RFC 8536). Nothing for a damaged
/// file.
std::optional<std::int64_t> tzif_offset(std::string_view data, std::int64_t time) {
  std::size_t width = 4;
  for (int block = 0; block < 2; ++block) {
    if (data.size() < 44 || data.substr(0, 4) != "TZif") return std::nullopt;
    std::array<std::size_t, 6> n{};  // isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt
    for (std::size_t i = 0; i < n.size(); ++i)
      n[i] = static_cast<std::size_t>(big_endian(data, 20 + 4 * i, 4)) & 0xFFFFFFU;
    const std::size_t size = n[3] * width + n[3] + n[4] * 6 + n[5] + n[2] * (width + 4) + n[1] + n[0];
    if (data.size() < 44 + size || n[4] == 0) return std::nullopt;
    if (block == 0 && data[4] >= '2') {
      data.remove_prefix(44 + size);
      width = 8;
      continue;
    }
    const std::string_view times = data.substr(44);
    std::size_t type = 0;
    for (std::size_t i = 0; i < n[3] && big_endian(times, i * width, width) <= time; ++i)
      type = static_cast<unsigned char>(times[n[3] * width + i]);
    if (type >= n[4]) return std::nullopt;
    return big_endian(times, n[3] * width + n[3] + type * 6, 4);
  }
  return std::nullopt;
}

std::int64_t zone_offset(const std::string& zone, std::int64_t time) {
  if (zone == "UTC" || zone == "Z") return 0;
  if (const auto offset = fixed_offset(zone)) return *offset;
  for (const char c : zone)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
          c == '_' || c == '-' || c == '+'))
      raise(Error(ErrorCode::invalid_argument,
                  "/zone: use a name like Europe/Berlin or an offset like +02:00"));
  const auto data =
      attempt([&] { return beluga::detail::RootFolder("/usr/share/zoneinfo").read(zone, 1 << 20); });
  const auto offset = data.ok() ? tzif_offset(*data, time) : std::nullopt;
  if (!offset)
    raise(Error(ErrorCode::not_found, "/zone: there is no time zone '" + zone +
                                          "' here; use a name like Europe/Berlin (package "
                                          "tzdata) or an offset like +02:00"));
  return *offset;
}

struct TimeArgs {
  Field<std::string, "Time zone: UTC, an IANA name like Europe/Berlin, or an offset like +02:00",
        Limits{.min_length = 1, .max_length = 64}>
      zone = "UTC";
};

std::string now_in(const TimeArgs& args) {
  using namespace std::chrono;
  const sys_seconds utc = floor<seconds>(Clock::current().wall());
  const std::int64_t offset = zone_offset(*args.zone, utc.time_since_epoch().count());
  const sys_seconds local = utc + seconds(offset);
  const sys_days day = floor<days>(local);
  const year_month_day date(day);
  const hh_mm_ss time(local - day);
  static constexpr std::array kDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};
  const std::int64_t minutes = (offset < 0 ? -offset : offset) / 60;
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d%c%02d:%02d (%s, %s)",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                offset < 0 ? '-' : '+', static_cast<int>(minutes / 60), static_cast<int>(minutes % 60),
                kDays[weekday(day).c_encoding()], args.zone->c_str());
  return text.data();
}

}  // namespace

ToolPtr current_time() {
  return make("current_time", "Tells the current date, time and day of the week.",
              [](const TimeArgs& args) { return now_in(args); },
              {.read_only = true, .timeout = std::chrono::seconds(10)});
}

}  // namespace beluga::tool::builtin
