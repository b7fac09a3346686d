#include "beluga/net/websocket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>

#include "beluga/base/result.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/websocket_core.hpp"
#include "beluga/net/url.hpp"

namespace beluga {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

/// Beast's idea of a stream over our Socket. Never calls a handler from within the call that starts it.
class SocketStream {
 public:
  using executor_type = asio::io_context::executor_type;

  SocketStream(asio::io_context& io, std::unique_ptr<detail::Socket> socket, std::string pending)
      : io_(&io), state_(std::make_shared<State>()) {
    state_->socket = std::move(socket);
    state_->pending = std::move(pending);
  }

  executor_type get_executor() noexcept { return io_->get_executor(); }
  detail::Socket& socket() noexcept { return *state_->socket; }
  /// From now on writes go into a string, until release(): Beast signs its handshake with a Server header,
  /// which we take out.
  void hold_writes() { state_->held.emplace(); }
  std::string release_writes() { return std::exchange(state_->held, std::nullopt).value_or(std::string()); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    asio::mutable_buffer target;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      target = *it;
      if (target.size() > 0) break;
    }
    read_step(state_, *io_, target, std::forward<Handler>(handler));
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    std::array<std::string_view, 16> parts;
    std::size_t count = 0;
    for (auto it = asio::buffer_sequence_begin(buffers);
         it != asio::buffer_sequence_end(buffers) && count < parts.size(); ++it) {
      const asio::const_buffer part = *it;
      if (part.size() > 0) parts[count++] = {static_cast<const char*>(part.data()), part.size()};
    }
    write_step(state_, *io_, parts, count, std::forward<Handler>(handler));
  }

 private:
  struct State {
    std::unique_ptr<detail::Socket> socket;
    std::string pending;  ///< input that was read before the stream was made
    std::size_t position = 0;
    std::optional<std::string> held;
  };

  static error_code code_of(const detail::IoResult& result) {
    if (result.state == detail::IoState::eof) return asio::error::eof;
    if (result.error == EBADF) return asio::error::operation_aborted;
    if (result.error != 0) return error_code(result.error, boost::system::system_category());
    return asio::error::connection_reset;
  }

  template <class Handler>
  static void read_step(const std::shared_ptr<State>& state, asio::io_context& io,
                        asio::mutable_buffer target, Handler&& handler) {
    if (state->position < state->pending.size()) {
      const std::size_t n = std::min(target.size(), state->pending.size() - state->position);
      std::memcpy(target.data(), state->pending.data() + state->position, n);
      state->position += n;
      if (state->position == state->pending.size()) std::string().swap(state->pending), state->position = 0;
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), error_code(), n));
      return;
    }
    const detail::IoResult result = state->socket->try_read(static_cast<char*>(target.data()), target.size());
    if (result.state == detail::IoState::ok) {
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), error_code(), result.bytes));
    } else if (result.state == detail::IoState::want_read || result.state == detail::IoState::want_write) {
      auto again = [state, &io, target, handler = std::forward<Handler>(handler)]() mutable {
        read_step(state, io, target, std::move(handler));
      };
      if (result.state == detail::IoState::want_read)
        state->socket->when_readable(std::move(again));
      else
        state->socket->when_writable(std::move(again));
    } else {
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), code_of(result), std::size_t{0}));
    }
  }

  template <class Handler>
  static void write_step(const std::shared_ptr<State>& state, asio::io_context& io,
                         std::array<std::string_view, 16> parts, std::size_t count, Handler&& handler) {
    if (state->held) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < count; ++i) {
        state->held->append(parts[i]);
        n += parts[i].size();
      }
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), error_code(), n));
      return;
    }
    const detail::IoResult result = state->socket->try_write(std::span(parts.data(), count));
    if (result.state == detail::IoState::ok) {
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), error_code(), result.bytes));
    } else if (result.state == detail::IoState::want_read || result.state == detail::IoState::want_write) {
      auto again = [state, &io, parts, count, handler = std::forward<Handler>(handler)]() mutable {
        write_step(state, io, parts, count, std::move(handler));
      };
      if (result.state == detail::IoState::want_read)
        state->socket->when_readable(std::move(again));
      else
        state->socket->when_writable(std::move(again));
    } else {
      asio::post(io, beast::bind_handler(std::forward<Handler>(handler), code_of(result), std::size_t{0}));
    }
  }

  asio::io_context* io_;
  std::shared_ptr<State> state_;
};

void beast_close_socket(SocketStream& stream) {
  stream.socket().close();
}

