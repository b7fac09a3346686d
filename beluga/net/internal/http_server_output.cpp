// What a connection writes: heads, bodies, chunks, and the server's own answers.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/saturating.hpp"
#include "beluga/net/internal/http_server_connection.hpp"
#include "beluga/net/internal/http_server_text.hpp"

namespace beluga::detail {

namespace {
TimePoint now() {
  return Clock::current().now();
}

TimePoint after(Duration time) {
  return saturating_add(now(), time);
}
}  // namespace

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
      const Wake wake = writer_.wait(after(limits.write_idle_timeout));
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
  if (headers.contains("Upgrade")) head_ += "Connection: upgrade\r\n";  // RFC 9110 section 7.8
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
// ---- failures

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

}  // namespace beluga::detail
