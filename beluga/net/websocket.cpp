#include "beluga/net/websocket.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "beluga/base/utf8.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/net/internal/websocket_core.hpp"
#include "beluga/net/internal/websocket_handshake.hpp"
#include "beluga/net/url.hpp"

namespace beluga {

WebSocket::WebSocket(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}
WebSocket::WebSocket(WebSocket&&) noexcept = default;

WebSocket& WebSocket::operator=(WebSocket&& other) noexcept {
  WebSocket old(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

WebSocket::~WebSocket() {
  if (!core_) return;
  // The goodbye goes on without us; the core lives until it has come to its end or its second is over.
  boost::asio::io_context& io = core_->io;
  boost::asio::post(io, [core = std::move(core_)] { core->say_goodbye(); });
}

std::optional<WebSocketMessage> WebSocket::receive() {
  return core_->receive();
}

void WebSocket::send_text(std::string_view text) {
  if (!is_valid_utf8(text))
    throw Error(ErrorCode::invalid_argument, "WebSocket: text must be UTF-8; use send_binary for bytes");
  core_->send(Core::Kind::text, std::string(text));
}

void WebSocket::send_binary(std::string_view bytes) {
  core_->send(Core::Kind::binary, std::string(bytes));
}

Duration WebSocket::ping() {
  const TimePoint start = Clock::current().now();
  core_->send(Core::Kind::ping, {});
  return Clock::current().now() - start;
}

void WebSocket::close(std::uint16_t code, std::string_view reason) {
  if (!detail::is_websocket_close_code(code) || reason.size() > 123 || !is_valid_utf8(reason))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("WebSocket: close code {} or its reason may not be sent (RFC 6455 section 7.4; "
                            "at most 123 bytes of UTF-8)",
                            code));
  core_->close(code, std::string(reason));
}

bool WebSocket::is_open() const noexcept {
  return !core_->has_ended();
}

std::optional<WebSocketClose> WebSocket::closed() const {
  const std::lock_guard lock(core_->mutex);
  return core_->ended;
}

const std::string& WebSocket::subprotocol() const noexcept {
  return core_->subprotocol;
}

WebSocket WebSocket::connect(const std::string& text, WebSocketClientOptions options) {
  const Url url = Url::parse(text);
  const auto wrong = [](std::string_view why) {
    return Error(ErrorCode::invalid_argument,
                 fmt::format("WebSocket: the URL {}; write ws://host:port/path or wss://host/path", why));
  };
  if (url.scheme() != "ws" && url.scheme() != "wss") throw wrong("is neither ws nor wss");
  if (!url.user().empty() || !url.password().empty())
    throw wrong("has a user name (send credentials in WebSocketClientOptions::headers)");
  if (!url.fragment().empty()) throw wrong("has a fragment");
  std::shared_ptr<Core> core;
  detail::on_worker([&] { core = detail::connect_websocket(url, options); });
  return WebSocket(std::move(core));
}

}  // namespace beluga
