#pragma once
/// One connection of the HTTP server: its input pump, its requests in order, its output. Not installed.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/http_server.hpp"
#include "beluga/net/internal/connection_places.hpp"
#include "beluga/net/internal/http_server_parser.hpp"
#include "beluga/net/internal/tls_socket.hpp"

namespace beluga {

namespace detail {

class ServerConnection;

/// What the connections of one worker share. Touched on that worker only.
struct ServerLane {
  std::list<ServerConnection*> event_streams;  ///< kept alive by comments
  ParkingSpot keeper;                          ///< notified when the first one comes
};

}  // namespace detail

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  /// In the Context of a handler, and of all that it starts: which server it belongs to.
  struct HandlerOf {
    using Value = char;
  };

  Impl();

  HttpServerOptions options;
  Handler handler;
  detail::FileDescriptor listener;
  std::uint16_t port = 0;

  mutable std::mutex mutex;  ///< leaf: tls
  std::shared_ptr<const detail::TlsContext> tls;

  std::shared_ptr<detail::ConnectionPlaces> places;
  std::atomic<std::uint64_t> accepted{0}, refused{0}, requests{0}, rejected{0};
  std::atomic<std::size_t> cancelled_handlers{0};
  std::atomic<bool> draining{false}, stopping{false};
  CancelSource drain_source;  ///< fired when draining starts
  Signal drained;
  Mutex drain_mutex;
  HttpDrainReport report;

  /// The runtime may be destroyed before the server is.
  const std::shared_ptr<Runtime::Impl> host;
  const std::shared_ptr<const char> mark = std::make_shared<const char>('h');  ///< the value of HandlerOf
  std::unique_ptr<Scope> scope;  ///< owns the acceptors, which own the connections
  std::atomic<std::size_t> lanes_open{0};
  Signal lanes_done;

  void listen();
  void start();
  class Lane;
  /// Accepts and serves connections on the calling fiber's worker until the server drains.
  void run_lane(Lane& lane);
  /// Starts to serve one; throws when there is no memory for it.
  void serve(detail::FileDescriptor connection, std::string peer, Scope& running, detail::ServerLane& shared);
  /// Throws Error{failed_precondition} to a handler of this server, which would wait for itself.
  void refuse_own_handler(std::string_view call) const;
  bool in_own_handler() const;
  HttpDrainReport drain(Duration grace);
  HttpDrainReport drain_here(Duration grace);
};

namespace detail {

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(std::shared_ptr<HttpServer::Impl> server, ServerLane& lane, boost::asio::io_context& io,
                   FileDescriptor fd, std::string peer, ConnectionPlace place);
  ~ServerConnection();

  /// The life of the connection. On a fiber of its worker.
  void serve();

  // For HttpServerRequest.
  std::string_view read_body(std::string& chunk);
  const std::string& peer() const noexcept { return peer_; }
  bool tls() const noexcept { return tls_; }
  std::uint64_t body_limit() const noexcept { return server_->options.limits.body_bytes; }
  /// Marks the request as the client's fault: what the handler throws next is answered with `status`.
  [[noreturn]] void fault(int status, ErrorCode code, std::string message);

  // For HttpServerResponse.
  bool head_sent() const noexcept { return head_sent_; }
  void send_whole(int status, const HttpHeaders& headers, std::string_view content_type,
                  std::string_view body);
  void send_error(const HttpHeaders& headers, const Error& error);
  void start_stream(int status, const HttpHeaders& headers);
  void write_chunk(std::string_view data);
  void end_stream();
  void keep_alive_by_comments();
  /// `headers` are those of the answer, for what a refusal has to name.
  WebSocket upgrade(WebSocketServerOptions options, HttpHeaders& headers);
  /// For the lane's keeper: a comment, if nothing was written since `before`.
  void comment_if_silent(TimePoint before) noexcept;

 private:
  enum class Next : std::uint8_t { request, close, linger, detached };
  enum class Wait : std::uint8_t { ready, timeout, interrupted };

  bool handshake();
  Next await_head(bool first);
  Next handle(bool last);
  void run_handler(HttpServerRequest& request, HttpServerResponse& response);
  void answer_failure(HttpServerResponse& response, const Error& error, bool foreign);
  /// The server's own answer, outside a handler. Never throws.
  void answer(int status, std::string_view code, std::string_view message) noexcept;
  bool discard_body();
  void linger();

  void arm_reader();
  void fill() noexcept;
  void client_gone() noexcept;
  Wait wait_for_input(TimePoint until);
  std::string_view input() const noexcept { return std::string_view(in_).substr(in_position_); }
  void consume(std::size_t bytes);
  std::string& format_head(int status, const HttpHeaders& headers);
  void write(std::span<std::string_view> parts);
  void write_one(std::string_view data) { write({&data, 1}); }

  std::shared_ptr<HttpServer::Impl> server_;
  ServerLane& lane_;
  boost::asio::io_context& io_;
  ConnectionPlace place_;  ///< goes after the socket
  std::unique_ptr<Socket> socket_;
  std::string peer_;
  bool served_ = false;
  bool tls_ = false;

  ParkingSpot reader_;
  ParkingSpot writer_;
  std::string in_;
  std::size_t in_position_ = 0;
  bool reading_ = false;  ///< a readiness wait is pending
  bool read_blocked_on_write_ = false;
  bool eof_ = false;

  std::optional<RequestParser> parser_;
  std::optional<CancelSource> request_;  ///< while a handler runs
  int fault_ = 0;
  bool continue_sent_ = false;

  // The response under way.
  std::string head_;
  bool head_only_ = false, head_sent_ = false, streaming_ = false, chunked_ = false, ended_ = false,
       close_after_ = false, detached_ = false, broken_ = false;
  bool write_waiting_ = false;
  bool writing_ = false;
  std::string unsent_;  ///< rest of a comment of the keeper
  TimePoint last_write_{};
  std::optional<std::list<ServerConnection*>::iterator> in_lane_;
};

}  // namespace detail
}  // namespace beluga
