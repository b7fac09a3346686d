#include "beluga/net/internal/websocket_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/internal/saturating.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga {

namespace {

constexpr std::size_t kReadStep = 64 * 1024;
constexpr std::size_t kDeflateStep = 64 * 1024;  // compressed at a time: under a millisecond or two
constexpr std::size_t kWorthDeflating = 32;      // shorter messages do not get smaller
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr std::size_t kLingerBytes = 1024 * 1024;
constexpr std::string_view kPing = "beluga ";  // then its number

using detail::IoState;
using detail::WebSocketEvent;
using detail::WebSocketOpcode;

/// Bytes go through one buffer of the worker, so that a silent connection holds none.
char* scratch() {
  static const unsigned kSlot = detail::per_worker_slot();
  return static_cast<std::string*>(
             detail::per_worker(
                 kSlot, [] { return std::shared_ptr<void>(std::make_shared<std::string>(kReadStep, '\0')); })
                 .get())
      ->data();
}

TimePoint now() {
  return Clock::current().now();
}

TimePoint after(Duration time) {
  return detail::saturating_add(now(), time);
}

Error closed_error() {
  return Error(ErrorCode::failed_precondition, "WebSocket: the connection is closed");
}

std::unique_ptr<detail::WebSocketInflater> make_inflater(
    WebSocket::Core::Side side, const std::optional<detail::DeflateAgreement>& deflate) {
  if (!deflate) return nullptr;
  return std::make_unique<detail::WebSocketInflater>(
      side == WebSocket::Core::Side::server ? deflate->client_takeover : deflate->server_takeover);
}

}  // namespace

WebSocket::Core::Core(Side own_side, boost::asio::io_context& own_io,
                      std::unique_ptr<detail::Socket> own_socket, std::string own_input,
                      const WebSocketLimits& own_limits,
                      const std::optional<detail::DeflateAgreement>& deflate,
                      detail::ConnectionPlace own_place)
    : io(own_io),
      limits(own_limits),
      side_(own_side),
      place_(std::move(own_place)),
      socket_(std::move(own_socket)),
      input_(std::move(own_input)),
      reader_(own_side == Side::server, own_limits.message_bytes, make_inflater(own_side, deflate)),
      idle_timer_([this] { on_idle(); }),
      write_timer_([this] { on_write_idle(); }),
      close_timer_([this] {
        if (lingering_)
          close_socket();
        else
          cut();
      }) {
  if (!deflate) return;
  const bool server = own_side == Side::server;
  deflater_ = std::make_unique<detail::WebSocketDeflater>(
      server ? deflate->server_window_bits : deflate->client_window_bits,
      server ? deflate->server_takeover : deflate->client_takeover);
}

template <class F>
void WebSocket::Core::on_worker_do(F f) {
  if (Runtime::on_fiber() && &detail::worker_io() == &io)
    f();
  else
    boost::asio::post(io, std::move(f));
}

void WebSocket::Core::start() {
  heard();
  pump();
}

bool WebSocket::Core::has_ended() const {
  const std::lock_guard lock(mutex);
  return ended.has_value();
}

/// A clock that jumps when nothing is under way must not jump while somebody waits for the peer.
void WebSocket::Core::show_waiting() {
  const bool waits =
      !goodbye_ && !lingering_ && !has_ended() &&
      (receivers > 0 || !outbox_.empty() || !awaiting_pong_.empty() || !closers_.empty() || idle_ping_sent_);
  if (!waits)
    waiting_.reset();
  else if (!waiting_)
    waiting_.emplace();
}

// ---- reading

void WebSocket::Core::heard() {
  last_heard_ = now();
  if (std::exchange(idle_ping_sent_, false)) show_waiting();
  if (closing_) return;
  if (limits.idle_timeout > Duration::zero()) idle_timer_.set(after(limits.idle_timeout / 2));
}

void WebSocket::Core::on_idle() {
  if (has_ended()) return;
  // While the messages that were read ahead wait for a receiver, the silence is ours.
  if (!reading_ && !digest_posted_) return heard();
  if (idle_ping_sent_) {
    // Timers fire before sockets are read: what came while the worker was away counts.
    if (reading_ && read_some()) return pump();
    if (has_ended()) return;
    return lose("the peer was silent for WebSocketLimits::idle_timeout");
  }
  idle_ping_sent_ = true;
  idle_timer_.set(
      std::max(detail::saturating_add(last_heard_, limits.idle_timeout), after(limits.idle_timeout / 2)));
  idle_ping_ = true;
  show_waiting();
  flush();
}

