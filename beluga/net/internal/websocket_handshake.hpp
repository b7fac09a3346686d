#pragma once
/// The opening handshake of WebSocket (RFC 6455 section 4), both sides. Not installed.

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/base/function.hpp"
#include "beluga/net/internal/connection_places.hpp"
#include "beluga/net/internal/http_server_parser.hpp"
#include "beluga/net/internal/tls_socket.hpp"
#include "beluga/net/url.hpp"
#include "beluga/net/websocket.hpp"

namespace beluga::detail {

inline constexpr std::string_view kWebSocketVersion = "13";  ///< what we speak

/// Throws Error{invalid_argument} when `head` is no handshake, Error{permission_denied} for its Origin. Its
/// version is for the caller to look at first.
void check_websocket_handshake(const RequestHead& head, WebSocketServerOptions& options);

/// Answers the handshake in `head`, which was checked, on `socket`. `pending` is input that was read behind
/// the head. `place` is kept until the socket is closed. `gone` is called once, on the worker, when the
/// connection is over, and must not wait. On a fiber.
WebSocket accept_websocket(boost::asio::io_context& io, std::unique_ptr<Socket> socket, std::string pending,
                           const RequestHead& head, const WebSocketServerOptions& options,
                           ConnectionPlace place, Function<void()> gone);

/// Connects to `target` and shakes hands. On a fiber.
std::shared_ptr<WebSocket::Core> connect_websocket(const Url& target, const WebSocketClientOptions& options);

/// Section 4.2.2, step 5.4: what a server makes of the client's key.
std::string websocket_accept(std::string_view key);

/// A server's answer to our handshake, read strictly.
struct WebSocketAnswer {
  int status = 0;
  HttpHeaders headers;
};
/// Takes one head off the front of `input`; nullopt while it is incomplete. Throws Error{unavailable} for
/// what is not HTTP/1.1 or too long.
std::optional<WebSocketAnswer> take_answer(std::string& input);

}  // namespace beluga::detail
