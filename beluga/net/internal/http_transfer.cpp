#include "beluga/net/internal/http_transfer.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "beluga/base/result.hpp"
#include "beluga/net/internal/curl_loop.hpp"

namespace beluga::detail {
namespace {

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode status = curl().easy_setopt(easy, option, value);
  if (status == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != CURLE_OK) {
    raise(Error(ErrorCode::invalid_argument, "libcurl refuses option " +
                                                 std::to_string(static_cast<int>(option)) + ": " +
                                                 curl().easy_strerror(status)));
  }
}

void append(curl_slist*& list, const std::string& line) {
  curl_slist* longer = curl().slist_append(list, line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list = longer;
}

long curl_milliseconds(Duration duration) {
  // Ours comes first and names the phase; libcurl divides its own among the addresses of a host.
  if (duration <= Duration::zero()) return 24L * 3600 * 1000;
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(duration).count() + 100;
  return static_cast<long>(std::min<decltype(whole)>(whole, 24L * 3600 * 1000));
}

std::string show(Duration duration) {
  const auto milliseconds = std::chrono::round<std::chrono::milliseconds>(duration).count();
  if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + " s";
  return std::to_string(milliseconds) + " ms";
}

}  // namespace

std::string request_name(std::string_view method, const Url& url) {
  return std::string(method) + " " + url.origin();
}

HttpTransfer::HttpTransfer(TransferRequest request, std::shared_ptr<CurlLoop> loop)
    : request_(std::move(request)),
      loop_(std::move(loop)),
      clock_(Clock::current()),
      phase_since_(request_.begun) {}

HttpTransfer::~HttpTransfer() {
  curl().slist_free_all(header_list_);
  curl().slist_free_all(resolve_list_);
}

// ---- caller side ----

void HttpTransfer::start() {
  io_pending_.emplace();
  loop_->add(shared_from_this());
}

template <class Reached>
void HttpTransfer::wait(Reached reached) {
  std::optional<TimePoint> since;
  for (;;) {
    std::optional<TimePoint> until;
    std::optional<Error> error;
    {
      const std::lock_guard lock(mutex_);
      if (reached()) return;
      const TimePoint now = clock_.now();
      if (!since) since = now;
      until = phase_end(*since);
      if (until && *until <= now)
        error = timed_out();
      else {
        sleeping_ = true;
        sleeping_until_ = until;
      }
    }
    if (!error) {
      const Wake woken = spot_.wait(until);
      {
        const std::lock_guard lock(mutex_);
        sleeping_ = false;
      }
      if (woken != Wake::cancelled && woken != Wake::deadline) continue;
      const auto cause = attempt([&] { throw_if_interrupted(woken); });
      error = cause.error().with_context(request_name(request_.method, request_.url) + ": " +
                                         std::string(phase_text()));
    }
    abort(*error);
    raise(*std::move(error));
  }
}

std::optional<TimePoint> HttpTransfer::phase_end(TimePoint waiting_since) const noexcept {
  std::optional<TimePoint> end = request_.total_end;
  const auto limit = [&](TimePoint from, Duration duration) {
    if (duration <= Duration::zero()) return;
    const TimePoint at = duration > TimePoint::max() - from ? TimePoint::max() : from + duration;
    if (!end || at < *end) end = at;
  };
  switch (phase_) {
    case Phase::connecting:
      limit(request_.begun, request_.timeouts.connect);
      break;
    case Phase::waiting:
      limit(phase_since_, request_.timeouts.first_byte);
      break;
    case Phase::body:
      limit(std::max(phase_since_, waiting_since), request_.timeouts.idle);
      break;
  }
  return end;
}

void HttpTransfer::wait_for_headers() {
  wait([&] { return headers_done_ || done_; });
  const std::lock_guard lock(mutex_);
  if (!headers_done_) raise(error_.value());
}

std::string HttpTransfer::wait_for_body() {
  wait([&] { return done_; });
  const std::lock_guard lock(mutex_);
  if (error_) raise(*error_);
  return std::move(received_);
}

void HttpTransfer::read(std::string& bytes) {
  bytes.clear();
  Context::current().check();
  wait([&] { return !received_.empty() || done_; });
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    if (received_.empty()) {
      if (error_) raise(*error_);
      return;
    }
    std::swap(bytes, received_);
    resume = std::exchange(paused_, false);
  }
  if (!resume) return;
  if (loop_->on_this_worker())
    loop_->resume(*this);
  else
    loop_->post([self = shared_from_this()] { self->loop_->resume(*self); });
}