[[maybe_unused]] void teardown(beast::role_type, SocketStream& stream, error_code& ec) {
  stream.socket().close();
  ec = {};
}

/// Says that we are done, then reads to the end for at most a second: closing with unread input would send a
/// reset, which can overtake the close frame (RFC 6455 section 7.1.1).
template <class Handler>
struct Teardown {
  SocketStream stream;
  std::shared_ptr<asio::steady_timer> timer;
  Handler handler;
  std::array<char, 2048> sink = {};
  std::size_t discarded = 0;

  static void step(std::shared_ptr<Teardown> self, error_code ec, std::size_t n) {
    self->discarded += n;
    if (ec || self->discarded > 1024 * 1024) {
      self->timer->cancel();
      self->stream.socket().close();
      Handler handler = std::move(self->handler);
      self.reset();
      handler(error_code());
      return;
    }
    SocketStream& stream = self->stream;
    const asio::mutable_buffer buffer = asio::buffer(self->sink);
    stream.async_read_some(buffer, [self = std::move(self)](error_code error, std::size_t bytes) mutable {
      step(std::move(self), error, bytes);
    });
  }
};

template <class Handler>
void async_teardown(beast::role_type, SocketStream& stream, Handler&& handler) {
  using Op = Teardown<std::decay_t<Handler>>;
  auto timer = std::make_shared<asio::steady_timer>(stream.get_executor(), std::chrono::seconds(1));
  auto op = std::make_shared<Op>(Op{stream, timer, std::forward<Handler>(handler)});
  timer->async_wait([stream](error_code ec) mutable {
    if (!ec) stream.socket().close();
  });
  stream.socket().shutdown_write();
  asio::post(stream.get_executor(), [op = std::move(op)]() mutable { Op::step(std::move(op), {}, 0); });
}

}  // namespace

/// Lives on its worker: everything but the inbox and the state under `mutex` is touched there only, by
/// handlers.
struct WebSocket::Core : std::enable_shared_from_this<Core> {
  static constexpr std::size_t kReadAhead = 4;

  enum class Kind : std::uint8_t { text, binary, ping, close };
  struct Outgoing {
    Kind kind;
    std::string data;
    std::uint16_t code;
    Promise<void> done;
  };

  Core(asio::io_context& own_io, std::unique_ptr<detail::Socket> socket, std::string pending,
       const WebSocketLimits& own_limits)
      : io(own_io), limits(own_limits), stream(SocketStream(own_io, std::move(socket), std::move(pending))) {
    stream.read_message_max(limits.message_bytes);
    stream.auto_fragment(false);
    websocket::permessage_deflate deflate;
    deflate.client_enable = deflate.server_enable = limits.compress;
    stream.set_option(deflate);
    websocket::stream_base::timeout timeouts;
    timeouts.handshake_timeout = websocket::stream_base::none();  // the waiter's deadline rules
    timeouts.idle_timeout =
        limits.idle_timeout > Duration::zero()
            ? std::chrono::duration_cast<std::chrono::steady_clock::duration>(limits.idle_timeout)
            : websocket::stream_base::none();
    timeouts.keep_alive_pings = limits.idle_timeout > Duration::zero();
    stream.set_option(timeouts);
  }

  asio::io_context& io;
  const WebSocketLimits limits;
  websocket::stream<SocketStream> stream;
  std::string subprotocol;
  Function<void()> gone;

  // On the worker.
  beast::flat_buffer incoming;
  bool reading = false, closing = false;
  std::deque<Outgoing> outbox;
  bool writing = false;
  asio::steady_timer close_timer{io};
  std::optional<WebSocketClose> verdict;  ///< why we close, when that is not what the peer answers
  std::vector<std::pair<std::string, Promise<void>>> awaiting_pong;

  // Shared.
  std::atomic<int> receivers{0};
  Channel<WebSocketMessage> inbox{kReadAhead + 1};
  mutable std::mutex mutex;  ///< leaf: ended
  std::optional<WebSocketClose> ended;

  bool here() const { return Runtime::on_fiber() && &detail::worker_io() == &io; }
  template <class F>
  void on_worker_do(F f) {
    if (here())
      f();
    else
      asio::post(io, std::move(f));
  }

