#include "beluga/net/http_server.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/fiber.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/http_server_connection.hpp"
#include "beluga/net/internal/http_server_text.hpp"
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
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (detail::percent_decode(pair.substr(0, equals), true) != name) continue;
    return detail::percent_decode(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
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
  return connection_.upgrade(std::move(options), headers_);
}
WebSocket HttpServerResponse::upgrade() {
  return connection_.upgrade({}, headers_);
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

HttpServer::HttpServer(HttpServerOptions options, Handler handler) : impl_(std::make_shared<Impl>()) {
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  impl_->places = std::make_shared<detail::ConnectionPlaces>(impl_->options.limits.connections,
                                                             impl_->options.limits.connections_per_address);
  if (impl_->options.tls) impl_->tls = detail::TlsContext::server(*impl_->options.tls);
  impl_->listen();
  impl_->start();
}

HttpServer::~HttpServer() {
  if (impl_->in_own_handler()) detail::fatal("an HttpServer was destroyed inside one of its own handlers");
  ContextScope deaf{Context()};  // the requests refer to us: a cancelled owner waits for them as well
  // A runtime that was shut down runs nothing any more; there is nothing left to wait for, either.
  if (!attempt([&] { drain(Duration::zero()); }).ok())
    (void)attempt([&] { impl_->drain_here(Duration::zero()); });
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
  return {impl_->places->taken(), impl_->accepted, impl_->refused, impl_->requests, impl_->rejected};
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
  impl_->refuse_own_handler("wait");
  impl_->drained.wait();
}
HttpDrainReport HttpServer::drain(Duration grace) {
  return impl_->drain(grace);
}

}  // namespace beluga