void HttpTransfer::abort(Error why) noexcept {
  bool running = false;
  {
    const std::lock_guard lock(mutex_);
    running = !done_;
    received_.clear();
    if (!error_) error_ = std::move(why);
    done_ = true;
    wake();
  }
  if (!running) return;
  try {
    if (loop_->on_this_worker())
      loop_->remove(*this);
    else
      loop_->post([self = shared_from_this()] { self->loop_->remove(*self); });
  } catch (...) {  // out of memory: on_body ends the transfer with the next byte
  }
}

bool HttpTransfer::ended_well() noexcept {
  const std::lock_guard lock(mutex_);
  return done_ && !error_;
}

// ---- loop side ----

void HttpTransfer::configure() {
  const TransferRequest& r = request_;
  set(easy, CURLOPT_PRIVATE, this);
  set(easy, CURLOPT_ERRORBUFFER, error_text_);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_PREREQDATA, this);
  set(easy, CURLOPT_OPENSOCKETDATA, this);
  set(easy, CURLOPT_URL, r.url.str().c_str());
  set(easy, CURLOPT_PROXY, r.proxy.c_str());
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(r.timeouts.connect));

  const bool has_body = !r.body.empty() || r.method == "POST" || r.method == "PUT" || r.method == "PATCH";
  const char* method = r.method.c_str();
  if (r.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
    method = nullptr;
  } else if (has_body) {
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDS, r.body.data());
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    if (r.method == "POST") method = nullptr;
  } else {
    set(easy, CURLOPT_HTTPGET, 1L);
    if (r.method == "GET") method = nullptr;
  }
  set(easy, CURLOPT_CUSTOMREQUEST, method);

  // "Name:" removes a header that libcurl would add, "Name;" sends one without a value.
  std::string line;
  for (const auto& field : r.headers) {
    line = field.name;
    if (field.value.empty())
      line += ';';
    else
      line.append(": ").append(field.value);
    append(header_list_, line);
  }
  if (!r.headers.contains("Expect")) append(header_list_, "Expect:");
  if (has_body && !r.headers.contains("Content-Type")) append(header_list_, "Content-Type:");
  set(easy, CURLOPT_HTTPHEADER, header_list_);
  for (const std::string& entry : r.resolve) append(resolve_list_, entry);
  set(easy, CURLOPT_RESOLVE, resolve_list_);
}

