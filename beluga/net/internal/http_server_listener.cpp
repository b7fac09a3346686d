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
#include <memory>
#include <utility>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/saturating.hpp"
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
  listener =
      detail::FileDescriptor(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int fd = listener.get();
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 4096) != 0) {
    const int error = errno;
    throw Error(ErrorCode::unavailable,
                fmt::format("HttpServer: cannot listen on {} port {}: {}{}", options.address, options.port,
                            std::strerror(error),
                            error == EADDRINUSE ? "; choose another port, or 0 for any free one" : ""));
  }
  size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

/// The part of one worker: its own descriptor of the listening socket, and a place among those that drain()
/// waits for. Both go also when there is no stack to run it on.
class HttpServer::Impl::Lane {
 public:
  explicit Lane(Impl& server)
      : listener_(::fcntl(server.listener.get(), F_DUPFD_CLOEXEC, 0)), server_(server) {
    if (listener_.get() < 0)
      throw Error(ErrorCode::unavailable,
                  fmt::format("HttpServer: no descriptor to listen with: {}", std::strerror(errno)));
    ++server_.lanes_open;
  }
  ~Lane() {
    if (server_.lanes_open.fetch_sub(1) == 1) server_.lanes_done.set();
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  detail::FileDescriptor listener_;
  bool up_ = false;  ///< all of its fibers run

 private:
  Impl& server_;
};

void HttpServer::Impl::serve(detail::FileDescriptor connection, std::string peer, Scope& running,
                             detail::ServerLane& shared) {
  auto place = places->take(peer);
  if (!place) {
    ++refused;
    // Best effort: the answer fits into the socket's buffer, and nobody waits for it.
    static constexpr std::string_view kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: "
        "1\r\n\r\n";
    if (!options.tls) (void)::send(connection.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(connection.get(), SHUT_WR);
    return;
  }
  const int on = 1;
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  auto served =
      std::make_shared<detail::ServerConnection>(shared_from_this(), shared, detail::worker_io(),
                                                 std::move(connection), std::move(peer), *std::move(place));
  // The scope keeps what a refused child holds until the server ends: so that one must not hold the connection.
  bool started = false;
  const Future<void> outcome = running.spawn("http connection", [&started, self = served.get()] {
    const auto own = self->shared_from_this();
    started = true;
    (void)attempt([&] { own->serve(); });
  });
  // Not even a cancelled acceptor may go before the child has its own hold on the connection.
  while (!started && !outcome.ready()) (void)attempt([] { yield_now(); });
}

void HttpServer::Impl::run_lane(Lane& lane) {
  auto& io = detail::worker_io();
  detail::ServerLane shared;
  bool keeping = false;
  Scope keeper;
  const Future<void> kept = keeper.spawn("http keep-alive", [this, &shared, &keeping] {
    keeping = true;
    const Duration period = options.sse_keep_alive / 2;
    for (;;) {
      while (shared.event_streams.empty()) detail::throw_if_interrupted(shared.keeper.wait());
      sleep_for(period);
      const TimePoint before = now() - period;
      for (detail::ServerConnection* connection : shared.event_streams) connection->comment_if_silent(before);
    }
  });
  {
    Scope running(Scope::OnFailure::keep_going);
    auto spot = std::make_shared<detail::ParkingSpot>();
    const int fd = lane.listener_.get();
    boost::asio::posix::stream_descriptor acceptor(io, fd);
    (void)lane.listener_.release();
    while (!keeping && !kept.ready()) yield_now();
    if (kept.ready()) kept.get();
    lane.up_ = true;
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
      // One that there is no memory for must not take the others down with it.
      (void)attempt([&, connection = detail::FileDescriptor(connection)]() mutable {
        serve(std::move(connection), detail::address_text(address), running, shared);
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
    std::vector<std::unique_ptr<Lane>> lanes(detail::worker_count());
    for (auto& lane : lanes) lane = std::make_unique<Lane>(*this);
    std::vector<Future<void>> starts;
    for (auto& lane : lanes) {
      starts.push_back(scope->spawn("http start", [this, own = std::move(lane)]() mutable {
        Lane& started = *own;
        const Future<void> accepting =
            scope->spawn("http acceptor", [this, lane = std::move(own)] { run_lane(*lane); });
        while (!accepting.ready() && !started.up_) yield_now();
        if (accepting.ready()) accepting.get();
      }));
    }
    for (const auto& start : starts) start.get();
  };
  const auto launched = attempt([&] {
    // From a plain thread, fibers start on the workers in turn; from a fiber they would all be its neighbours.
    if (Runtime::on_fiber())
      blocking(launch);
    else
      launch();
  });
  if (launched.ok()) return;
  ContextScope deaf{Context()};  // what was started has to end, also for a caller who was cancelled
  (void)attempt([&] { drain_here(Duration::zero()); });
  raise(launched.error());
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
  const std::size_t open = places->taken();
  draining = true;
  listener = {};
  drain_source.cancel(Error(ErrorCode::cancelled, "server is shutting down"));
  if (scope) {  // else the start has failed before there was one
    if (!lanes_done.wait_until(detail::saturating_add(now(), grace))) {
      stopping = true;
      scope->cancel(Error(ErrorCode::cancelled, "server is shutting down"));
    }
    (void)attempt([&] { scope->join(); });
  }
  report.cancelled = cancelled_handlers;
  report.finished = open - std::min(open, report.cancelled);
  drained.set();
  return report;
}

}  // namespace beluga
