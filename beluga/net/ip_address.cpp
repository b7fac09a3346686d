#include "beluga/net/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace beluga {
namespace {

using V4 = std::array<std::uint8_t, 4>;
using V6 = std::array<std::uint8_t, 16>;

struct Block {
  IpAddress network;
  unsigned bits;
};

// IANA IPv4 Special-Purpose Address Registry: the blocks that are not globally reachable, and multicast.
constexpr Block kNotGlobalV4[] = {
    {IpAddress(V4{0, 0, 0, 0}), 8},      {IpAddress(V4{10, 0, 0, 0}), 8},
    {IpAddress(V4{100, 64, 0, 0}), 10},  {IpAddress(V4{127, 0, 0, 0}), 8},
    {IpAddress(V4{169, 254, 0, 0}), 16}, {IpAddress(V4{172, 16, 0, 0}), 12},
    {IpAddress(V4{192, 0, 0, 0}), 24},   {IpAddress(V4{192, 0, 2, 0}), 24},
    {IpAddress(V4{192, 88, 99, 0}), 24}, {IpAddress(V4{192, 168, 0, 0}), 16},
    {IpAddress(V4{198, 18, 0, 0}), 15},  {IpAddress(V4{198, 51, 100, 0}), 24},
    {IpAddress(V4{203, 0, 113, 0}), 24}, {IpAddress(V4{224, 0, 0, 0}), 4},
    {IpAddress(V4{240, 0, 0, 0}), 4},
};

V4 v4_at(const V6& bytes, std::size_t at) noexcept {
  return {bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]};
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  V4 v4;
  if (::inet_pton(AF_INET, copy, v4.data()) == 1) return IpAddress(v4);
  V6 v6;
  if (::inet_pton(AF_INET6, copy, v6.data()) == 1) return IpAddress(v6);
  return std::nullopt;
}

bool IpAddress::in(const IpAddress& network, unsigned bits) const noexcept {
  if (v6_ != network.v6_) return false;
  bits = std::min(bits, v6_ ? 128U : 32U);
  const std::size_t whole = bits / 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole),
                  network.bytes_.begin()))
    return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((bytes_[whole] ^ network.bytes_[whole]) >> (8U - rest)) == 0;
}

bool IpAddress::is_loopback() const noexcept {
  if (!v6_) return bytes_[0] == 127;
  static constexpr IpAddress kMapped(V6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
  if (in(kMapped, 96)) return bytes_[12] == 127;
  static constexpr IpAddress kLoopback(V6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  return *this == kLoopback;
}

bool IpAddress::is_global() const noexcept {
  if (!v6_) {
    return std::ranges::none_of(kNotGlobalV4,
                                [&](const Block& block) { return in(block.network, block.bits); });
  }
  const auto starts = [&](std::initializer_list<std::uint8_t> prefix, unsigned bits) {
    V6 network{};
    std::ranges::copy(prefix, network.begin());
    return in(IpAddress(network), bits);
  };
  // NAT64 (RFC 6052) and 6to4 (RFC 3056) reach the IPv4 address inside. The local-use NAT64 prefix (RFC 8215)
  // is private.
  if (starts({0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 96))
    return IpAddress(v4_at(bytes_, 12)).is_global();
  if (starts({0x20, 0x02}, 16)) return IpAddress(v4_at(bytes_, 2)).is_global();
  // Only 2000::/3 is given out as global unicast (IANA); this leaves out ::, ::1, mapped and compatible
  // addresses, fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
  if (!starts({0x20}, 3)) return false;
  if (starts({0x20, 0x01, 0x00, 0x00}, 23))
    return false;  // protocol assignments, Teredo, benchmarking, ORCHID
  if (starts({0x20, 0x01, 0x0d, 0xb8}, 32)) return false;  // documentation
  if (starts({0x3f, 0xff, 0x00}, 20)) return false;        // documentation (RFC 9637)
  return true;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
  return text;
}

}  // namespace beluga