void HttpTransfer::release() {
  CURL* handle = std::exchange(easy, nullptr);
  // Nothing of this transfer may stay behind in a handle that is at rest.
  for (const CURLoption option : {CURLOPT_PRIVATE, CURLOPT_ERRORBUFFER, CURLOPT_HEADERDATA, CURLOPT_WRITEDATA,
                                  CURLOPT_PREREQDATA, CURLOPT_OPENSOCKETDATA}) {
    curl().easy_setopt(handle, option, static_cast<void*>(nullptr));
  }
  curl().easy_setopt(handle, CURLOPT_POSTFIELDS, static_cast<char*>(nullptr));
  curl().easy_setopt(handle, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
  curl().easy_setopt(handle, CURLOPT_RESOLVE, static_cast<curl_slist*>(nullptr));
  io_pending_.reset();
}

void HttpTransfer::wake() noexcept {
  if (sleeping_) spot_.notify();
}

void HttpTransfer::enter(Phase phase) noexcept {
  phase_ = phase;
  phase_since_ = clock_.now();
  if (!sleeping_) return;
  const auto end = phase_end(phase_since_);
  if (end && (!sleeping_until_ || *end < *sleeping_until_)) spot_.notify();
}

void HttpTransfer::set_error(Error error) noexcept {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
}

void HttpTransfer::fail(Error error) noexcept {
  const std::lock_guard lock(mutex_);
  if (done_) return;
  if (!error_) error_ = std::move(error);
  done_ = true;
  wake();
}

void HttpTransfer::finish(CURLcode code) noexcept {
  const std::lock_guard lock(mutex_);
  if (done_) return;
  try {
    if (!error_ && code != CURLE_OK) error_ = from_curl(code);
    // libcurl takes a connection that closes inside the headers for a complete answer without a body.
    if (!error_ && !headers_done_) {
      error_ = describe(ErrorCode::data_loss, "the connection was closed inside the response's headers");
    }
  } catch (...) {
    error_ = current_error();
  }
  done_ = true;
  wake();
}

bool HttpTransfer::may_connect(const curl_sockaddr& address) noexcept {
  const auto& filter = loop_->options().address_filter;
  if (!filter || !request_.proxy.empty()) return true;
  IpAddress ip;
  if (address.family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.addr, std::min<std::size_t>(sizeof in, address.addrlen));
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    ip = IpAddress(bytes);
  } else if (address.family == AF_INET6) {
    // libcurl's struct is declared with the size of a sockaddr but carries addrlen bytes.
    sockaddr_in6 in{};
    std::memcpy(&in, static_cast<const void*>(&address.addr),
                std::min<std::size_t>(sizeof in, address.addrlen));
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    ip = IpAddress(bytes);
  } else {
    refused_ = true;
    return false;
  }
  bool allowed = false;
  try {
    allowed = filter(ip);
  } catch (...) {  // by contract it does not throw; if it does, it has not allowed anything
  }
  refused_ = refused_ || !allowed;
  return allowed;
}

/// The connection is there, TLS included; the request goes out now. libcurl comes here again when it repeats
/// a request because a pooled connection was dead.
int HttpTransfer::on_ready(void* object, char*, char*, int, int local_port) noexcept {
  auto& self = *static_cast<HttpTransfer*>(object);
  self.loop_->connected(self, local_port);
  const std::lock_guard lock(self.mutex_);
  if (self.done_) return CURL_PREREQFUNC_ABORT;
  ++self.sends_;
  if (self.sends_ > 1 && !(self.request_.repeatable && self.sends_ == 2)) {
    try {
      if (!self.error_) {
        self.error_ =
            self.describe(ErrorCode::unavailable,
                          self.request_.repeatable
                              ? "the connection was closed twice before an answer"
                              : "a kept connection was closed before an answer; the request may have been "
                                "processed and is not repeated (an Idempotency-Key header allows that)");
      }
    } catch (...) {
      self.error_ = current_error();
    }
    return CURL_PREREQFUNC_ABORT;
  }
  self.loop_->counters().requests.fetch_add(1, std::memory_order_relaxed);
  self.enter(Phase::waiting);
  return CURL_PREREQFUNC_OK;
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t count, void* object) noexcept {
  auto& self = *static_cast<HttpTransfer*>(object);
  try {
    return self.header_line({data, size * count}) ? size * count : 0;
  } catch (...) {
    self.set_error(current_error());
    return 0;
  }
}

bool HttpTransfer::header_line(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > request_.limits.header_bytes) {
    set_error(describe(ErrorCode::resource_exhausted,
                       "response headers over the limit of " + std::to_string(request_.limits.header_bytes) +
                           " bytes; raise HttpLimits::header_bytes if the server is trusted"));
    return false;
  }
  if (headers_done_) return true;  // trailers: counted, but nobody here needs them
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (status_ == 0) return status_line(line);
  if (line.empty()) return end_of_headers();
  if (line.front() == ' ' || line.front() == '\t') {
    field_value_.append(" ").append(line.substr(std::min(line.find_first_not_of(" \t"), line.size())));
    return true;
  }
  if (!keep_field()) return false;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_http_token(line.substr(0, colon))) {
    set_error(describe(ErrorCode::data_loss, "the response has a header line without a valid name"));
    return false;
  }
  field_name_ = line.substr(0, colon);
  field_value_ = line.substr(colon + 1);
  return true;
}

