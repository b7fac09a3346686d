#pragma once
/// An HTTP/1.1 server. A handler is a plain function that runs on a fiber of its own and may wait as it
/// likes.
///
///     HttpServer server({.port = 8080}, [](HttpServerRequest& request, HttpServerResponse& response) {
///       if (request.path() != "/chat") return response.send(404, "text/plain", "no such page\n");
///       std::string question = request.body();                     // pulled now, limited
///       auto& events = response.sse();                             // text/event-stream
///       for (const Event& event : agent.stream(question)) events.send({.data = to_json(event).dump()});
///     });
///     server.wait();                                               // until somebody calls drain()
///
/// While the handler runs, the connection is watched: when the client goes away, the handler's Context is
/// cancelled at once with the cause "client went away". What a handler throws becomes a JSON answer: an Error
/// by its code (see `http_status_of`), anything else a 500 that tells nothing about the inside. Once the head
/// of the response is out, a throw cuts the connection instead, so that nobody takes half an answer for a
/// whole one.
///
/// The server binds to loopback unless told otherwise, does not name itself, refuses what two parsers could
/// read differently (RFC 9112 sections 5, 6 and 11), and bounds everything a stranger may send.
///
/// Thread-safety: HttpServer: all members from any thread or fiber. Handlers run concurrently, on all workers
/// of the runtime that is current when the server is made. Request, response and what they hand out belong to
/// the handler's fiber.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/function.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/net/http.hpp"
#include "beluga/net/tls.hpp"

namespace beluga {

class Json;
class WebSocket;
struct WebSocketServerOptions;
namespace detail {
class ServerConnection;
struct RequestHead;
}  // namespace detail

struct HttpServerLimits {
  std::size_t request_line_bytes = 8 * 1024;      ///< beyond: 414
  std::size_t header_bytes = 32 * 1024;           ///< whole head; beyond: 431
  std::size_t header_count = 100;                 ///< beyond: 431
  std::uint64_t body_bytes = 8 * 1024 * 1024;     ///< beyond: 413
  std::size_t connections = 10'000;               ///< beyond: 503, then closed
  std::size_t connections_per_address = 1'000;    ///< beyond: 503, then closed
  std::size_t requests_per_connection = 100'000;  ///< then Connection: close
  Duration header_timeout =
      std::chrono::seconds(10);  ///< from the first byte to the end of the head; also TLS handshake
  Duration idle_timeout = std::chrono::seconds(60);        ///< between requests
  Duration body_idle_timeout = std::chrono::seconds(30);   ///< a pull of the body without a byte
  Duration write_idle_timeout = std::chrono::seconds(30);  ///< a client that takes no byte of the response
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";  ///< numeric; "0.0.0.0" or "::" to be reachable from elsewhere
  std::uint16_t port = 0;             ///< 0: the system picks; see HttpServer::port()
  std::optional<TlsServerOptions> tls = std::nullopt;
  HttpServerLimits limits = {};
  /// Host names (without port) that requests may name; empty: any. Set it for servers on loopback that a
  /// browser may reach, against DNS rebinding. Others get 421.
  std::vector<std::string> hosts = {};
  Duration sse_keep_alive = std::chrono::seconds(15);  ///< a comment after this much silence; 0: never
  /// Told of everything a handler threw, before the answer goes out. Called concurrently; must not wait or
  /// throw.
  Function<void(std::string_view method, std::string_view path, const Error& error)> on_error = nullptr;
};

/// What to answer for an error: the mapping of google.rpc.Code to HTTP. `cancelled` is 499 (the client went
/// away).
int http_status_of(ErrorCode code) noexcept;

class HttpServerRequest {
 public:
  HttpServerRequest(const HttpServerRequest&) = delete;
  HttpServerRequest& operator=(const HttpServerRequest&) = delete;

  std::string_view method() const noexcept;
  /// As sent: "/a%20b?x=1".
  std::string_view target() const noexcept;
  /// Percent-decoded, without the query. A path with "." or ".." segments or an encoded slash or NUL never
  /// gets here: 400.
  std::string_view path() const noexcept;
  /// A parameter of the query string, decoded; the first of several.
  std::optional<std::string> query(std::string_view name) const;
  const HttpHeaders& headers() const noexcept;
  /// A parameter of the route's pattern, decoded; empty when the route has none of that name.
  std::string_view param(std::string_view name) const noexcept;
  /// The peer's address, numeric, without port. Proxies' headers are not believed.
  const std::string& peer() const noexcept;
  bool tls() const noexcept;

  /// Pulls the next piece of the body; empty at its end. Valid until the next pull. Throws
  /// Error{resource_exhausted} (413) over the limit, Error{deadline_exceeded} (408) when the client stalls,
  /// Error{cancelled} when it goes away.
  std::string_view read();
  /// The rest of the body as a whole, at most `limit` bytes (and never more than
  /// HttpServerLimits::body_bytes).
  std::string body(std::size_t limit = static_cast<std::size_t>(-1));

  void set_params(std::vector<std::pair<std::string, std::string>> params);  ///< for routers

