#include "beluga/net/http_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "beluga/base/json.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/http_server_connection.hpp"
#include "beluga/net/internal/websocket_handshake.hpp"
#include "beluga/net/websocket.hpp"

namespace beluga {

using detail::ServerConnection;

int http_status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::cancelled:
      return 499;
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::failed_precondition:
      return 400;
    case ErrorCode::out_of_range:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::permission_denied:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
      return 409;
    case ErrorCode::aborted:
      return 409;
    case ErrorCode::resource_exhausted:
      return 429;
    case ErrorCode::unimplemented:
      return 501;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::deadline_exceeded:
      return 504;
    case ErrorCode::unknown:
      return 500;
    case ErrorCode::internal:
      return 500;
    case ErrorCode::data_loss:
      return 500;
  }
  return 500;
}

namespace {

constexpr std::size_t kReadAhead = 64 * 1024;       // input held for a handler that does not read
constexpr std::size_t kDiscardAtMost = 256 * 1024;  // of a body nobody read, before giving the connection up
constexpr Duration kLinger = std::chrono::seconds(1);

/// Bytes go through one buffer of the worker, so that a waiting connection holds none.
char* scratch() {
  static const unsigned kSlot = detail::per_worker_slot();
  return static_cast<std::string*>(
             detail::per_worker(
                 kSlot, [] { return std::shared_ptr<void>(std::make_shared<std::string>(kReadAhead, '\0')); })
                 .get())
      ->data();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Percent-decodes; nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

/// The path of a request target in origin or absolute form (RFC 9112 section 3.2), decoded; nullopt when it
/// is refused.
std::optional<std::string> path_of(std::string_view target, std::string_view method) {
  if (target == "*" && method == "OPTIONS") return "*";
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() > scheme.size() && http_names_equal(target.substr(0, scheme.size()), scheme)) {
      const std::size_t slash = target.find_first_of("/?", scheme.size());
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
      if (target.front() == '?') return "/";
      break;
    }
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  target = target.substr(0, target.find_first_of("?#"));
  for (std::size_t i = 0; i + 2 < target.size(); ++i)
    if (target[i] == '%' && target[i + 1] == '2' && (target[i + 2] == 'f' || target[i + 2] == 'F'))
      return std::nullopt;
  auto path = percent_decode(target, false);
  if (!path || path->find('\0') != std::string::npos) return std::nullopt;
  for (std::size_t begin = 0; begin < path->size();) {
    const std::size_t end = std::min(path->find('/', begin), path->size());
    const std::string_view segment = std::string_view(*path).substr(begin, end - begin);
    if (segment == "." || segment == "..") return std::nullopt;
    begin = end + 1;
  }
  return path;
}

/// RFC 9110 section 5.6.7.
std::string http_date(WallTime wall) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch()).count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(utc.tm_wday)],
                     utc.tm_mday, kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string error_body(std::string_view code, std::string_view message) {
  std::string body = "{\"error\":{\"code\":";
  append_json_string(body, code);
  body += ",\"message\":";
  append_json_string(body, message);
  body += "}}\n";
  return body;
}

std::string_view rejection_code(int status) {
  switch (status) {
    case 408:
      return "deadline_exceeded";
    case 413:
    case 414:
    case 431:
      return "resource_exhausted";
    case 501:
    case 505:
      return "unimplemented";
    case 503:
      return "unavailable";
    default:
      return "invalid_argument";
  }
}

/// 127.0.0.1, ::1; IPv4 in IPv6 as IPv4.
std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&six))
      ::inet_ntop(AF_INET, six.s6_addr + 12, text, sizeof(text));
    else
      ::inet_ntop(AF_INET6, &six, text, sizeof(text));
  }
  return text;
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || (status >= 100 && status < 200);
}

bool is_framing(std::string_view name) {
  return http_names_equal(name, "Content-Length") || http_names_equal(name, "Transfer-Encoding") ||
         http_names_equal(name, "Connection") || http_names_equal(name, "Date");
}

