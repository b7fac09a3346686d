#pragma once
/// How the HTTP server hands a connection over to a WebSocket. Not installed.

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "beluga/base/function.hpp"
#include "beluga/net/internal/http_server_parser.hpp"
#include "beluga/net/internal/tls_socket.hpp"
#include "beluga/net/websocket.hpp"

namespace beluga::detail {

/// Answers the handshake in `head` on `socket`. `pending` is input that was read behind the head. `gone` is
/// called once, on the worker, when the connection is over, and must not wait. On a fiber. Throws, before
/// anything is sent, Error{invalid_argument} when `head` is no handshake, Error{permission_denied} for its
/// Origin.
void check_websocket_handshake(const RequestHead& head, WebSocketServerOptions& options);
WebSocket accept_websocket(boost::asio::io_context& io, std::unique_ptr<Socket> socket, std::string pending,
                           const RequestHead& head, const WebSocketServerOptions& options,
                           Function<void()> gone);

}  // namespace beluga::detail
