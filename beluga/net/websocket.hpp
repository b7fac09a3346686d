#pragma once
/// WebSocket (RFC 6455), client and server.
///
///     WebSocket socket = WebSocket::connect("wss://example.com/live", {.subprotocols = {"chat.v1"}});
///     socket.send_text("hello");
///     while (auto message = socket.receive()) handle(message->data);          // nullopt: the peer closed
///
/// On a server: `WebSocket socket = response.upgrade();` inside a handler (http_server.hpp). The handler's
/// Context is cancelled ("client went away") when the peer is lost, and also when it closes in order while
/// nobody waits in receive().
///
/// Pings are answered, close frames returned and fragments joined without a call, also while nobody receives;
/// at most four messages are read ahead, and none behind 256 KiB of them, then the peer has to wait. Text is checked to be UTF-8 in both directions.
/// Frames that break the protocol close the connection with the code that the RFC names. All waits obey the
/// current Context; a wait that ends early leaves the connection usable. Time is the runtime's clock.
///
/// Thread-safety: all members from any thread or fiber; messages of concurrent senders do not interleave. One
/// receiver at a time. Destruction while nobody waits; it says goodbye (1001) if nobody has and returns at
/// once.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/function.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/net/http.hpp"
#include "beluga/net/tls.hpp"

namespace beluga {

struct WebSocketMessage {
  std::string data;
  bool binary = false;  ///< else text, valid UTF-8
};

/// RFC 6455 section 7.4.1.
struct WebSocketClose {
  std::uint16_t code = 0;  ///< 1005: closed without a code; 1006: lost without a goodbye
  std::string reason = {};
};

struct WebSocketLimits {
  std::size_t message_bytes = 16 * 1024 * 1024;  ///< received, joined and inflated; beyond: closed with 1009
  Duration close_timeout = std::chrono::seconds(5);  ///< how long close() waits for the peer's goodbye
  /// A peer that is silent this long is lost; it is pinged at half of it. Not counted while messages wait to
  /// be received. 0: never.
  Duration idle_timeout = std::chrono::seconds(60);
  /// A peer that takes no byte of what is sent for this long is lost. 0: never.
  Duration write_idle_timeout = std::chrono::seconds(30);
  /// Offer or accept permessage-deflate (RFC 7692); costs up to 300 KB per connection once it is used.
  bool compress = false;
};

struct WebSocketClientOptions {
  HttpHeaders headers = {};                    ///< more headers for the handshake
  std::vector<std::string> subprotocols = {};  ///< in order of preference
  TlsClientOptions tls = {};
  WebSocketLimits limits = {};
  Duration connect_timeout = std::chrono::seconds(10);  ///< name, TCP, TLS and handshake together
};

struct WebSocketServerOptions {
  std::vector<std::string> subprotocols =
      {};  ///< in order of preference; the first that the client offers is chosen
  WebSocketLimits limits = {};
  /// Decides about the Origin that a browser sends. Null: only the same origin (its host and port are those
  /// of the Host header). Requests without Origin do not come from a browser and pass.
  Function<bool(std::string_view origin)> allow_origin = nullptr;
};

class WebSocket {
 public:
  /// `url`: ws:// or wss://. Throws Error{invalid_argument} for the URL, Error{unavailable} when the peer
  /// cannot be reached, Error{failed_precondition} when its certificate is not trusted,
  /// Error{failed_precondition} with http_status() when it declines, Error{deadline_exceeded}.
  static WebSocket connect(const std::string& url, WebSocketClientOptions options = {});

  WebSocket(WebSocket&&) noexcept;
  WebSocket& operator=(WebSocket&&) noexcept;
  ~WebSocket();

  /// The next message; nullopt once the peer has closed in order. Throws Error{data_loss} when the connection
  /// is lost, Error{invalid_argument} when the peer broke the protocol, Error{resource_exhausted} for a
  /// message over the limit.
  std::optional<WebSocketMessage> receive();
  /// Waits until the message is with the operating system: that is the backpressure. Throws
  /// Error{failed_precondition} once closed, Error{invalid_argument} for text that is not UTF-8. A message
  /// whose sender was cancelled may still go out whole.
  void send_text(std::string_view text);
  void send_binary(std::string_view bytes);
  /// Sends a ping and waits for its pong. Returns the round trip.
  Duration ping();
  /// Closes in order and waits for the peer's answer (close_timeout at most, then the connection is cut).
  /// Idempotent.
  void close(std::uint16_t code = 1000, std::string_view reason = {});

  bool is_open() const noexcept;
  /// How it ended; nullopt while open.
  std::optional<WebSocketClose> closed() const;
  /// The subprotocol agreed on; empty: none.
  const std::string& subprotocol() const noexcept;

  struct Core;
  explicit WebSocket(std::shared_ptr<Core> core) noexcept;  ///< for net/ itself

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace beluga