TimePoint now() {
  return Clock::current().now();
}

}  // namespace

namespace detail {

ServerConnection::ServerConnection(std::shared_ptr<HttpServer::Impl> server, ServerLane& lane,
                                   boost::asio::io_context& io, int fd, std::string peer)
    : server_(std::move(server)),
      lane_(lane),
      io_(io),
      socket_(std::make_unique<Socket>(io, fd)),
      peer_(std::move(peer)) {}

ServerConnection::~ServerConnection() = default;

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

// ---- output

void ServerConnection::write(std::span<std::string_view> parts) {
  if (broken_ || !socket_) throw Error(ErrorCode::cancelled, "client went away");
  const auto& limits = server_->options.limits;
  writing_ = true;
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } done{writing_};
  std::array<std::string_view, 1> rest{unsent_};
  std::span<std::string_view> current = unsent_.empty() ? parts : std::span<std::string_view>(rest);
  for (;;) {
    const IoResult result = socket_->try_write(current);
    if (result.state == IoState::ok) {
      std::size_t written = result.bytes;
      while (!current.empty()) {
        const std::size_t n = std::min(written, current.front().size());
        current.front().remove_prefix(n);
        written -= n;
        if (!current.front().empty()) break;
        current = current.subspan(1);
      }
      if (!current.empty()) continue;
      if (!unsent_.empty()) {
        unsent_.clear();
        current = parts;
        continue;
      }
      last_write_ = now();
      return;
    }
    if (result.state == IoState::want_write || result.state == IoState::want_read) {
      if (!write_waiting_) {
        write_waiting_ = true;
        auto ready = [self = shared_from_this()] {
          self->write_waiting_ = false;
          self->writer_.notify();
        };
        if (result.state == IoState::want_write)
          socket_->when_writable(std::move(ready));
        else
          socket_->when_readable(std::move(ready));
      }
      const IoPending pending;
      const Wake wake = writer_.wait(now() + limits.write_idle_timeout);
      if (wake == Wake::notified) continue;
      // Part of a message is out: this connection cannot say anything sensible any more.
      broken_ = true;
      socket_->abort();
      throw_if_interrupted(wake);
      throw Error(ErrorCode::deadline_exceeded,
                  "the client took no byte of the response for write_idle_timeout; the connection is closed");
    }
    broken_ = true;
    client_gone();
    throw Error(ErrorCode::cancelled, "client went away");
  }
}

std::string& ServerConnection::format_head(int status, const HttpHeaders& headers) {
  const std::string_view reason = http_reason(status);
  head_ = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, reason, http_date(Clock::current().wall()));
  for (const auto& field : headers) {
    if (is_framing(field.name)) continue;
    head_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (headers.has_token("Connection", "close") || server_->draining) close_after_ = true;
  return head_;
}

void ServerConnection::send_whole(int status, const HttpHeaders& headers, std::string_view content_type,
                                  std::string_view body) {
  if (head_sent_) throw Error(ErrorCode::failed_precondition, "the response was sent already");
  if (status < 200 || status > 999)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is no status of a final response; use 200 to 599", status));
  format_head(status, headers);
  if (!content_type.empty() && !headers.contains("Content-Type") && !has_no_body(status))
    head_.append("Content-Type: ").append(content_type).append("\r\n");
  if (!has_no_body(status)) fmt::format_to(std::back_inserter(head_), "Content-Length: {}\r\n", body.size());
  // A body that was refused with 100-continue pending never comes, or comes unasked: the framing is lost
  // either way.
  if (parser_->state() == RequestParser::State::body && parser_->head().expects_continue && !continue_sent_)
    close_after_ = true;
  if (close_after_)
    head_ += "Connection: close\r\n";
  else if (parser_->head().minor_version == 0)
    head_ += "Connection: keep-alive\r\n";
  head_ += "\r\n";
  head_sent_ = ended_ = true;
  const bool with_body = !head_only_ && !has_no_body(status);
  std::array<std::string_view, 2> parts{head_, with_body ? body : std::string_view()};
  write(parts);
}