  void start() {
    stream.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (kind != websocket::frame_type::pong) return;
      const auto found = std::find_if(awaiting_pong.begin(), awaiting_pong.end(), [&](const auto& entry) {
        return entry.first == std::string_view(payload.data(), payload.size());
      });
      if (found == awaiting_pong.end()) return;
      found->second.set();
      awaiting_pong.erase(found);
    });
    read();
  }

  void read() {
    if (reading || closing || has_ended() || inbox.size() >= kReadAhead) return;
    reading = true;
    stream.async_read(incoming,
                      [self = shared_from_this()](error_code ec, std::size_t) { self->on_read(ec); });
  }

  void on_read(error_code ec) {
    reading = false;
    if (ec) return finish(ec);
    WebSocketMessage message;
    message.binary = stream.got_binary();
    const auto data = incoming.data();
    message.data.assign(static_cast<const char*>(data.data()), data.size());
    incoming.consume(incoming.size());
    // Beast 1.81 misses a character that is cut off by an empty last fragment.
    if (!message.binary && !message.data.empty() && (message.data.back() & 0x80) != 0 &&
        !is_valid_utf8(message.data)) {
      verdict = WebSocketClose{1007, {}};
      inbox.close(Error(ErrorCode::invalid_argument,
                        "WebSocket: the peer broke the protocol: text that is not UTF-8"));
      Promise<void> nobody;
      enqueue({Kind::close, {}, 1007, std::move(nobody)});
      return;
    }
    if (incoming.capacity() > 64 * 1024) incoming.shrink_to_fit();
    (void)attempt([&] { inbox.try_send(std::move(message)); });
    read();
  }

  bool has_ended() const {
    const std::lock_guard lock(mutex);
    return ended.has_value();
  }

  /// The connection is over, in order or not. First call only.
  void finish(error_code ec) {
    WebSocketClose how;
    std::optional<Error> error;
    if (ec == websocket::error::closed) {
      how.code =
          stream.reason().code == 0 ? std::uint16_t{1005} : static_cast<std::uint16_t>(stream.reason().code);
      how.reason.assign(stream.reason().reason.data(), stream.reason().reason.size());
    } else {
      how.code = 1006;
      if (ec == websocket::error::message_too_big || ec == websocket::error::buffer_overflow) {
        how.code = 1009;
        error = Error(
            ErrorCode::resource_exhausted,
            fmt::format("WebSocket: the peer sent a message over {} bytes (WebSocketLimits::message_bytes)",
                        limits.message_bytes));
      } else if (ec == websocket::condition::protocol_violation ||
                 ec.category() == make_error_code(websocket::error::bad_opcode).category()) {
        how.code = ec == websocket::error::bad_frame_payload ? 1007 : 1002;
        error = Error(ErrorCode::invalid_argument, "WebSocket: the peer broke the protocol: " + ec.message());
      } else {
        error = Error(ErrorCode::data_loss,
                      "WebSocket: the connection was lost without a goodbye: " + ec.message());
      }
    }
    {
      const std::lock_guard lock(mutex);
      if (ended) return;
      ended = verdict ? *verdict : how;
    }
    close_timer.cancel();
    if (error)
      inbox.close(*error);
    else
      inbox.close();
    const Error late(ErrorCode::failed_precondition, "WebSocket: the connection is closed");
    for (auto& [payload, promise] : awaiting_pong) promise.fail(late);
    awaiting_pong.clear();
    // The message under way gets its answer from its own completion.
    while (outbox.size() > (writing ? 1U : 0U)) {
      outbox.back().done.fail(late);
      outbox.pop_back();
    }
    // Whoever closes, or is told of the peer's goodbye by receive(), knows; anybody else has to be stopped.
    const bool told = closing || (!error && receivers > 0);
    if (gone && !told) gone();
    gone = nullptr;
  }

  void enqueue(Outgoing out) {
    if (has_ended() || closing) {
      if (out.kind == Kind::close)
        out.done.set();
      else
        out.done.fail(Error(ErrorCode::failed_precondition, "WebSocket: the connection is closed"));
      return;
    }
    if (out.kind == Kind::close) {
      closing = true;
      cut_after(limits.close_timeout);
    }
    outbox.push_back(std::move(out));
    if (!writing) write();
  }

  void write() {
    if (outbox.empty()) return;
    writing = true;
    Outgoing& out = outbox.front();
    auto done = [self = shared_from_this()](error_code ec, std::size_t = 0) { self->on_written(ec); };
    switch (out.kind) {
      case Kind::text:
      case Kind::binary:
        stream.binary(out.kind == Kind::binary);
        stream.async_write(asio::buffer(out.data), std::move(done));
        break;
      case Kind::ping:
        stream.async_ping(websocket::ping_data(beast::string_view(out.data.data(), out.data.size())),
                          std::move(done));
        break;
      case Kind::close:
        stream.async_close(websocket::close_reason(static_cast<websocket::close_code>(out.code),
                                                   beast::string_view(out.data.data(), out.data.size())),
                           std::move(done));
        break;
    }
  }

  void on_written(error_code ec) {
    writing = false;
    Outgoing out = std::move(outbox.front());
    outbox.pop_front();
    if (out.kind == Kind::close) {
      // In order: the peer's answer has been read, by this operation or by the pending read.
      finish(ec ? ec : error_code(websocket::error::closed));
      out.done.set();
      return;
    }
    if (ec) {
      out.done.fail(
          Error(ErrorCode::failed_precondition, "WebSocket: the connection is closed: " + ec.message()));
      cut();
      return;
    }
    if (out.kind != Kind::ping)
      out.done.set();
    else
      awaiting_pong.emplace_back(std::move(out.data), std::move(out.done));
    write();
  }

  void cut_after(Duration patience) {
    close_timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(patience));
    close_timer.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec && !self->has_ended()) self->cut();
    });
  }

  void cut() {
    stream.next_layer().socket().abort();
    finish(asio::error::connection_aborted);
  }

  Future<void> submit(Kind kind, std::string data, std::uint16_t code = 0) {
    Promise<void> promise;
    Future<void> future = promise.future();
    on_worker_do([self = shared_from_this(),
                  out = Outgoing{kind, std::move(data), code, std::move(promise)}]() mutable {
      self->enqueue(std::move(out));
    });
    return future;
  }
};

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
  asio::io_context& io = core_->io;
  asio::post(io, [core = std::move(core_)]() mutable {
    if (core->has_ended()) return;
    Promise<void> nobody;
    core->enqueue({Core::Kind::close, {}, 1001, std::move(nobody)});
    core->cut_after(std::chrono::seconds(1));
  });
}

