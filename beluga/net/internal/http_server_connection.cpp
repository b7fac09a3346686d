#include "beluga/net/internal/http_server_connection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/saturating.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/http_server_text.hpp"
#include "beluga/net/internal/websocket_handshake.hpp"
#include "beluga/net/websocket.hpp"

namespace beluga::detail {

namespace {

constexpr std::size_t kReadAhead = 64 * 1024;       // input held for a handler that does not read
constexpr std::size_t kDiscardAtMost = 256 * 1024;  // of a body nobody read, before giving the connection up
constexpr Duration kLinger = std::chrono::seconds(1);

/// Bytes go through one buffer of the worker, so that a waiting connection holds none.
char* scratch() {
  static const unsigned kSlot = per_worker_slot();
  return static_cast<std::string*>(
             per_worker(kSlot,
                        [] { return std::shared_ptr<void>(std::make_shared<std::string>(kReadAhead, '\0')); })
                 .get())
      ->data();
}

TimePoint now() {
  return Clock::current().now();
}

TimePoint after(Duration time) {
  return saturating_add(now(), time);
}

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<HttpServer::Impl> server, ServerLane& lane,
                                   boost::asio::io_context& io, FileDescriptor fd, std::string peer,
                                   ConnectionPlace place)
    : server_(std::move(server)),
      lane_(lane),
      io_(io),
      place_(std::move(place)),
      socket_(std::make_unique<Socket>(io, std::move(fd))),
      peer_(std::move(peer)) {}

ServerConnection::~ServerConnection() {
  if (!served_) ++server_->refused;  // there was no stack for its fiber
}

// ---- input: a pump that runs whether or not somebody waits for it, so that a disconnect is seen at once

void ServerConnection::arm_reader() {
  if (reading_ || eof_ || !socket_ || !socket_->open() || input().size() >= kReadAhead) return;
  reading_ = true;
  auto ready = [self = shared_from_this()] {
    self->reading_ = false;
    self->fill();
    self->arm_reader();
  };
  if (read_blocked_on_write_)
    socket_->when_writable(std::move(ready));
  else
    socket_->when_readable(std::move(ready));
}

void ServerConnection::fill() noexcept {
  if (!socket_ || eof_) return;
  read_blocked_on_write_ = false;
  while (input().size() < kReadAhead) {
    char* const buffer = scratch();
    const IoResult result = socket_->try_read(buffer, kReadAhead);
    if (result.state == IoState::ok) {
      if (in_position_ > 0 && in_position_ == in_.size()) {
        in_.clear();
        in_position_ = 0;
      }
      in_.append(buffer, result.bytes);
      if (!tls_ && result.bytes < kReadAhead) break;  // the next wait reports what came since
      continue;
    }
    if (result.state == IoState::want_read) break;
    if (result.state == IoState::want_write) {
      read_blocked_on_write_ = true;
      break;
    }
    eof_ = true;
    client_gone();
    break;
  }
  reader_.notify();
  if (tls_ || eof_) writer_.notify();
}

void ServerConnection::client_gone() noexcept {
  if (request_ && !detached_) request_->cancel(Error(ErrorCode::cancelled, "client went away"));
}

ServerConnection::Wait ServerConnection::wait_for_input(TimePoint until) {
  arm_reader();
  switch (reader_.wait(until)) {
    case Wake::notified:
      return Wait::ready;
    case Wake::timeout:
      return Wait::timeout;
    default:
      return Wait::interrupted;
  }
}

void ServerConnection::consume(std::size_t bytes) {
  in_position_ += bytes;
  if (in_position_ == in_.size()) {
    in_position_ = 0;
    if (in_.capacity() > 4096)
      std::string().swap(in_);
    else
      in_.clear();
  } else if (in_position_ > kReadAhead) {
    in_.erase(0, in_position_);
    in_position_ = 0;
  }
}

// ---- the body of the request

void ServerConnection::fault(int status, ErrorCode code, std::string message) {
  fault_ = status;
  close_after_ = true;
  throw Error(code, std::move(message)).with_http_status(status);
}

std::string_view ServerConnection::read_body(std::string& chunk) {
  chunk.clear();
  for (;;) {
    if (parser_->state() == RequestParser::State::complete) return {};
    if (detached_)
      throw Error(ErrorCode::failed_precondition, "the connection was upgraded; there is no body to read");
    consume(parser_->feed(input(), chunk, kReadAhead));
    if (parser_->body_bytes() > 0) continue_sent_ = true;  // the client did not wait to be asked
    if (parser_->state() == RequestParser::State::rejected) {
      const Rejection& rejection = parser_->rejection();
      fault(rejection.status,
            rejection.status == 413 ? ErrorCode::resource_exhausted : ErrorCode::invalid_argument,
            rejection.message);
    }
    if (!chunk.empty()) return chunk;
    if (parser_->state() == RequestParser::State::complete) return {};
    if (eof_) throw Error(ErrorCode::cancelled, "client went away");
    if (parser_->head().expects_continue && !continue_sent_) {
      continue_sent_ = true;
      if (!head_sent_) write_one("HTTP/1.1 100 Continue\r\n\r\n");
    }
    arm_reader();
    const IoPending pending;
    const Wake wake = reader_.wait(after(server_->options.limits.body_idle_timeout));
    if (wake == Wake::timeout)
      fault(408, ErrorCode::deadline_exceeded, "the client stopped sending the body");
    throw_if_interrupted(wake);
  }
}

bool ServerConnection::discard_body() {
  if (parser_->head().expects_continue && !continue_sent_) return false;
  std::string chunk;
  const TimePoint until = now() + kLinger;
  std::size_t discarded = 0;
  while (parser_->state() == RequestParser::State::body) {
    chunk.clear();
    consume(parser_->feed(input(), chunk, kReadAhead));
    discarded += chunk.size();
    if (parser_->state() != RequestParser::State::body) break;
    if (eof_ || discarded > kDiscardAtMost) return false;
    if (chunk.empty() && wait_for_input(until) != Wait::ready) return false;
  }
  return parser_->state() == RequestParser::State::complete;
}

// ---- the life of a connection

bool ServerConnection::handshake() {
  const TimePoint until = after(server_->options.limits.header_timeout);
  for (;;) {
    const IoResult result = socket_->handshake();
    if (result.state == IoState::ok) return true;
    if (result.state != IoState::want_read && result.state != IoState::want_write) return false;
    auto ready = [self = shared_from_this()] { self->reader_.notify(); };
    if (result.state == IoState::want_read)
      socket_->when_readable(std::move(ready));
    else
      socket_->when_writable(std::move(ready));
    if (reader_.wait(until) != Wake::notified) return false;
  }
}

ServerConnection::Next ServerConnection::await_head(bool first) {
  const auto& limits = server_->options.limits;
  parser_.emplace(limits);
  TimePoint until = after(first ? limits.header_timeout : limits.idle_timeout);
  bool started = false;
  std::string no_body;
  for (;;) {
    consume(parser_->feed(input(), no_body, 0));
    if (parser_->state() != RequestParser::State::head) return Next::request;
    if (parser_->started() && !started) {
      started = true;
      until = after(limits.header_timeout);
    }
    if (eof_ || (!started && server_->draining)) return Next::close;
    switch (wait_for_input(until)) {
      case Wait::ready:
        break;
      case Wait::interrupted:
        return Next::close;
      case Wait::timeout:
        if (!started) return Next::close;
        ++server_->rejected;
        answer(408, "deadline_exceeded", "the head of the request did not arrive in time");
        return Next::linger;
    }
  }
}

void ServerConnection::run_handler(HttpServerRequest& request, HttpServerResponse& response) {
  const auto outcome = attempt([&] {
    server_->handler(request, response);
    if (detached_) return;
    if (!head_sent_)
      send_whole(response.status_, response.headers_, {}, {});
    else if (streaming_)
      end_stream();
  });
  if (!outcome.ok()) answer_failure(response, outcome.error(), false);
}

ServerConnection::Next ServerConnection::handle(bool last) {
  const RequestHead& head = parser_->head();
  fault_ = 0;
  continue_sent_ = false;
  head_.clear();
  head_sent_ = streaming_ = chunked_ = ended_ = false;
  head_only_ = head.method == "HEAD";
  close_after_ = last || !head.keep_alive;

  const auto refuse = [&](int status, std::string_view message) {
    ++server_->rejected;
    answer(status, rejection_code(status), message);
    return Next::linger;
  };
  if (head.method == "CONNECT") return refuse(501, "CONNECT is not supported");
  auto path = path_of(head);
  if (!path) return refuse(400, "the request target is not an acceptable path");
  if (!server_->options.hosts.empty()) {
    std::string_view host = head.headers.get_or("Host", "");
    if (const std::size_t colon = host.rfind(':'); colon != host.npos && host.find(']', colon) == host.npos)
      host = host.substr(0, colon);
    const auto& hosts = server_->options.hosts;
    if (std::none_of(hosts.begin(), hosts.end(),
                     [&](const std::string& own) { return http_names_equal(own, host); }))
      return refuse(421, "this server does not answer for that host");
  }

  ++server_->requests;
  {
    HttpServerRequest request(*this, head, std::move(*path));
    HttpServerResponse response(*this);
    request_.emplace(Context::current().cancel_token());
    struct Finish {
      ServerConnection& self;
      ~Finish() {
        self.request_.reset();
        if (self.in_lane_) self.lane_.event_streams.erase(*self.in_lane_);
        self.in_lane_.reset();
      }
    } finish{*this};
    if (eof_) client_gone();
    arm_reader();  // from here on a disconnect is seen
    ContextScope scope(
        Context::current().with_cancel(request_->token()).with<HttpServer::Impl::HandlerOf>(server_->mark));
    run_handler(request, response);
  }
  if (server_->stopping) ++server_->cancelled_handlers;
  if (detached_) return Next::detached;
  if (broken_) return Next::close;
  if (close_after_)
    return parser_->state() == RequestParser::State::complete && input().empty() ? Next::close : Next::linger;
  if (!discard_body()) return Next::linger;
  return Next::request;
}

void ServerConnection::linger() {
  // Closing with unread input sends a reset, which can destroy the answer on its way (RFC 9112 section 9.6).
  if (!socket_ || broken_) return;
  socket_->shutdown_write();
  const TimePoint until = now() + kLinger;
  std::size_t discarded = 0;
  while (!eof_ && discarded < 16 * kDiscardAtMost) {
    discarded += input().size();
    consume(input().size());
    if (wait_for_input(until) != Wait::ready) break;
  }
}

void ServerConnection::serve() {
  served_ = true;
  struct End {
    ServerConnection& self;  // may live on in handlers that wait for its socket
    ~End() {
      if (self.socket_) self.socket_->close();
      self.place_ = {};
      self.server_ = nullptr;  // it holds the runtime, whose worker holds those handlers
    }
  } end{*this};
  const std::size_t most = server_->options.limits.requests_per_connection;
  CancelCallback on_drain(server_->drain_source.token(), [this] { reader_.notify(); });
  std::shared_ptr<const TlsContext> tls;
  {
    const std::lock_guard lock(server_->mutex);
    tls = server_->tls;
  }
  Next next = Next::request;
  if (tls) {
    tls_ = true;
    socket_->start_tls_server(*tls);
    if (!handshake()) next = Next::close;
  }
  for (std::size_t count = 1; next == Next::request; ++count) {
    next = await_head(count == 1);
    if (next != Next::request) break;
    if (parser_->state() == RequestParser::State::rejected) {
      ++server_->rejected;
      head_only_ = false;
      answer(parser_->rejection().status, rejection_code(parser_->rejection().status),
             parser_->rejection().message);
      next = Next::linger;
    } else {
      next = handle(count >= most || server_->draining);
    }
  }
  if (next == Next::linger)
    linger();
  else if (next == Next::close && socket_ && !broken_ && !eof_)
    socket_->shutdown_write();
}

WebSocket ServerConnection::upgrade(WebSocketServerOptions options, HttpHeaders& headers) {
  if (head_sent_) throw Error(ErrorCode::failed_precondition, "the response was sent already");
  check_websocket_handshake(parser_->head(), options);
  if (parser_->head().headers.get_joined("Sec-WebSocket-Version") != kWebSocketVersion) {
    // RFC 6455 section 4.4 and RFC 9110 section 15.5.22: what we would understand.
    headers.set("Sec-WebSocket-Version", kWebSocketVersion);
    headers.set("Upgrade", "websocket");
    fault(426, ErrorCode::failed_precondition, "Sec-WebSocket-Version must be 13");
  }
  if (parser_->state() != RequestParser::State::complete)
    throw Error(ErrorCode::invalid_argument, "a WebSocket handshake has no body");
  detached_ = head_sent_ = ended_ = true;
  std::string pending(input());
  consume(pending.size());
  auto source = std::make_shared<CancelSource>(*request_);
  return accept_websocket(io_, std::move(socket_), std::move(pending), parser_->head(), options,
                          std::move(place_),
                          [source] { source->cancel(Error(ErrorCode::cancelled, "client went away")); });
}

}  // namespace beluga::detail