void ServerConnection::start_stream(int status, const HttpHeaders& headers) {
  if (head_sent_) throw Error(ErrorCode::failed_precondition, "the response was sent already");
  format_head(status, headers);
  chunked_ = parser_->head().minor_version > 0;
  if (!chunked_) close_after_ = true;  // HTTP/1.0: the end of the connection is the end of the body
  if (parser_->state() == RequestParser::State::body && parser_->head().expects_continue && !continue_sent_)
    close_after_ = true;
  if (has_no_body(status))
    head_only_ = true;
  else if (chunked_)
    head_ += "Transfer-Encoding: chunked\r\n";
  if (close_after_) head_ += "Connection: close\r\n";
  head_ += "\r\n";
  head_sent_ = streaming_ = true;
}

void ServerConnection::write_chunk(std::string_view data) {
  if (ended_) throw Error(ErrorCode::failed_precondition, "the response has ended");
  if (request_) request_->token().check();
  std::string head;
  head.swap(head_);  // the first chunk carries the head
  if (head_only_ || data.empty()) {
    if (!head.empty()) write_one(head);
    return;
  }
  if (!chunked_) {
    std::array<std::string_view, 2> parts{head, data};
    write(parts);
    return;
  }
  std::array<char, 20> size;
  const auto end = fmt::format_to_n(size.data(), size.size(), "{:x}\r\n", data.size()).out;
  std::array<std::string_view, 4> parts{
      head, std::string_view(size.data(), static_cast<std::size_t>(end - size.data())), data, "\r\n"};
  write(parts);
}

void ServerConnection::end_stream() {
  if (ended_) return;
  ended_ = true;
  if (in_lane_) {
    lane_.event_streams.erase(*in_lane_);
    in_lane_.reset();
  }
  std::array<std::string_view, 2> parts{
      head_, chunked_ && !head_only_ ? std::string_view("0\r\n\r\n") : std::string_view()};
  write(parts);
}

void ServerConnection::keep_alive_by_comments() {
  if (in_lane_ || server_->options.sse_keep_alive <= Duration::zero()) return;
  in_lane_ = lane_.event_streams.insert(lane_.event_streams.end(), this);
  lane_.keeper.notify();
}