void WebSocket::Core::on_write_idle() {
  // Here, too: what the peer has taken while the worker was away counts.
  write_progressed_ = write_armed_ = false;
  flush();
  if (!write_progressed_) lose("the peer took no byte for WebSocketLimits::write_idle_timeout");
}

void WebSocket::Core::arm_reader() {
  if (reading_ || !socket_->open()) return;
  reading_ = true;
  auto ready = [self = shared_from_this()] {
    self->reading_ = false;
    if (self->lingering_)
      self->linger_step();
    else
      self->pump();
  };
  if (read_blocked_on_write_)
    socket_->when_writable(std::move(ready));
  else
    socket_->when_readable(std::move(ready));
}

/// Reads and digests until the socket has no more or the inbox is full.
void WebSocket::Core::pump() {
  show_waiting();
  for (int round = 0; !has_ended() && !digest_posted_; ++round) {
    const bool more = digest();
    // RFC 6455 section 5.5.3: the latest ping may be answered alone. An answer to each of the thousands that a
    // read can hold would keep the worker from everybody else.
    if (pong_) flush();
    if (!more || has_ended() || reading_) return;
    if (round == 4) return go_on_later();  // a peer that sends as fast as we read is not the only one
    if (!read_some()) return;
  }
}

/// After others had a turn.
void WebSocket::Core::go_on_later() {
  digest_posted_ = true;
  boost::asio::post(io, [self = shared_from_this()] {
    self->digest_posted_ = false;
    self->pump();
  });
}

bool WebSocket::Core::inbox_full() const {
  return inbox_.size() >= kReadAhead || inbox_bytes_ >= kReadAheadBytes;
}

/// Whether there is something new in `input_`.
bool WebSocket::Core::read_some() {
  char* const buffer = scratch();
  const detail::IoResult result = socket_->try_read(buffer, kReadStep);
  switch (result.state) {
    case IoState::ok:
      input_.append(buffer, result.bytes);
      heard();
      return true;
    case IoState::want_read:
    case IoState::want_write:
      read_blocked_on_write_ = result.state == IoState::want_write;
      arm_reader();
      return false;
    case IoState::eof:
      lose("the peer closed the connection");
      return false;
    default:
      lose(result.error != 0 ? std::strerror(result.error) : "TLS failed");
      return false;
  }
}

/// False: not to read on now.
bool WebSocket::Core::digest() {
  while (input_position_ < input_.size()) {
    if (!closing_ && inbox_full()) return false;
    std::string_view rest = std::string_view(input_).substr(input_position_);
    WebSocketEvent event = reader_.next(rest);
    input_position_ = input_.size() - rest.size();
    switch (event.kind) {
      case WebSocketEvent::Kind::none:
        break;
      case WebSocketEvent::Kind::again:
        go_on_later();
        return false;
      case WebSocketEvent::Kind::message:
        inbox_bytes_ += event.data.size();
        (void)attempt([&] { inbox_.try_send({.data = std::move(event.data), .binary = event.binary}); });
        break;
      case WebSocketEvent::Kind::ping:
        pong_ = std::move(event.data);  // sent by pump(): one answer for all pings of a read
        break;
      case WebSocketEvent::Kind::pong:
        on_pong(event.data);
        break;
      case WebSocketEvent::Kind::close:
        on_close(std::move(event));
        return false;
      case WebSocketEvent::Kind::failed:
        on_failure(std::move(event));
        return false;
    }
    if (has_ended()) return false;
  }
  input_position_ = 0;
  if (input_.capacity() > 4096)
    std::string().swap(input_);
  else
    input_.clear();
  return closing_ || !inbox_full();
}

/// It answers its ping and all before it (RFC 6455 section 5.5.3).
void WebSocket::Core::on_pong(std::string_view payload) {
  if (!payload.starts_with(kPing)) return;
  payload.remove_prefix(kPing.size());
  std::uint64_t number = 0;
  const auto [stop, failure] = std::from_chars(payload.data(), payload.data() + payload.size(), number);
  if (failure != std::errc() || stop != payload.data() + payload.size() || number > pings_sent_) return;
  std::erase_if(awaiting_pong_, [&](Ping& ping) {
    if (ping.number > number) return false;
    ping.done.set();
    return true;
  });
  show_waiting();
}

