#include "beluga/net/internal/tcp_connect.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/saturating.hpp"

namespace beluga::detail {

std::vector<TcpAddress> resolve_tcp(const std::string& host, std::uint16_t port) {
  return blocking({.name = "resolve host", .mode = Blocking::may_be_abandoned}, [host, port] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int result = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (result != 0)
      throw Error(ErrorCode::unavailable,
                  fmt::format("cannot resolve '{}': {}", host, ::gai_strerror(result)));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    std::vector<TcpAddress> out;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
      TcpAddress address;
      std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
      address.size = entry->ai_addrlen;
      out.push_back(address);
    }
    return out;
  });
}

bool wait_ready(Socket& socket, bool readable, std::optional<TimePoint> until) {
  struct Arrival {
    ParkingSpot spot;
    bool done = false;
  };
  auto arrival = std::make_shared<Arrival>();
  auto ready = [arrival] {
    arrival->done = true;
    arrival->spot.notify();
  };
  if (readable)
    socket.when_readable(std::move(ready));
  else
    socket.when_writable(std::move(ready));
  const IoPending pending;
  while (!arrival->done) {
    const Wake wake = arrival->spot.wait(until);
    if (arrival->done) break;
    throw_if_interrupted(wake);
    if (wake == Wake::timeout) return false;
  }
  return true;
}

namespace {

/// Null: `error` says why.
std::unique_ptr<Socket> attempt_one(boost::asio::io_context& io, const TcpAddress& address,
                                    std::optional<TimePoint> until, int& error) {
  FileDescriptor fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int number = fd.get();
  if (number < 0) {
    error = errno;
    return nullptr;
  }
  const int on = 1;
  ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const int result = ::connect(number, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  error = result == 0 ? 0 : errno;
  if (error != 0 && error != EINPROGRESS) return nullptr;
  auto socket = std::make_unique<Socket>(io, std::move(fd));
  if (error == EINPROGRESS) {
    if (!wait_ready(*socket, false, until)) {
      error = ETIMEDOUT;
      return nullptr;
    }
    socklen_t size = sizeof(error);
    ::getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  return error == 0 ? std::move(socket) : nullptr;
}

}  // namespace

TcpConnection connect_tcp(boost::asio::io_context& io, std::span<const TcpAddress> addresses) {
  TcpConnection out{.socket = nullptr, .error = EADDRNOTAVAIL};
  const auto deadline = Context::current().deadline();
  for (; !addresses.empty() && !out.socket; addresses = addresses.subspan(1)) {
    std::optional<TimePoint> until;
    if (deadline && addresses.size() > 1) {
      const TimePoint now = Clock::current().now();
      until = saturating_add(
          now, saturating_distance(now, *deadline) / static_cast<Duration::rep>(addresses.size()));
    }
    out.socket = attempt_one(io, addresses.front(), until, out.error);
  }
  return out;
}

}  // namespace beluga::detail