void ServerConnection::comment_if_silent(TimePoint before) noexcept {
  if (last_write_ > before || writing_ || !unsent_.empty() || broken_ || ended_ || !socket_ || head_only_)
    return;
  // A comment (RFC: HTML standard, section 9.2.6) in one piece; what does not fit goes before the next write.
  const std::string_view bytes = chunked_ ? std::string_view("3\r\n:\n\n\r\n") : std::string_view(":\n\n");
  std::array<std::string_view, 1> parts{bytes};
  const IoResult result = socket_->try_write(parts);
  if (result.state == IoState::ok) {
    unsent_.assign(bytes.substr(result.bytes));
    last_write_ = now();
  } else if (result.state == IoState::want_write && tls_) {
    unsent_.assign(bytes);  // a started record must be finished with the same bytes
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
    const Wake wake = reader_.wait(now() + server_->options.limits.body_idle_timeout);
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
  const TimePoint until = now() + server_->options.limits.header_timeout;
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
  TimePoint until = now() + (first ? limits.header_timeout : limits.idle_timeout);
  bool started = false;
  std::string no_body;
  for (;;) {
    consume(parser_->feed(input(), no_body, 0));
    if (parser_->state() != RequestParser::State::head) return Next::request;
    if (parser_->started() && !started) {
      started = true;
      until = now() + limits.header_timeout;
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

void ServerConnection::answer(int status, std::string_view code, std::string_view message) noexcept {
  (void)attempt([&] {
    close_after_ = true;
    ended_ = head_sent_ = true;
    const std::string body = error_body(code, message);
    format_head(status, {});
    fmt::format_to(std::back_inserter(head_),
                   "Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                   body.size());
    std::array<std::string_view, 2> parts{head_, head_only_ ? std::string_view() : std::string_view(body)};
    write(parts);
  });
}

void ServerConnection::send_error(const HttpHeaders& headers, const Error& error) {
  int status = fault_ != 0 ? fault_ : http_status_of(error.code());
  if (error.code() == ErrorCode::cancelled && server_->stopping) status = 503;
  HttpHeaders all = headers;
  all.remove("Content-Type");
  if (const auto delay = error.retry_after())
    all.set("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(*delay).count()));
  // Answers from 500 on tell the kind of failure and nothing of the inside (paths, hosts, queries).
  std::string_view code = to_string(error.code());
  std::string_view message = error.message();
  if (status == 500)
    code = "internal", message = "internal error";
  else if (status == 501)
    message = "not implemented";
  else if (status == 503)
    code = "unavailable", message = "temporarily unavailable";
  else if (status == 504)
    message = "took too long";
  send_whole(status, all, "application/json", error_body(code, message));
}

void ServerConnection::answer_failure(HttpServerResponse& response, const Error& error, bool) {
  if (detached_) return;
  const bool gone = eof_ || broken_;
  if (server_->options.on_error && !(gone && error.code() == ErrorCode::cancelled))
    (void)attempt([&] { server_->options.on_error(parser_->head().method, parser_->head().target, error); });
  if (head_sent_) {
    if (!ended_) {
      broken_ = true;
      if (socket_) socket_->abort();
    }
    return;
  }
  if (gone) return;
  if (!attempt([&] { send_error(response.headers_, error); }).ok()) broken_ = true;
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
  auto path = path_of(head.target, head.method);
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
    ContextScope scope(Context::current().with_cancel(request_->token()));
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
  if (socket_) socket_->close();
}

WebSocket ServerConnection::upgrade(WebSocketServerOptions options) {
  if (head_sent_) throw Error(ErrorCode::failed_precondition, "the response was sent already");
  check_websocket_handshake(parser_->head(), options);
  if (parser_->state() != RequestParser::State::complete)
    throw Error(ErrorCode::invalid_argument, "a WebSocket handshake has no body");
  detached_ = head_sent_ = ended_ = true;
  std::string pending(input());
  consume(pending.size());
  auto source = std::make_shared<CancelSource>(*request_);
  return accept_websocket(io_, std::move(socket_), std::move(pending), parser_->head(), options,
                          [source] { source->cancel(Error(ErrorCode::cancelled, "client went away")); });
}

}  // namespace detail

// ---- request and response

HttpServerRequest::HttpServerRequest(ServerConnection& connection, const detail::RequestHead& head,
                                     std::string path)
    : connection_(connection), head_(head), path_(std::move(path)) {}

std::string_view HttpServerRequest::method() const noexcept {
  return head_.method;
}
std::string_view HttpServerRequest::target() const noexcept {
  return head_.target;
}
std::string_view HttpServerRequest::path() const noexcept {
  return path_;
}
const HttpHeaders& HttpServerRequest::headers() const noexcept {
  return head_.headers;
}
const std::string& HttpServerRequest::peer() const noexcept {
  return connection_.peer();
}
bool HttpServerRequest::tls() const noexcept {
  return connection_.tls();
}

std::optional<std::string> HttpServerRequest::query(std::string_view name) const {
  std::string_view rest = head_.target;
  const std::size_t mark = rest.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  rest = rest.substr(mark + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals), true) != name) continue;
    return percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1),
                          true);
  }
  return std::nullopt;
}