std::optional<WebSocketMessage> WebSocket::receive() {
  struct Waiting {
    std::atomic<int>& count;
    explicit Waiting(std::atomic<int>& receivers) : count(receivers) { ++count; }
    ~Waiting() { --count; }
  } waiting(core_->receivers);
  auto message = core_->inbox.receive();
  if (message) core_->on_worker_do([core = core_] { core->read(); });
  return message;
}

void WebSocket::send_text(std::string_view text) {
  if (!is_valid_utf8(text))
    throw Error(ErrorCode::invalid_argument, "WebSocket: text must be UTF-8; use send_binary for bytes");
  core_->submit(Core::Kind::text, std::string(text)).get();
}

void WebSocket::send_binary(std::string_view bytes) {
  core_->submit(Core::Kind::binary, std::string(bytes)).get();
}

Duration WebSocket::ping() {
  static std::atomic<std::uint64_t> counter{0};
  const TimePoint start = Clock::current().now();
  core_->submit(Core::Kind::ping, fmt::format("beluga {}", ++counter)).get();
  return Clock::current().now() - start;
}

void WebSocket::close(std::uint16_t code, std::string_view reason) {
  const bool allowed = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                       (code >= 3000 && code <= 4999);
  if (!allowed || reason.size() > 123 || !is_valid_utf8(reason))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("WebSocket: close code {} or its reason may not be sent (RFC 6455 section 7.4; "
                            "at most 123 bytes of UTF-8)",
                            code));
  const Future<void> done = core_->submit(Core::Kind::close, std::string(reason), code);
  if (!done.wait_until(Clock::current().now() + core_->limits.close_timeout))
    core_->on_worker_do([core = core_] { core->cut(); });
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

// ---- handshakes

namespace {

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

/// Waits on a fiber of this worker until `done`, or throws what interrupts it after closing the socket.
struct Arrival {
  detail::ParkingSpot spot;
  bool done = false;
  error_code ec;
};

void wait_for(const std::shared_ptr<Arrival>& arrival, Function<void()> abandon) {
  const detail::IoPending pending;
  while (!arrival->done) {
    const detail::Wake wake = arrival->spot.wait();
    if (arrival->done || wake == detail::Wake::notified) continue;
    abandon();
    detail::throw_if_interrupted(wake);
  }
}

/// Waits until the socket is ready; on a fiber of this worker.
void wait_ready(detail::Socket& socket, bool readable) {
  auto arrival = std::make_shared<Arrival>();
  auto ready = [arrival] {
    arrival->done = true;
    arrival->spot.notify();
  };
  if (readable)
    socket.when_readable(std::move(ready));
  else
    socket.when_writable(std::move(ready));
  wait_for(arrival, [] {});
}

}  // namespace

