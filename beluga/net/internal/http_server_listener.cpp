// The server behind its connections: listening, accepting within the limits, draining.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "beluga/base/result.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/http_server_connection.hpp"
#include "beluga/net/internal/http_server_text.hpp"

namespace beluga {

namespace {
TimePoint now() {
  return Clock::current().now();
}
}  // namespace

void HttpServer::Impl::listen() {
  sockaddr_storage address{};
  socklen_t size = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&address);
  auto* six = reinterpret_cast<sockaddr_in6*>(&address);
  if (::inet_pton(AF_INET, options.address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(options.port);
    size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, options.address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(options.port);
    size = sizeof(sockaddr_in6);
  } else {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("HttpServer: '{}' is no numeric address; use 127.0.0.1, ::1, 0.0.0.0 or ::",
                            options.address));
  }
  listener = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (listener >= 0) ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 4096) != 0) {
    const int error = errno;
    if (listener >= 0) ::close(listener);
    throw Error(ErrorCode::unavailable,
                fmt::format("HttpServer: cannot listen on {} port {}: {}{}", options.address, options.port,
                            std::strerror(error),
                            error == EADDRINUSE ? "; choose another port, or 0 for any free one" : ""));
  }
  size = sizeof(address);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

bool HttpServer::Impl::admit(const std::string& address) {
  if (connections.fetch_add(1) < options.limits.connections) {
    const std::lock_guard lock(mutex);
    std::size_t& count = per_address[address];
    if (count < options.limits.connections_per_address) {
      ++count;
      return true;
    }
  }
  --connections;
  return false;
}

void HttpServer::Impl::release(const std::string& address) noexcept {
  --connections;
  const std::lock_guard lock(mutex);
  const auto found = per_address.find(address);
  if (found != per_address.end() && --found->second == 0) per_address.erase(found);
}

void HttpServer::Impl::run_lane(int fd) {
  auto& io = detail::worker_io();
  detail::ServerLane lane;
  Scope keeper;
  keeper.spawn("http keep-alive", [this, &lane] {
    const Duration period = options.sse_keep_alive / 2;
    for (;;) {
      while (lane.event_streams.empty()) detail::throw_if_interrupted(lane.keeper.wait());
      sleep_for(period);
      const TimePoint before = now() - period;
      for (detail::ServerConnection* connection : lane.event_streams) connection->comment_if_silent(before);
    }
  });
  {
    Scope running(Scope::OnFailure::keep_going);
    auto spot = std::make_shared<detail::ParkingSpot>();
    boost::asio::posix::stream_descriptor acceptor(io, fd);
    CancelCallback on_drain(drain_source.token(), [spot] { spot->notify(); });
    bool waiting = false;
    while (!draining && !Context::current().cancel_token().cancelled()) {
      sockaddr_storage address{};
      socklen_t size = sizeof(address);
      const int connection =
          ::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) {
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
        std::optional<TimePoint> until;
        // No descriptors left (EMFILE, ENFILE) or no memory: what is running must end first.
        if (errno != EAGAIN && errno != EWOULDBLOCK)
          until = now() + std::chrono::milliseconds(50);
        else if (!std::exchange(waiting, true))
          acceptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [spot, &waiting](const boost::system::error_code& error) {
                                if (error != boost::asio::error::operation_aborted) waiting = false;
                                spot->notify();
                              });
        (void)spot->wait(until);
        continue;
      }
      ++accepted;
      std::string peer = detail::address_text(address);
      if (!admit(peer)) {
        ++refused;
        // Best effort: the answer fits into the socket's buffer, and nobody waits for it.
        static constexpr std::string_view kBusy =
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: "
            "1\r\n\r\n";
        if (!options.tls) (void)::send(connection, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::shutdown(connection, SHUT_WR);
        ::close(connection);
        continue;
      }
      const int on = 1;
      ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      // Given back also when there is no memory for a fiber, or none for the connection.
      const auto give_back = [self = shared_from_this(), peer](void*) { self->release(peer); };
      std::shared_ptr<void> place(this, give_back);
      auto served =
          std::make_shared<detail::ServerConnection>(shared_from_this(), lane, io, connection, peer);
      running.spawn("http connection", [place = std::move(place), served = std::move(served)]() mutable {
        (void)attempt([&] { served->serve(); });
        place.reset();
      });
    }
    acceptor.close();
    (void)attempt([&] { running.join(); });
  }
  keeper.cancel(Error(ErrorCode::cancelled, "server is shutting down"));
}

void HttpServer::Impl::start() {
  const auto launch = [this] {
    // The server outlives the work that made it: that work's deadline is not the requests'.
    ContextScope clean{Context()};
    scope = std::make_unique<Scope>(Scope::OnFailure::keep_going);
    const unsigned lanes = detail::worker_count();
    lanes_running = lanes;
    for (unsigned i = 0; i < lanes; ++i) {
      const int fd = ::fcntl(listener, F_DUPFD_CLOEXEC, 0);
      scope->spawn("http acceptor", [this, fd] {
        const auto outcome = attempt([&] { run_lane(fd); });
        if (lanes_running.fetch_sub(1) == 1) lanes_done.set();
        outcome.value();
      });
    }
  };
  // From a plain thread, fibers start on the workers in turn; from a fiber they would all be its neighbours.
  if (Runtime::on_fiber())
    blocking(launch);
  else
    launch();
}

bool HttpServer::Impl::in_own_handler() const {
  return Context::current().get<HandlerOf>() == mark.get();
}

HttpServer::Impl::Impl() : host(detail::RuntimeAccess::impl(Runtime::current()).shared_from_this()) {}

void HttpServer::Impl::refuse_own_handler(std::string_view call) const {
  if (in_own_handler())
    throw Error(
        ErrorCode::failed_precondition,
        fmt::format("HttpServer: {}() inside a handler of the same server would wait for that handler; "
                    "set a Signal there, and call it where the server is owned",
                    call));
}

HttpDrainReport HttpServer::Impl::drain(Duration grace) {
  refuse_own_handler("drain");
  // The grace period is time of the server's runtime, also for callers outside of it.
  Runtime* const runtime = host->face.load();
  if (runtime == nullptr ||
      (Runtime::on_fiber() && &detail::RuntimeAccess::impl(Runtime::current()) == host.get()))
    return drain_here(grace);
  return runtime->run([&] { return drain_here(grace); });
}

HttpDrainReport HttpServer::Impl::drain_here(Duration grace) {
  const std::lock_guard lock(drain_mutex);
  if (drained.is_set()) return report;
  const std::size_t open = connections;
  draining = true;
  ::close(std::exchange(listener, -1));
  drain_source.cancel(Error(ErrorCode::cancelled, "server is shutting down"));
  const bool in_time = lanes_done.wait_until(now() + grace);
  if (!in_time) {
    stopping = true;
    scope->cancel(Error(ErrorCode::cancelled, "server is shutting down"));
  }
  (void)attempt([&] { scope->join(); });
  report.cancelled = cancelled_handlers;
  report.finished = open - std::min(open, report.cancelled);
  drained.set();
  return report;
}

}  // namespace beluga