std::string_view HttpServerRequest::param(std::string_view name) const noexcept {
  for (const auto& [key, value] : params_)
    if (key == name) return value;
  return {};
}

void HttpServerRequest::set_params(std::vector<std::pair<std::string, std::string>> params) {
  params_ = std::move(params);
}

std::string_view HttpServerRequest::read() {
  return connection_.read_body(chunk_);
}

std::string HttpServerRequest::body(std::size_t limit) {
  std::string whole;
  if (head_.content_length > limit)
    connection_.fault(413, ErrorCode::resource_exhausted,
                      fmt::format("the body is larger than {} bytes", limit));
  whole.reserve(
      static_cast<std::size_t>(std::min<std::uint64_t>(head_.content_length, connection_.body_limit())));
  for (std::string_view piece = read(); !piece.empty(); piece = read()) {
    if (piece.size() > limit - whole.size())
      connection_.fault(413, ErrorCode::resource_exhausted,
                        fmt::format("the body is larger than {} bytes", limit));
    whole.append(piece);
  }
  return whole;
}

HttpServerResponse::HttpServerResponse(ServerConnection& connection) : connection_(connection) {}
HttpServerResponse::~HttpServerResponse() = default;

HttpServerResponse& HttpServerResponse::status(int code) {
  status_ = code;
  return *this;
}
HttpHeaders& HttpServerResponse::headers() noexcept {
  return headers_;
}
bool HttpServerResponse::head_sent() const noexcept {
  return connection_.head_sent();
}

void HttpServerResponse::send(std::string_view body) {
  connection_.send_whole(status_, headers_, "text/plain; charset=utf-8", body);
}
void HttpServerResponse::send(int code, std::string_view content_type, std::string_view body) {
  headers_.set("Content-Type", content_type);
  connection_.send_whole(code, headers_, content_type, body);
}
void HttpServerResponse::send(const HttpResponse& response) {
  for (const auto& field : response.headers) headers_.add(field.name, field.value);
  connection_.send_whole(response.status, headers_, response.body.empty() ? "" : "text/plain; charset=utf-8",
                         response.body);
}
void HttpServerResponse::send_json(int code, const Json& value) {
  connection_.send_whole(code, headers_, "application/json", value.dump());
}
void HttpServerResponse::send_error(const Error& error) {
  connection_.send_error(headers_, error);
}

void HttpServerResponse::write(std::string_view chunk) {
  if (!connection_.head_sent()) connection_.start_stream(status_, headers_);
  connection_.write_chunk(chunk);
}
void HttpServerResponse::end() {
  if (!connection_.head_sent()) connection_.start_stream(status_, headers_);
  connection_.end_stream();
}

SseWriter& HttpServerResponse::sse() {
  if (sse_) return *sse_;
  headers_.set("Content-Type", "text/event-stream");
  if (!headers_.contains("Cache-Control")) headers_.set("Cache-Control", "no-store");
  headers_.set("X-Accel-Buffering", "no");  // nginx would hold events back
  connection_.start_stream(status_, headers_);
  sse_.reset(new SseWriter(connection_));
  connection_.write_chunk({});
  connection_.keep_alive_by_comments();
  return *sse_;
}

WebSocket HttpServerResponse::upgrade(WebSocketServerOptions options) {
  return connection_.upgrade(std::move(options));
}
WebSocket HttpServerResponse::upgrade() {
  return connection_.upgrade({});
}