void detail::check_websocket_handshake(const RequestHead& head, WebSocketServerOptions& options) {
  const auto& headers = head.headers;
  if (head.method != "GET" || head.minor_version < 1 || !headers.has_token("Connection", "upgrade") ||
      !headers.has_token("Upgrade", "websocket"))
    throw Error(ErrorCode::invalid_argument, "this is no WebSocket handshake (RFC 6455 section 4.2.1)");
  if (headers.get_or("Sec-WebSocket-Version", "") != "13")
    throw Error(ErrorCode::invalid_argument, "Sec-WebSocket-Version must be 13");
  const std::string_view key = headers.get_or("Sec-WebSocket-Key", "");
  if (headers.get_all("Sec-WebSocket-Key").size() != 1 || key.size() != 24 || !key.ends_with("=="))
    throw Error(ErrorCode::invalid_argument, "Sec-WebSocket-Key must be 16 bytes in base64, given once");
  if (const auto origin = headers.get("Origin")) {
    const bool allowed = options.allow_origin ? options.allow_origin(*origin)
                                              : same_origin(*origin, headers.get_or("Host", ""));
    if (!allowed) throw Error(ErrorCode::permission_denied, "this Origin may not open a WebSocket here");
  }
}

WebSocket detail::accept_websocket(asio::io_context& io, std::unique_ptr<Socket> socket, std::string pending,
                                   const RequestHead& head, const WebSocketServerOptions& options,
                                   Function<void()> gone) {
  auto core = std::make_shared<WebSocket::Core>(io, std::move(socket), std::move(pending), options.limits);
  core->gone = std::move(gone);
  const std::string offered = head.headers.get_joined("Sec-WebSocket-Protocol");
  for (const std::string& own : options.subprotocols) {
    if (!list_has(offered, own)) continue;
    core->subprotocol = own;
    break;
  }
  core->stream.set_option(
      websocket::stream_base::decorator([chosen = core->subprotocol](websocket::response_type& response) {
        if (!chosen.empty()) response.set(beast::http::field::sec_websocket_protocol, chosen);
      }));
  beast::http::request<beast::http::empty_body> request(beast::http::verb::get, head.target, 11);
  for (const auto& field : head.headers) request.insert(field.name, field.value);
  core->stream.next_layer().hold_writes();
  auto arrival = std::make_shared<Arrival>();
  core->stream.async_accept(request, [arrival, core](error_code ec) {
    arrival->ec = ec;
    arrival->done = true;
    arrival->spot.notify();
  });
  wait_for(arrival, [&] { core->stream.next_layer().socket().abort(); });
  if (arrival->ec)
    throw Error(ErrorCode::invalid_argument, "the WebSocket handshake failed: " + arrival->ec.message());
  std::string answer = core->stream.next_layer().release_writes();
  const std::size_t server = answer.find("\r\nServer: ");
  if (server != std::string::npos) answer.erase(server, answer.find("\r\n", server + 2) - server);
  for (std::string_view rest = answer; !rest.empty();) {
    Socket& out = core->stream.next_layer().socket();
    const IoResult result = out.try_write({&rest, 1});
    if (result.state == IoState::ok)
      rest.remove_prefix(result.bytes);
    else if (result.state == IoState::want_read || result.state == IoState::want_write)
      wait_ready(out, result.state == IoState::want_read);
    else
      throw Error(ErrorCode::cancelled, "client went away");
  }
  core->start();
  return WebSocket(core);
}