void WebSocket::Core::on_close(WebSocketEvent event) {
  peer_close_ = WebSocketClose{event.code, std::move(event.data)};
  if (close_sent_) return finish(*peer_close_, std::nullopt);
  const bool ours_is_queued = closing_;
  begin_closing();
  // 1005 stands for no code, which is answered by none (RFC 6455 section 7.4.1).
  close_now_ = WebSocketClose{peer_close_->code, {}};
  if (!ours_is_queued) cut_after(limits.close_timeout);
  flush();
}

void WebSocket::Core::on_failure(WebSocketEvent event) {
  failure_ = event.code == 1009 ? Error(ErrorCode::resource_exhausted,
                                        fmt::format("WebSocket: the peer sent a message over {} bytes "
                                                    "(WebSocketLimits::message_bytes)",
                                                    limits.message_bytes))
                                : Error(ErrorCode::invalid_argument,
                                        "WebSocket: the peer broke the protocol: " + event.data);
  if (close_sent_) return finish({event.code, {}}, failure_);
  begin_closing();
  close_now_ = WebSocketClose{event.code, {}};
  inbox_.close(*failure_);
  cut_after(limits.close_timeout);
  flush();
}

// ---- writing

Future<void> WebSocket::Core::submit(Outgoing out) {
  Future<void> future = out.done.future();
  on_worker_do(
      [self = shared_from_this(), out = std::move(out)]() mutable { self->enqueue(std::move(out)); });
  return future;
}

void WebSocket::Core::fail_message(Outgoing& out) {
  if (out.kind == Kind::close)
    closers_.push_back(std::move(out.done));  // ends with the connection
  else
    out.done.fail(closed_error());
}

void WebSocket::Core::enqueue(Outgoing out) {
  if (has_ended()) {
    if (out.kind == Kind::close)
      out.done.set();
    else
      out.done.fail(closed_error());
    return;
  }
  if (closing_) {
    fail_message(out);
    return show_waiting();
  }
  if (out.kind == Kind::close) {
    begin_closing();
    cut_after(limits.close_timeout);
  }
  outbox_.push_back(std::move(out));
  show_waiting();
  flush();
  if (closing_) pump();  // a full inbox does not hold up the peer's answer
}

/// A peer that takes nothing, or answers no ping, must not let what its senders gave up pile up here.
void WebSocket::Core::forget_abandoned() {
  std::erase_if(outbox_, [](const Outgoing& entry) {
    return !entry.started && entry.abandoned && entry.abandoned->load();
  });
  std::erase_if(awaiting_pong_, [](const Ping& ping) { return ping.abandoned->load(); });
  show_waiting();
}

void WebSocket::Core::frame(WebSocketOpcode opcode, bool last, bool compressed, std::string payload) {
  payload_ = std::move(payload);
  written_ = 0;
  if (side_ == Side::client) {
    const auto mask = detail::random_mask();
    head_ = detail::frame_head(opcode, last, compressed, payload_.size(), mask);
    detail::apply_mask(payload_.data(), payload_.size(), mask, 0);
  } else {
    head_ = detail::frame_head(opcode, last, compressed, payload_.size(), std::nullopt);
  }
}

/// Makes the frame that goes out next; false when there is none.
bool WebSocket::Core::next_frame() {
  if (close_sent_) return false;
  const auto close_frame = [&](const WebSocketClose& close) {
    std::string payload;
    if (close.code != 1005)
      payload = std::string{static_cast<char>(close.code >> 8), static_cast<char>(close.code & 0xFF)} +
                close.reason;
    frame(WebSocketOpcode::close, true, false, std::move(payload));
    under_way_ = UnderWay::close;
  };
  if (close_now_) {
    close_frame(*close_now_);
    return true;
  }
  if (pong_ || std::exchange(idle_ping_, false)) {
    under_way_ = UnderWay::control;
    if (pong_)
      frame(WebSocketOpcode::pong, true, false, *std::exchange(pong_, std::nullopt));
    else
      frame(WebSocketOpcode::ping, true, false, "idle");
    return true;
  }
  if (outbox_.empty()) return false;
  Outgoing& out = outbox_.front();
  const bool first = !std::exchange(out.started, true);
  under_way_ = UnderWay::last;
  switch (out.kind) {
    case Kind::close:
      close_frame({out.code, out.data});
      return true;
    case Kind::ping:
      frame(WebSocketOpcode::ping, true, false, fmt::format("{}{}", kPing, ++pings_sent_));
      return true;
    default:
      break;
  }
  const auto opcode = !first                     ? WebSocketOpcode::continuation
                      : out.kind == Kind::binary ? WebSocketOpcode::binary
                                                 : WebSocketOpcode::text;
  if (!deflater_ || (first && out.data.size() < kWorthDeflating)) {
    frame(opcode, true, false, std::move(out.data));
    return true;
  }
  std::string compressed;
  bool last = false;
  for (int step = 0; compressed.empty() && !last && step < 4; ++step) {
    const std::size_t size = std::min(out.data.size() - out.position, kDeflateStep);
    last = out.position + size == out.data.size();
    deflater_->add(std::string_view(out.data).substr(out.position, size), last, compressed);
    out.position += size;
  }
  if (!last) under_way_ = UnderWay::fragment;
  frame(opcode, last, first, std::move(compressed));
  return true;
}