bool HttpTransfer::status_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view digits =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1, 3);
  const bool valid = line.starts_with("HTTP/") && digits.size() == 3 && digits[0] >= '1' &&
                     digits[0] <= '9' &&
                     std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!valid) {
    set_error(describe(ErrorCode::data_loss, "the answer is not HTTP"));
    return false;
  }
  status_ = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  return true;
}

bool HttpTransfer::keep_field() {
  if (field_name_.empty()) return true;
  if (!is_http_field_value(field_value_)) {
    set_error(
        describe(ErrorCode::data_loss, "the response header '" + field_name_ + "' has a control character"));
    return false;
  }
  headers_.add(field_name_, field_value_);
  field_name_.clear();
  return true;
}

bool HttpTransfer::end_of_headers() {
  if (!keep_field()) return false;
  if (status_ < 200 && status_ != 101) {  // an interim answer (RFC 9110 section 15.2); the final one follows
    status_ = 0;
    headers_.clear();
    return true;
  }
  // RFC 9112 section 6.3: different lengths are unrecoverable, and an attack on whoever reads them otherwise.
  const auto lengths = headers_.get_all("Content-Length");
  if (std::ranges::any_of(lengths, [&](std::string_view each) { return each != lengths.front(); })) {
    set_error(describe(ErrorCode::data_loss, "the response has two different Content-Length headers"));
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (done_) return false;
  headers_done_ = true;
  enter(Phase::body);
  if (request_.stop_at_headers) wake();
  return true;
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* object) noexcept {
  auto& self = *static_cast<HttpTransfer*>(object);
  try {
    bool pause = false;
    if (!self.body_bytes({data, size * count}, pause)) return 0;
    return pause ? CURL_WRITEFUNC_PAUSE : size * count;
  } catch (...) {
    self.set_error(current_error());
    return 0;
  }
}

bool HttpTransfer::body_bytes(std::string_view bytes, bool& pause) {
  const HttpLimits& limits = request_.limits;
  const std::lock_guard lock(mutex_);
  if (done_) return bytes.empty();
  if (request_.collect) {
    if (bytes.size() > limits.body_bytes - std::min(limits.body_bytes, received_.size())) {
      error_ = describe(ErrorCode::resource_exhausted,
                        "response body over the limit of " + std::to_string(limits.body_bytes) +
                            " bytes; raise HttpLimits::body_bytes, or use open() and read()");
      return false;
    }
  } else if (!received_.empty() && received_.size() + bytes.size() > limits.buffer_bytes) {
    // libcurl keeps these bytes and stops reading the socket until resume().
    paused_ = pause = true;
    return true;
  }
  received_.append(bytes);
  phase_since_ = clock_.now();
  if (!request_.collect) wake();
  return true;
}

// ---- errors ----

std::string_view HttpTransfer::phase_text() const noexcept {
  switch (phase_) {
    case Phase::connecting: {
      sockaddr_storage peer;
      socklen_t size = sizeof peer;
      const bool connected =
          !sockets_.empty() && ::getpeername(sockets_.back(), reinterpret_cast<sockaddr*>(&peer), &size) == 0;
      if (connected && request_.url.secure()) return "in the TLS handshake";
      return request_.proxy.empty() ? "connecting" : "connecting through the proxy";
    }
    case Phase::waiting:
      return "waiting for the response";
    case Phase::body:
      break;
  }
  return "reading the body";
}

Error HttpTransfer::describe(ErrorCode code, std::string_view what) const {
  return {code, request_name(request_.method, request_.url) + ": " + std::string(what)};
}

Error HttpTransfer::timed_out() const {
  const std::string phase(phase_text());
  if (request_.total_end && clock_.now() >= *request_.total_end) {
    return describe(ErrorCode::deadline_exceeded, phase + ": the whole exchange took longer than " +
                                                      show(*request_.total_end - request_.begun) +
                                                      " (HttpTimeouts::total)");
  }
  switch (phase_) {
    case Phase::connecting:
      return describe(
          ErrorCode::deadline_exceeded,
          phase + ": no connection within " + show(request_.timeouts.connect) + " (HttpTimeouts::connect)");
    case Phase::waiting:
      return describe(
          ErrorCode::deadline_exceeded,
          phase + ": none within " + show(request_.timeouts.first_byte) + " (HttpTimeouts::first_byte)");
    case Phase::body:
      break;
  }
  return describe(ErrorCode::deadline_exceeded,
                  phase + ": nothing came for " + show(request_.timeouts.idle) + " (HttpTimeouts::idle)");
}

/// What a result of libcurl means. Called under mutex_ on the loop's worker, with `easy` still there.
Error HttpTransfer::from_curl(CURLcode code) const {
  const std::string detail = error_text_[0] != '\0' ? error_text_ : curl().easy_strerror(code);
  const auto cut = [&] {
    return headers_done_
               ? describe(ErrorCode::data_loss, "the body was cut off: " + detail)
               : describe(ErrorCode::unavailable, "the connection was lost before the answer: " + detail);
  };
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return describe(ErrorCode::invalid_argument, "bad URL: " + detail);
    case CURLE_UNSUPPORTED_PROTOCOL:  // libcurl's name for an answer without a status line (HTTP/0.9), too
    case CURLE_WEIRD_SERVER_REPLY:
      return describe(ErrorCode::data_loss, "the answer is not HTTP: " + detail);
    case CURLE_COULDNT_RESOLVE_HOST:
      return describe(ErrorCode::unavailable, "cannot resolve the host: " + detail);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return describe(ErrorCode::unavailable, "cannot resolve the proxy: " + detail);
    case CURLE_COULDNT_CONNECT:
      if (refused_) {
        return describe(ErrorCode::permission_denied,
                        "its address is refused by the client's address_filter");
      }
      return describe(ErrorCode::unavailable, "cannot connect: " + detail + "; is the server running there?");
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out();
    case CURLE_PEER_FAILED_VERIFICATION:
      return describe(ErrorCode::failed_precondition, "the server's certificate is not trusted: " + detail +
                                                          "; set HttpTls::ca_file to its CA");
    case CURLE_SSL_CACERT_BADFILE:
      return describe(ErrorCode::failed_precondition,
                      "cannot read the CA certificates: " + detail + "; see HttpTls::ca_file");
    case CURLE_SSL_CERTPROBLEM:
      return describe(ErrorCode::failed_precondition,
                      "cannot use the client certificate: " + detail +
                          "; see HttpTls::client_cert, client_key and client_key_password");
    case CURLE_SSL_CONNECT_ERROR:
      return describe(ErrorCode::unavailable, "the TLS handshake failed: " + detail);
    case CURLE_GOT_NOTHING:
      return describe(ErrorCode::unavailable, "the server closed the connection without an answer");
    case CURLE_OUT_OF_MEMORY:
      return describe(ErrorCode::resource_exhausted, "out of memory");
    case CURLE_PROXY:
      return describe(ErrorCode::unavailable, "the proxy failed: " + detail);
    case CURLE_PARTIAL_FILE:
      return describe(ErrorCode::data_loss, "the body was cut off: " + detail);
    case CURLE_RECV_ERROR: {
      long status = 0;
      curl().easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
      if (phase_ == Phase::connecting && status != 0 && status / 100 != 2) {
        const std::string text = "the proxy refuses the tunnel with status " + std::to_string(status);
        return status == 407
                   ? describe(ErrorCode::unauthenticated,
                              text + "; put user and password into the proxy's URL")
                   : describe(status == 403 ? ErrorCode::permission_denied : ErrorCode::unavailable, text);
      }
      return cut();
    }
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WRITE_ERROR:
      return cut();
    default:
      return describe(ErrorCode::unknown,
                      detail + " (libcurl error " + std::to_string(static_cast<int>(code)) + ")");
  }
}

}  // namespace beluga::detail