namespace {

Url parse_target(const std::string& text) {
  const Url url = Url::parse(text);
  const auto wrong = [](std::string_view why) {
    return Error(ErrorCode::invalid_argument,
                 fmt::format("WebSocket: the URL {}; write ws://host:port/path or wss://host/path", why));
  };
  if (url.scheme() != "ws" && url.scheme() != "wss") throw wrong("is neither ws nor wss");
  if (!url.user().empty() || !url.password().empty())
    throw wrong("has a user name (send credentials in WebSocketClientOptions::headers)");
  if (!url.fragment().empty()) throw wrong("has a fragment");
  return url;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::vector<Address> resolve(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (result != 0)
    throw Error(ErrorCode::unavailable,
                fmt::format("WebSocket: cannot resolve '{}': {}", host, ::gai_strerror(result)));
  std::vector<Address> out;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    out.push_back(address);
  }
  ::freeaddrinfo(list);
  return out;
}

std::unique_ptr<detail::Socket> connect_tcp(asio::io_context& io, const Url& target) {
  std::vector<Address> addresses =
      blocking({.name = "resolve host", .mode = Blocking::may_be_abandoned},
               [host = target.host(), port = std::to_string(target.port())] { return resolve(host, port); });
  int last = ECONNREFUSED;
  for (const Address& address : addresses) {
    const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last = errno;
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    last = result == 0 ? 0 : errno;
    auto socket = std::make_unique<detail::Socket>(io, fd);
    if (last == EINPROGRESS) {
      wait_ready(*socket, false);
      socklen_t size = sizeof(last);
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &last, &size);
    }
    if (last == 0) return socket;
  }
  throw Error(ErrorCode::unavailable, fmt::format("WebSocket: cannot connect to {} port {}: {}",
                                                  target.host(), target.port(), std::strerror(last)));
}

void handshake_tls(detail::Socket& socket, const Url& target, const TlsClientOptions& options) {
  const auto context = detail::TlsContext::client(options);
  socket.start_tls_client(*context, target.host(), options.verify);
  for (;;) {
    const detail::IoResult result = socket.handshake();
    if (result.state == detail::IoState::ok) return;
    if (result.state == detail::IoState::want_read || result.state == detail::IoState::want_write) {
      wait_ready(socket, result.state == detail::IoState::want_read);
      continue;
    }
    const std::string why = socket.tls_failure();
    throw Error(why.empty() ? ErrorCode::unavailable : ErrorCode::failed_precondition,
                fmt::format("WebSocket: TLS with {} failed: {}", target.authority(),
                            why.empty() ? std::string("the peer closed the connection") : why));
  }
}

std::shared_ptr<WebSocket::Core> connect_here(const Url& target, const WebSocketClientOptions& options) {
  asio::io_context& io = detail::worker_io();
  ContextScope scope(Context::current().with_timeout(options.connect_timeout));
  auto socket = connect_tcp(io, target);
  if (target.secure()) handshake_tls(*socket, target, options.tls);
  auto core = std::make_shared<WebSocket::Core>(io, std::move(socket), std::string(), options.limits);

  std::string offered;
  for (const std::string& own : options.subprotocols) {
    if (!is_http_token(own))
      throw Error(ErrorCode::invalid_argument, "WebSocket: a subprotocol must be a token");
    offered.append(offered.empty() ? "" : ", ").append(own);
  }
  core->stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
    request.set(beast::http::field::user_agent, "beluga");  // else Beast names itself and its version
    for (const auto& field : options.headers) request.set(field.name, field.value);
    if (!offered.empty()) request.set(beast::http::field::sec_websocket_protocol, offered);
  }));
  auto response = std::make_shared<websocket::response_type>();
  auto arrival = std::make_shared<Arrival>();
  core->stream.async_handshake(*response, target.authority(), target.target(),
                               [arrival, response, core](error_code ec) {
                                 arrival->ec = ec;
                                 arrival->done = true;
                                 arrival->spot.notify();
                               });
  wait_for(arrival, [&] { core->stream.next_layer().socket().abort(); });
  if (arrival->ec) {
    const int status = static_cast<int>(response->result_int());
    core->stream.next_layer().socket().close();
    if (arrival->ec == websocket::error::upgrade_declined)
      throw Error(ErrorCode::failed_precondition,
                  fmt::format("WebSocket: {} declined with HTTP status {}", target.authority(), status))
          .with_http_status(status);
    throw Error(ErrorCode::unavailable, fmt::format("WebSocket: the handshake with {} failed: {}",
                                                    target.authority(), arrival->ec.message()));
  }
  // The decorator refers to this frame.
  core->stream.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
  const auto chosen = (*response)[beast::http::field::sec_websocket_protocol];
  core->subprotocol.assign(chosen.data(), chosen.size());
  if (!core->subprotocol.empty() && !list_has(offered, core->subprotocol)) {
    core->stream.next_layer().socket().close();
    throw Error(ErrorCode::failed_precondition,
                "WebSocket: the server chose a subprotocol that was not offered");
  }
  core->start();
  return core;
}

}  // namespace

WebSocket WebSocket::connect(const std::string& url, WebSocketClientOptions options) {
  const Url target = parse_target(url);
  std::shared_ptr<Core> core;
  detail::on_worker([&] { core = connect_here(target, options); });
  return WebSocket(std::move(core));
}

}  // namespace beluga