void WebSocket::Core::flush() {
  if (write_armed_) return;
  while (!has_ended()) {
    if (under_way_ == UnderWay::nothing && !next_frame()) return;
    while (written_ < head_.size() + payload_.size()) {
      std::array<std::string_view, 2> parts;
      std::size_t count = 0;
      if (written_ < head_.size()) parts[count++] = std::string_view(head_).substr(written_);
      parts[count++] =
          std::string_view(payload_).substr(written_ > head_.size() ? written_ - head_.size() : 0);
      const detail::IoResult result = socket_->try_write(std::span(parts.data(), count));
      if (result.state == IoState::ok) {
        written_ += result.bytes;
        write_progressed_ = true;
        write_timer_.stop();
        continue;
      }
      if (result.state != IoState::want_read && result.state != IoState::want_write) {
        // What the peer said before it went away may still wait to be read, a close frame for instance.
        const std::string why = result.error != 0 ? std::strerror(result.error) : "TLS failed";
        if (!digest_posted_ && !std::exchange(write_armed_, true)) pump();
        return lose(why);
      }
      write_armed_ = true;
      auto ready = [self = shared_from_this()] {
        self->write_armed_ = false;
        self->flush();
      };
      if (result.state == IoState::want_write)
        socket_->when_writable(std::move(ready));
      else
        socket_->when_readable(std::move(ready));
      if (limits.write_idle_timeout > Duration::zero()) write_timer_.set(after(limits.write_idle_timeout));
      return;
    }
    const bool more_to_deflate = under_way_ == UnderWay::fragment;
    frame_written();
    if (!more_to_deflate) continue;
    write_armed_ = true;  // compressing is work: others get their turn
    boost::asio::post(io, [self = shared_from_this()] {
      self->write_armed_ = false;
      self->flush();
    });
    return;
  }
}

void WebSocket::Core::frame_written() {
  const UnderWay what = std::exchange(under_way_, UnderWay::nothing);
  if (payload_.capacity() > 4096) std::string().swap(payload_);
  switch (what) {
    case UnderWay::close: {
      close_sent_ = true;
      if (failure_)
        finish({close_now_->code, {}}, failure_);
      else if (peer_close_)
        finish(*peer_close_, std::nullopt);
      break;  // else the peer's answer ends it
    }
    case UnderWay::last: {
      Outgoing out = std::move(outbox_.front());
      outbox_.pop_front();
      if (out.kind != Kind::ping)
        out.done.set();
      else if (!out.abandoned->load())
        awaiting_pong_.push_back({pings_sent_, std::move(out.done), std::move(out.abandoned)});
      show_waiting();
      break;
    }
    default:
      break;
  }
}

// ---- ending

/// Nothing more is taken to be sent, and what comes is not even inflated: while messages are delivered, a full
/// inbox holds a peer up, and now nothing would.
void WebSocket::Core::begin_closing() {
  closing_ = true;
  idle_timer_.stop();
  reader_.drop_messages();
}

void WebSocket::Core::cut_after(Duration patience) {
  close_timer_.set(after(patience));
}

void WebSocket::Core::close_socket() {
  socket_->close();
  place_ = {};
}

/// The peer cannot take it for an end in order.
void WebSocket::Core::abort_socket() {
  socket_->abort();
  place_ = {};
}

void WebSocket::Core::cut() {
  const std::shared_ptr<Core> self = shared_from_this();
  if (!has_ended())
    finish({1006, {}}, Error(ErrorCode::data_loss, "WebSocket: the peer did not close in time; cut"));
  abort_socket();
}