namespace {
void append_lines(std::string& out, std::string_view name, std::string_view text) {
  // CR, LF and CRLF end a line of an event stream; a reader would take a raw CR for the end of the field.
  for (;;) {
    const std::size_t end = text.find_first_of("\r\n");
    out.append(name).append(text.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
}

void check_one_line(std::string_view field, std::string_view text) {
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    throw Error(ErrorCode::invalid_argument, fmt::format("SSE {}: must be one line without NUL", field));
}
}  // namespace

void SseWriter::send(const SseMessage& message) {
  check_one_line("event", message.event);
  check_one_line("id", message.id);
  buffer_.clear();
  if (!message.event.empty()) buffer_.append("event: ").append(message.event).push_back('\n');
  if (!message.id.empty()) buffer_.append("id: ").append(message.id).push_back('\n');
  if (message.retry) fmt::format_to(std::back_inserter(buffer_), "retry: {}\n", message.retry->count());
  append_lines(buffer_, "data: ", message.data);
  buffer_.push_back('\n');
  connection_.write_chunk(buffer_);
}

void SseWriter::comment(std::string_view text) {
  buffer_.clear();
  append_lines(buffer_, ": ", text);
  buffer_.push_back('\n');
  connection_.write_chunk(buffer_);
}

// ---- the server

void HttpServer::Impl::listen() {
  sockaddr_storage address{};
  socklen_t size = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&address);
  auto* six = reinterpret_cast<sockaddr_in6*>(&address);
  if (::inet_pton(AF_INET, options.address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(options.port);
    size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, options.address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(options.port);
    size = sizeof(sockaddr_in6);
  } else {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("HttpServer: '{}' is no numeric address; use 127.0.0.1, ::1, 0.0.0.0 or ::",
                            options.address));
  }
  listener = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (listener >= 0) ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 4096) != 0) {
    const int error = errno;
    if (listener >= 0) ::close(listener);
    throw Error(ErrorCode::unavailable,
                fmt::format("HttpServer: cannot listen on {} port {}: {}{}", options.address, options.port,
                            std::strerror(error),
                            error == EADDRINUSE ? "; choose another port, or 0 for any free one" : ""));
  }
  size = sizeof(address);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

bool HttpServer::Impl::admit(const std::string& address) {
  if (connections.fetch_add(1) < options.limits.connections) {
    const std::lock_guard lock(mutex);
    std::size_t& count = per_address[address];
    if (count < options.limits.connections_per_address) {
      ++count;
      return true;
    }
  }
  --connections;
  return false;
}

void HttpServer::Impl::release(const std::string& address) noexcept {
  --connections;
  const std::lock_guard lock(mutex);
  const auto found = per_address.find(address);
  if (found != per_address.end() && --found->second == 0) per_address.erase(found);
}

void HttpServer::Impl::run_lane(int fd) {
  auto& io = detail::worker_io();
  detail::ServerLane lane;
  Scope keeper;
  keeper.spawn("http keep-alive", [this, &lane] {
    const Duration period = options.sse_keep_alive / 2;
    for (;;) {
      while (lane.event_streams.empty()) detail::throw_if_interrupted(lane.keeper.wait());
      sleep_for(period);
      const TimePoint before = now() - period;
      for (ServerConnection* connection : lane.event_streams) connection->comment_if_silent(before);
    }
  });
  {
    Scope running(Scope::OnFailure::keep_going);
    auto spot = std::make_shared<detail::ParkingSpot>();
    boost::asio::posix::stream_descriptor acceptor(io, fd);
    CancelCallback on_drain(drain_source.token(), [spot] { spot->notify(); });
    bool waiting = false;
    while (!draining && !Context::current().cancel_token().cancelled()) {
      sockaddr_storage address{};
      socklen_t size = sizeof(address);
      const int connection =
          ::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) {
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
        std::optional<TimePoint> until;
        // No descriptors left (EMFILE, ENFILE) or no memory: what is running must end first.
        if (errno != EAGAIN && errno != EWOULDBLOCK)
          until = now() + std::chrono::milliseconds(50);
        else if (!std::exchange(waiting, true))
          acceptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [spot, &waiting](const boost::system::error_code& error) {
                                if (error != boost::asio::error::operation_aborted) waiting = false;
                                spot->notify();
                              });
        (void)spot->wait(until);
        continue;
      }
      ++accepted;
      std::string peer = address_text(address);
      if (!admit(peer)) {
        ++refused;
        // Best effort: the answer fits into the socket's buffer, and nobody waits for it.
        static constexpr std::string_view kBusy =
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: "
            "1\r\n\r\n";
        if (!options.tls) (void)::send(connection, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::shutdown(connection, SHUT_WR);
        ::close(connection);
        continue;
      }
      const int on = 1;
      ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      auto served = std::make_shared<ServerConnection>(shared_from_this(), lane, io, connection, peer);
      running.spawn("http connection", [this, served = std::move(served), peer = std::move(peer)] {
        (void)attempt([&] { served->serve(); });
        release(peer);
      });
    }
    acceptor.close();
    (void)attempt([&] { running.join(); });
  }
  keeper.cancel(Error(ErrorCode::cancelled, "server is shutting down"));
}

