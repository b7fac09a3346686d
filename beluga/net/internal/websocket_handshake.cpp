#include "beluga/net/internal/websocket_handshake.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/net/internal/tcp_connect.hpp"
#include "beluga/net/internal/websocket_core.hpp"

namespace beluga::detail {

namespace {

constexpr std::size_t kMostAnswerBytes = 32 * 1024;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool list_has(std::string_view list, std::string_view element) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (trimmed(list.substr(0, comma)) == element) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

/// Host and port of an origin are those of the Host header (RFC 6454 section 4: the default port may be left
/// out).
bool same_origin(std::string_view origin, std::string_view host) {
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;
  return http_names_equal(origin.substr(scheme + 3), host);
}

/// 16 bytes in base64 (RFC 4648 section 4).
bool is_key(std::string_view text) {
  if (text.size() != 24 || !text.ends_with("==")) return false;
  return std::ranges::all_of(text.substr(0, 22), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

std::string base64(const unsigned char* data, std::size_t size) {
  std::string out((size + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock writes a NUL behind
  const int length =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data, static_cast<int>(size));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

bool wants(const IoResult& result) {
  return result.state == IoState::want_read || result.state == IoState::want_write;
}

/// False when the peer is gone.
bool write_all(Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const IoResult result = socket.try_write({&bytes, 1});
    if (result.state == IoState::ok)
      bytes.remove_prefix(result.bytes);
    else if (wants(result))
      wait_ready(socket, result.state == IoState::want_read);
    else
      return false;
  }
  return true;
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha1(), nullptr) != 1)
    throw Error(ErrorCode::internal, "WebSocket: OpenSSL has no SHA-1, which RFC 6455 demands");
  return base64(digest.data(), size);
}

// ---- server

void check_websocket_handshake(const RequestHead& head, WebSocketServerOptions& options) {
  const auto& headers = head.headers;
  if (head.method != "GET" || head.minor_version < 1 || !headers.has_token("Connection", "upgrade") ||
      !headers.has_token("Upgrade", "websocket"))
    throw Error(ErrorCode::invalid_argument, "this is no WebSocket handshake (RFC 6455 section 4.2.1)");
  if (headers.get_all("Sec-WebSocket-Key").size() != 1 || !is_key(headers.get_or("Sec-WebSocket-Key", "")))
    throw Error(ErrorCode::invalid_argument, "Sec-WebSocket-Key must be 16 bytes in base64, given once");
  if (headers.get_all("Origin").size() > 1)
    throw Error(ErrorCode::invalid_argument, "Origin must be given once");
  if (const auto origin = headers.get("Origin")) {
    const bool allowed = options.allow_origin ? options.allow_origin(*origin)
                                              : same_origin(*origin, headers.get_or("Host", ""));
    if (!allowed) throw Error(ErrorCode::permission_denied, "this Origin may not open a WebSocket here");
  }
}

WebSocket accept_websocket(boost::asio::io_context& io, std::unique_ptr<Socket> socket, std::string pending,
                           const RequestHead& head, const WebSocketServerOptions& options,
                           ConnectionPlace place, Function<void()> gone) {
  std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
      "websocket\r\nSec-WebSocket-Accept: " +
      websocket_accept(head.headers.get_or("Sec-WebSocket-Key", "")) + "\r\n";
  const std::string offered = head.headers.get_joined("Sec-WebSocket-Protocol");
  std::string subprotocol;
  for (const std::string& own : options.subprotocols) {
    if (!list_has(offered, own)) continue;
    subprotocol = own;
    answer += "Sec-WebSocket-Protocol: " + own + "\r\n";
    break;
  }
  std::optional<DeflateAgreement> deflate;
  if (options.limits.compress) {
    if (auto accepted = accept_deflate(head.headers.get_joined("Sec-WebSocket-Extensions"))) {
      deflate = accepted->agreement;
      answer += "Sec-WebSocket-Extensions: " + accepted->header + "\r\n";
    }
  }
  answer += "\r\n";
  if (!write_all(*socket, answer)) throw Error(ErrorCode::cancelled, "client went away");
  auto core =
      std::make_shared<WebSocket::Core>(WebSocket::Core::Side::server, io, std::move(socket),
                                        std::move(pending), options.limits, deflate, std::move(place));
  core->subprotocol = std::move(subprotocol);
  core->gone = std::move(gone);
  core->start();
  return WebSocket(std::move(core));
}

// ---- client

namespace {

void handshake_tls(Socket& socket, const Url& target, const TlsClientOptions& options) {
  const auto context = TlsContext::client(options);
  socket.start_tls_client(*context, target.host(), options.verify);
  for (;;) {
    const IoResult result = socket.handshake();
    if (result.state == IoState::ok) return;
    if (wants(result)) {
      wait_ready(socket, result.state == IoState::want_read);
      continue;
    }
    const std::string why = socket.tls_failure();
    throw Error(why.empty() ? ErrorCode::unavailable : ErrorCode::failed_precondition,
                fmt::format("WebSocket: TLS with {} failed: {}", target.authority(),
                            why.empty() ? std::string("the peer closed the connection") : why));
  }
}

Error no_websocket(std::string_view why) {
  return Error(ErrorCode::unavailable, fmt::format("WebSocket: the peer's handshake is wrong: {}", why));
}

WebSocketAnswer await_answer(Socket& socket, std::string& input) {
  for (;;) {
    if (auto answer = take_answer(input)) {
      if (answer->status / 100 == 1 && answer->status != 101) continue;  // RFC 9110 section 15.2
      return *std::move(answer);
    }
    std::array<char, 4096> buffer;
    const IoResult result = socket.try_read(buffer.data(), buffer.size());
    if (result.state == IoState::ok)
      input.append(buffer.data(), result.bytes);
    else if (wants(result))
      wait_ready(socket, result.state == IoState::want_read);
    else
      throw no_websocket("it closed the connection");
  }
}

/// The handshake of section 4.1; headers of the caller may not take the place of its own.
std::string request_text(const Url& target, const WebSocketClientOptions& options, const std::string& key,
                         const std::string& offered) {
  std::string out = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
      "{}\r\nSec-WebSocket-Version: 13\r\n",
      target.target(), target.authority(), key);
  if (!offered.empty()) out += "Sec-WebSocket-Protocol: " + offered + "\r\n";
  if (options.limits.compress) out += fmt::format("Sec-WebSocket-Extensions: {}\r\n", kDeflateOffer);
  if (!options.headers.contains("User-Agent")) out += "User-Agent: beluga\r\n";
  for (const auto& field : options.headers) {
    if (!is_http_token(field.name) || !is_http_field_value(field.value))
      throw Error(ErrorCode::invalid_argument,
                  "WebSocket: a header's name or value has forbidden characters");
    for (const std::string_view own :
         {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
          "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding"})
      if (http_names_equal(field.name, own))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("WebSocket: the header {} belongs to the handshake", own));
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return out + "\r\n";
}

}  // namespace

std::optional<WebSocketAnswer> take_answer(std::string& input) {
  const std::size_t end = input.find("\r\n\r\n");
  if (end > kMostAnswerBytes && (end != std::string::npos || input.size() > kMostAnswerBytes))
    throw no_websocket("its head is too long");
  if (end == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(input).substr(0, end + 2);
  const auto line = [&] {
    const std::size_t stop = rest.find("\r\n");
    const std::string_view out = rest.substr(0, stop);
    rest.remove_prefix(stop + 2);
    return out;
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view status = line();
  if (!status.starts_with("HTTP/1.1 ") || status.size() < 12 || !digit(status[9]) || !digit(status[10]) ||
      !digit(status[11]) || (status.size() > 12 && status[12] != ' '))
    throw no_websocket("it does not speak HTTP/1.1");
  WebSocketAnswer answer;
  answer.status = (status[9] - '0') * 100 + (status[10] - '0') * 10 + (status[11] - '0');
  while (!rest.empty()) {
    const std::string_view field = line();
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = trimmed(field.substr(std::min(colon + 1, field.size())));
    if (colon == field.size() || !is_http_token(name) || !is_http_field_value(value))
      throw no_websocket("a header field is malformed");
    answer.headers.add(name, value);
  }
  input.erase(0, end + 4);
  return answer;
}

std::shared_ptr<WebSocket::Core> connect_websocket(const Url& target, const WebSocketClientOptions& options) {
  std::string offered;
  for (const std::string& own : options.subprotocols) {
    if (!is_http_token(own))
      throw Error(ErrorCode::invalid_argument, "WebSocket: a subprotocol must be a token");
    offered.append(offered.empty() ? "" : ", ").append(own);
  }
  std::array<unsigned char, 16> nonce{};
  if (::RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1)
    throw Error(ErrorCode::internal, "WebSocket: the system gives no random bytes for a key");
  const std::string key = base64(nonce.data(), nonce.size());
  const std::string request = request_text(target, options, key, offered);

  boost::asio::io_context& io = worker_io();
  const ContextScope scope(Context::current().with_timeout(options.connect_timeout));
  auto [socket, failure] = connect_tcp(io, resolve_tcp(target.host(), target.port()));
  if (!socket)
    throw Error(ErrorCode::unavailable, fmt::format("WebSocket: cannot connect to {} port {}: {}",
                                                    target.host(), target.port(), std::strerror(failure)));
  if (target.secure()) handshake_tls(*socket, target, options.tls);
  if (!write_all(*socket, request)) throw no_websocket("it closed the connection");
  std::string input;
  const WebSocketAnswer answer = await_answer(*socket, input);

  if (answer.status != 101)
    throw Error(ErrorCode::failed_precondition,
                fmt::format("WebSocket: {} declined with HTTP status {}", target.authority(), answer.status))
        .with_http_status(answer.status);
  const HttpHeaders& headers = answer.headers;
  if (!headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "upgrade"))
    throw no_websocket("it does not upgrade to websocket");
  if (headers.get_all("Sec-WebSocket-Accept").size() != 1 ||
      headers.get_or("Sec-WebSocket-Accept", "") != websocket_accept(key))
    throw no_websocket("Sec-WebSocket-Accept does not answer our key");
  const std::string chosen = headers.get_joined("Sec-WebSocket-Protocol");
  if (!chosen.empty() && !list_has(offered, chosen))
    throw Error(ErrorCode::failed_precondition,
                "WebSocket: the server chose a subprotocol that was not offered");
  std::optional<DeflateAgreement> deflate;
  if (const std::string extensions = headers.get_joined("Sec-WebSocket-Extensions"); !extensions.empty()) {
    if (options.limits.compress) deflate = read_deflate_answer(extensions);
    if (!deflate)
      throw Error(ErrorCode::failed_precondition,
                  "WebSocket: the server chose an extension, or parameters of it, that were not offered");
  }
  auto core = std::make_shared<WebSocket::Core>(WebSocket::Core::Side::client, io, std::move(socket),
                                                std::move(input), options.limits, deflate);
  core->subprotocol = chosen;
  core->start();
  return core;
}

}  // namespace beluga::detail
