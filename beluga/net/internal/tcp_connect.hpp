#pragma once
/// TCP connections of a fiber that waits: to the first of a host's addresses that answers. Not installed.

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "beluga/fiber/clock.hpp"
#include "beluga/net/internal/tls_socket.hpp"

namespace beluga::detail {

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// Asks the system's resolver; the calling fiber waits. Throws Error{unavailable}.
std::vector<TcpAddress> resolve_tcp(const std::string& host, std::uint16_t port);

struct TcpConnection {
  std::unique_ptr<Socket> socket;  ///< null: `error`
  int error = 0;                   ///< errno of the last attempt
};
/// Tries one after the other. What time the current context leaves is shared out, so that an address that says
/// nothing takes none from those behind it. On a fiber of `io`'s worker.
TcpConnection connect_tcp(boost::asio::io_context& io, std::span<const TcpAddress> addresses);

/// Waits until the socket is ready; false: not by `until`. Throws what interrupts the wait.
bool wait_ready(Socket& socket, bool readable, std::optional<TimePoint> until = std::nullopt);

}  // namespace beluga::detail
