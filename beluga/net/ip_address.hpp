#pragma once
/// An IPv4 or IPv6 address, and whether it belongs to the public internet: what a client that follows other
/// people's URLs has to know before it connects. Thread-safety: a plain value.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace beluga {

class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() noexcept = default;
  constexpr explicit IpAddress(std::array<std::uint8_t, 4> v4) noexcept
      : bytes_{v4[0], v4[1], v4[2], v4[3]} {}
  constexpr explicit IpAddress(std::array<std::uint8_t, 16> v6) noexcept : bytes_(v6), v6_(true) {}

  /// Dotted decimal or RFC 4291 text, without brackets, zone or port.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;

  bool is_v6() const noexcept { return v6_; }
  /// 4 or 16 bytes in network order; for IPv4 the first four count.
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  bool is_loopback() const noexcept;
  /// Whether the address is globally reachable by the IANA special-purpose registries (RFC 6890): false for
  /// loopback, private, link-local (cloud metadata services), carrier NAT, multicast, documentation and
  /// reserved ranges. A NAT64 or 6to4 address is judged by the IPv4 address inside; IPv4-mapped,
  /// IPv4-compatible and Teredo ones are never global.
  bool is_global() const noexcept;
  /// Whether the first `bits` bits are those of `network`. False for different families.
  bool in(const IpAddress& network, unsigned bits) const noexcept;

  std::string to_string() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v6_ = false;
};

}  // namespace beluga