void HttpServer::Impl::start() {
  const auto launch = [this] {
    // The server outlives the work that made it: that work's deadline is not the requests'.
    ContextScope clean{Context()};
    scope = std::make_unique<Scope>(Scope::OnFailure::keep_going);
    const unsigned lanes = detail::worker_count();
    lanes_running = lanes;
    for (unsigned i = 0; i < lanes; ++i) {
      const int fd = ::fcntl(listener, F_DUPFD_CLOEXEC, 0);
      scope->spawn("http acceptor", [this, fd] {
        const auto outcome = attempt([&] { run_lane(fd); });
        if (lanes_running.fetch_sub(1) == 1) lanes_done.set();
        outcome.value();
      });
    }
  };
  // From a plain thread, fibers start on the workers in turn; from a fiber they would all be its neighbours.
  if (Runtime::on_fiber())
    blocking(launch);
  else
    launch();
}

HttpDrainReport HttpServer::Impl::drain(Duration grace) {
  const std::lock_guard lock(drain_mutex);
  if (drained.is_set()) return report;
  const std::size_t open = connections;
  draining = true;
  ::close(std::exchange(listener, -1));
  drain_source.cancel(Error(ErrorCode::cancelled, "server is shutting down"));
  const bool in_time = lanes_done.wait_until(now() + grace);
  if (!in_time) {
    stopping = true;
    scope->cancel(Error(ErrorCode::cancelled, "server is shutting down"));
  }
  (void)attempt([&] { scope->join(); });
  report.cancelled = cancelled_handlers;
  report.finished = open - std::min(open, report.cancelled);
  drained.set();
  return report;
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler) : impl_(std::make_shared<Impl>()) {
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  if (impl_->options.tls) impl_->tls = detail::TlsContext::server(*impl_->options.tls);
  impl_->listen();
  impl_->start();
}

HttpServer::~HttpServer() {
  ContextScope deaf{Context()};  // the requests refer to us: a cancelled owner waits for them as well
  (void)attempt([&] { drain(Duration::zero()); });
}

std::uint16_t HttpServer::port() const noexcept {
  return impl_->port;
}

std::string HttpServer::url() const {
  const std::string& address = impl_->options.address;
  const bool six = address.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", impl_->options.tls ? "https" : "http", six ? "[" : "", address,
                     six ? "]" : "", impl_->port);
}

HttpServerStats HttpServer::stats() const {
  return {impl_->connections, impl_->accepted, impl_->refused, impl_->requests, impl_->rejected};
}

void HttpServer::reload_tls() {
  if (!impl_->options.tls)
    throw Error(ErrorCode::failed_precondition,
                "HttpServer: reload_tls() on a server without TLS; set HttpServerOptions::tls");
  auto fresh = detail::TlsContext::server(*impl_->options.tls);
  const std::lock_guard lock(impl_->mutex);
  impl_->tls = std::move(fresh);
}

void HttpServer::wait() {
  impl_->drained.wait();
}
HttpDrainReport HttpServer::drain(Duration grace) {
  return impl_->drain(grace);
}

}  // namespace beluga