 private:
  friend class detail::ServerConnection;
  HttpServerRequest(detail::ServerConnection& connection, const detail::RequestHead& head, std::string path);
  detail::ServerConnection& connection_;
  const detail::RequestHead& head_;
  std::string path_;
  std::vector<std::pair<std::string, std::string>> params_;
  std::string chunk_;
};

/// One server-sent event. Lines in `data` are sent as several data fields.
struct SseMessage {
  std::string_view data = {};
  std::string_view event = {};  ///< one line; empty: the default, "message"
  std::string_view id = {};     ///< one line; empty: none
  std::optional<std::chrono::milliseconds> retry = std::nullopt;
};

/// A `text/event-stream` response. While the handler is busy, comments keep the connection alive.
class SseWriter {
 public:
  /// Waits while the client does not keep up. Throws Error{cancelled} once it is gone.
  void send(const SseMessage& message);
  void comment(std::string_view text);

 private:
  friend class HttpServerResponse;
  explicit SseWriter(detail::ServerConnection& connection) : connection_(connection) {}
  detail::ServerConnection& connection_;
  std::string buffer_;
};

class HttpServerResponse {
 public:
  HttpServerResponse(const HttpServerResponse&) = delete;
  HttpServerResponse& operator=(const HttpServerResponse&) = delete;

  /// For what has not been sent yet.
  HttpServerResponse& status(int code);
  /// Framing headers (Content-Length, Transfer-Encoding, Connection) are the server's, except "Connection:
  /// close".
  HttpHeaders& headers() noexcept;

  // Whole. Each of these is the entire response.
  void send(std::string_view body);
  void send(int code, std::string_view content_type, std::string_view body);
  void send(const HttpResponse& response);
  void send_json(int code, const Json& value);
  /// The JSON answer for an error: {"error": {"code": "not_found", "message": "..."}}.
  void send_error(const Error& error);

  // Streamed.
  /// Sends the head if need be, then the bytes, now. Waits while the client does not keep up (backpressure);
  /// throws Error{cancelled} once it is gone, Error{deadline_exceeded} when it takes nothing for
  /// write_idle_timeout.
  void write(std::string_view chunk);
  /// Ends a streamed response. The server does it when the handler returns.
  void end();
  /// Starts an event stream (once; later calls return the same).
  SseWriter& sse();
  /// Answers the handshake and leaves HTTP. Throws Error{invalid_argument} (400) if the request is no
  /// handshake, Error{failed_precondition} (426) if it is one of another version, Error{permission_denied}
  /// (403) if the Origin is not allowed. See websocket.hpp.
  WebSocket upgrade(WebSocketServerOptions options);
  WebSocket upgrade();

  bool head_sent() const noexcept;

 private:
  friend class detail::ServerConnection;
  explicit HttpServerResponse(detail::ServerConnection& connection);
  ~HttpServerResponse();
  detail::ServerConnection& connection_;
  int status_ = 200;
  HttpHeaders headers_;
  std::unique_ptr<SseWriter> sse_;
};

struct HttpDrainReport {
  std::size_t finished = 0;   ///< connections that ended by themselves within the grace period
  std::size_t cancelled = 0;  ///< connections whose handler was cancelled
  bool clean() const noexcept { return cancelled == 0; }
};

struct HttpServerStats {
  /// Open now: WebSockets included, wherever they were moved to, until their socket is closed.
  std::size_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< over a connection limit, or no memory for it
  std::uint64_t requests = 0;
  std::uint64_t rejected = 0;  ///< answered by the server itself: malformed, too large, too slow
};

class HttpServer {
 public:
  using Handler = Function<void(HttpServerRequest&, HttpServerResponse&)>;

  /// Listens from now on. Throws Error{unavailable} with address, port and remedy when it cannot,
  /// Error{resource_exhausted} when there is no memory to accept with.
  HttpServer(HttpServerOptions options, Handler handler);
  /// A handler that returns its response.
  template <class F, class = std::enable_if_t<std::is_invocable_r_v<HttpResponse, F&, HttpServerRequest&>>>
  HttpServer(HttpServerOptions options, F handler)
      : HttpServer(std::move(options),
                   Handler([f = std::move(handler)](HttpServerRequest& request,
                                                    HttpServerResponse& response) mutable {
                     response.send(f(request));
                   })) {}
  /// drain(0) if it was not drained. Not in a handler of this server: that ends the program.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const noexcept;
  /// "http://127.0.0.1:8080", or https.
  std::string url() const;
  HttpServerStats stats() const;
  /// Reads the certificate and key files again; connections from now on use them. Throws and keeps the old
  /// ones on error.
  void reload_tls();

  /// Waits until the server is drained. Not in a handler of this server: Error{failed_precondition}.
  void wait();
  /// Stops accepting, closes idle connections, lets running requests finish (their answers say Connection:
  /// close), and after `grace` cancels the handlers that are left (cause: "server is shutting down") and
  /// joins them. `grace` is time of the runtime that the server was made on. A handler of this server (and
  /// what it starts) would wait for itself: Error{failed_precondition}; let it set a Signal that the server's
  /// owner waits for. A caller whose own context ends the wait may call again.
  HttpDrainReport drain(Duration grace);

 private:
  struct Impl;
  friend class detail::ServerConnection;
  std::shared_ptr<Impl> impl_;
};

}  // namespace beluga