void WebSocket::Core::lose(std::string why) {
  if (has_ended()) return;
  const std::shared_ptr<Core> self = shared_from_this();
  // A peer that closes at once after its goodbye, or after hearing ours, has not been rude.
  if (peer_close_) {
    finish(*peer_close_, std::nullopt);
  } else if (failure_) {
    finish({close_now_->code, {}}, failure_);
  } else {
    finish({1006, {}},
           Error(ErrorCode::data_loss, "WebSocket: the connection was lost without a goodbye: " + why));
    abort_socket();
  }
}

/// The connection is over for its user. In order, the socket still lingers.
void WebSocket::Core::finish(WebSocketClose how, std::optional<Error> error) {
  const bool orderly = how.code != 1006;
  {
    const std::lock_guard lock(mutex);
    if (ended) return;
    ended = std::move(how);
  }
  const std::shared_ptr<Core> self = shared_from_this();  // what follows may let go of the last owner
  idle_timer_.stop();
  write_timer_.stop();
  close_timer_.stop();
  if (error)
    inbox_.close(*error);
  else
    inbox_.close();
  // Whoever closes, or is told of the peer's goodbye by receive(), knows; anybody else has to be stopped.
  const bool told = (closing_ && !peer_close_ && !failure_) || (!error && receivers > 0) || !closers_.empty();
  for (Ping& ping : awaiting_pong_) ping.done.fail(closed_error());
  awaiting_pong_.clear();
  for (Outgoing& out : outbox_) fail_message(out);
  const bool closed_by_us = told || std::any_of(outbox_.begin(), outbox_.end(),
                                                [](const Outgoing& out) { return out.kind == Kind::close; });
  outbox_.clear();
  for (auto& promise : closers_) promise.set();
  closers_.clear();
  show_waiting();
  if (gone && !closed_by_us) gone();
  gone = nullptr;
  if (orderly) linger();
}

/// Says that we are done, then reads to the end for at most a second: closing with unread input would send a
/// reset, which can overtake the close frame (RFC 6455 section 7.1.1).
void WebSocket::Core::linger() {
  lingering_ = true;
  std::string().swap(input_);
  socket_->shutdown_write();
  cut_after(kLinger);
  linger_step();
}

void WebSocket::Core::linger_step() {
  while (socket_->open()) {
    const detail::IoResult result = socket_->try_read(scratch(), kReadStep);
    if (result.state == IoState::ok) {
      discarded_ += result.bytes;
      if (discarded_ <= kLingerBytes) continue;
    } else if (result.state == IoState::want_read || result.state == IoState::want_write) {
      read_blocked_on_write_ = result.state == IoState::want_write;
      return arm_reader();
    }
    break;
  }
  close_timer_.stop();
  close_socket();
}

void WebSocket::Core::say_goodbye() {
  if (has_ended()) return;
  goodbye_ = true;
  enqueue({.kind = Kind::close, .data = {}, .code = 1001, .done = {}, .abandoned = nullptr});
  cut_after(kLinger);
}

// ---- from anywhere

std::optional<WebSocketMessage> WebSocket::Core::receive() {
  struct Waiting {
    Core& core;
    explicit Waiting(Core& own) : core(own) { change(1); }
    ~Waiting() { change(-1); }
    void change(int by) {
      core.receivers += by;
      core.on_worker_do([self = core.shared_from_this()] { self->pump(); });
    }
  } waiting(*this);
  auto message = inbox_.receive();
  if (message) inbox_bytes_ -= message->data.size();
  return message;
}

void WebSocket::Core::send(Kind kind, std::string data) {
  auto abandoned = std::make_shared<std::atomic<bool>>(false);
  Future<void> done =
      submit({.kind = kind, .data = std::move(data), .code = 0, .done = {}, .abandoned = abandoned});
  try {
    done.get();
  } catch (...) {
    abandoned->store(true);
    (void)attempt([&] { on_worker_do([self = shared_from_this()] { self->forget_abandoned(); }); });
    throw;
  }
}

void WebSocket::Core::close(std::uint16_t code, std::string reason) {
  const Future<void> done = submit(
      {.kind = Kind::close, .data = std::move(reason), .code = code, .done = {}, .abandoned = nullptr});
  (void)done.wait_until(after(limits.close_timeout));
  on_worker_do([self = shared_from_this()] {
    if (!self->has_ended()) self->cut();
  });
}

}  // namespace beluga
