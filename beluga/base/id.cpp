#include "beluga/base/id.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <system_error>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kLength = 26;
constexpr std::uint64_t kTimeLimit = std::uint64_t{1} << 48U;

/// The value of a Crockford digit, -1 for anything else. I, L, O and U are not digits of a canonical ULID.
constexpr std::array<std::int8_t, 256> kDigits = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    const auto upper = static_cast<unsigned char>(kAlphabet[i]);
    table[upper] = static_cast<std::int8_t>(i);
    if (upper >= 'A') table[upper + ('a' - 'A')] = static_cast<std::int8_t>(i);
  }
  return table;
}();

int digit(char c) noexcept {
  return kDigits[static_cast<unsigned char>(c)];
}

struct Random80 {
  std::uint64_t high = 0;  // 16 bits
  std::uint64_t low = 0;
};

Random80 random80() {
  std::array<unsigned char, 10> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      raise(Error(ErrorCode::unavailable,
                  "getrandom(2): " + std::system_category().message(errno) + "; the kernel must provide it"));
    have += static_cast<std::size_t>(got);
  }
  Random80 out;
  out.high = static_cast<std::uint64_t>(bytes[0]) | static_cast<std::uint64_t>(bytes[1]) << 8U;
  std::memcpy(&out.low, bytes.data() + 2, sizeof out.low);
  return out;
}

/// The last ULID of the process, so that the next one in the same millisecond sorts after it.
struct Last {
  std::mutex mutex;
  std::uint64_t unix_ms = 0;
  Random80 random;
  ::pid_t process = 0;  // a forked child must not continue its parent's sequence
};

Last& last() {
  static Last instance;
  return instance;
}

}  // namespace

std::string make_ulid(std::uint64_t unix_ms, std::uint64_t high, std::uint64_t low) {
  if (unix_ms >= kTimeLimit)
    raise(Error(ErrorCode::invalid_argument,
                "make_ulid: " + std::to_string(unix_ms) + " ms does not fit in 48 bits"));
  std::string out(kLength, '0');
  for (std::size_t i = 10; i-- > 0; unix_ms >>= 5U) out[i] = kAlphabet[unix_ms & 31U];
  high &= 0xFFFFU;
  for (std::size_t i = kLength; i-- > 10;) {
    out[i] = kAlphabet[low & 31U];
    low = low >> 5U | high << 59U;
    high >>= 5U;
  }
  return out;
}

std::string new_ulid() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ms =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const ::pid_t process = ::getpid();
  Last& state = last();
  std::uint64_t unix_ms = 0;
  Random80 random;
  {
    const std::lock_guard lock(state.mutex);
    if (now_ms > state.unix_ms || process != state.process) {
      state.random = random80();
      state.unix_ms = now_ms > state.unix_ms ? now_ms : state.unix_ms;
      state.process = process;
    } else if (++state.random.low == 0 && ((++state.random.high) & 0xFFFFU) == 0) {
      // All 80 bits were used up in one millisecond: borrow the next one, order is worth more than the exact
      // time.
      state.random = random80();
      ++state.unix_ms;
    }
    unix_ms = state.unix_ms;
    random = state.random;
  }
  return make_ulid(unix_ms, random.high, random.low);
}

bool is_ulid(std::string_view text) noexcept {
  // 26 digits hold 130 bits; the first digit may only carry 3 of them.
  if (text.size() != kLength || digit(text[0]) > 7) return false;
  for (const char c : text)
    if (digit(c) < 0) return false;
  return true;
}

std::uint64_t ulid_time(std::string_view ulid) {
  if (!is_ulid(ulid))
    raise(Error(ErrorCode::invalid_argument, "'" + std::string(ulid.substr(0, 40)) +
                                                 "' is not a ULID (26 characters of Crockford base 32)"));
  std::uint64_t unix_ms = 0;
  for (const char c : ulid.substr(0, 10)) unix_ms = unix_ms << 5U | static_cast<std::uint64_t>(digit(c));
  return unix_ms;
}

}  // namespace beluga
