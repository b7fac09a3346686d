#include "beluga/net/internal/curl_loop.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::detail {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostSpare = 64;

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode status = curl().easy_setopt(easy, option, value);
  if (status == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != CURLE_OK) {
    raise(Error(ErrorCode::internal, "libcurl refuses option " + std::to_string(static_cast<int>(option)) +
                                         ": " + curl().easy_strerror(status)));
  }
}

/// The local port of a socket; -1 when it has none.
int port_of(curl_socket_t fd) noexcept {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return -1;
  std::uint16_t port = 0;
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  std::memcpy(&port, reinterpret_cast<const char*>(&local) + offsetof(sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

long whole_seconds(Duration duration) {
  return std::max(1L, static_cast<long>(std::chrono::ceil<std::chrono::seconds>(duration).count()));
}

}  // namespace

CurlLoop::Watch::Watch(CurlLoop& owner, curl_socket_t socket)
    : loop(&owner), fd(socket), descriptor(owner.io_.load()->get_executor(), socket) {}

CurlLoop::Alarm::Alarm(CurlLoop& owner) : loop(&owner), timer(owner.io_.load()->get_executor()) {}

CurlLoop::CurlLoop(asio::io_context& io, std::shared_ptr<const HttpClientOptions> options,
                   std::shared_ptr<HttpCounters> counters)
    : io_(&io), options_(std::move(options)), counters_(std::move(counters)) {
  load_curl();
  multi_ = curl().multi_init();
  share_ = curl().share_init();
  if (multi_ == nullptr || share_ == nullptr) throw std::bad_alloc();
  alarm_ = std::make_shared<Alarm>(*this);
  curl().multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
  curl().multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl().multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
  curl().multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl().multi_setopt(multi_, CURLMOPT_MAXCONNECTS,
                      static_cast<long>(std::max<std::size_t>(1, options_->max_idle_connections)));
  curl().multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options_->max_connections));
  curl().multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(options_->max_connections_per_host));
  // TLS sessions only: used on this worker alone, therefore without locks. Names are resolved by our
  // Resolver.
  curl().share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

CurlLoop::~CurlLoop() {
  close();
}

bool CurlLoop::on_this_worker() const noexcept {
  return Runtime::on_fiber() && &worker_io() == io_.load();
}

bool CurlLoop::post(Function<void()> f) {
  const std::lock_guard lock(io_mutex_);
  auto* const io = io_.load();
  if (io == nullptr) return false;
  asio::post(*io, std::move(f));
  return true;
}

/// A handle with all that does not differ between transfers of this client.
CURL* CurlLoop::make_easy() {
  if (!spare_.empty()) {
    CURL* easy = spare_.back();
    spare_.pop_back();
    return easy;
  }
  CURL* easy = curl().easy_init();
  if (easy == nullptr) throw std::bad_alloc();
  const HttpClientOptions& o = *options_;
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);  // never join a resolver thread, should libcurl start one (socks5://)
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_NOPROXY, "");
  set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  set(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(easy, CURLOPT_HTTP_VERSION,
      o.http2 ? static_cast<long>(CURL_HTTP_VERSION_2TLS) : static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_PIPEWAIT, o.http2 ? 1L : 0L);
  set(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_DNS_CACHE_TIMEOUT, whole_seconds(o.resolve_cache_age));
  set(easy, CURLOPT_MAXAGE_CONN, whole_seconds(o.idle_connection_age));
  set(easy, CURLOPT_SHARE, share_);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_VERIFYPEER, o.tls.verify ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, o.tls.verify ? 2L : 0L);
  if (!o.tls.ca_file.empty()) set(easy, CURLOPT_CAINFO, o.tls.ca_file.c_str());
  if (!o.tls.ca_dir.empty()) set(easy, CURLOPT_CAPATH, o.tls.ca_dir.c_str());
  // With a CA of the caller's choice only that one counts, not the directory that was compiled in.
  if (!o.tls.ca_file.empty() && o.tls.ca_dir.empty()) set(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  if (!o.tls.ca_dir.empty() && o.tls.ca_file.empty()) set(easy, CURLOPT_CAINFO, static_cast<char*>(nullptr));
  if (!o.tls.client_cert.empty()) {
    set(easy, CURLOPT_SSLCERT, o.tls.client_cert.c_str());
    // Also when it is empty: without it OpenSSL asks for a password on the terminal.
    set(easy, CURLOPT_KEYPASSWD, std::string(o.tls.client_key_password.reveal()).c_str());
  }
  if (!o.tls.client_key.empty()) set(easy, CURLOPT_SSLKEY, o.tls.client_key.c_str());
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(easy, CURLOPT_CLOSESOCKETFUNCTION, &close_socket);
  set(easy, CURLOPT_CLOSESOCKETDATA, this);
  set(easy, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(easy, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(easy, CURLOPT_PREREQFUNCTION, &HttpTransfer::on_ready);
  return easy;
}

void CurlLoop::add(std::shared_ptr<HttpTransfer> transfer) {
  if (multi_ == nullptr) raise(Error(ErrorCode::failed_precondition, "the HTTP client's worker has ended"));
  HttpTransfer& t = *transfer;
  t.easy = make_easy();
  try {
    t.configure();
    running_.emplace(&t, std::move(transfer));
  } catch (...) {
    t.release();
    throw;
  }
  counters_->transfers_running.fetch_add(1, std::memory_order_relaxed);
  const CURLMcode status = curl().multi_add_handle(multi_, t.easy);
  if (status != CURLM_OK) {
    const auto keep = running_.at(&t);
    detach(t);
    raise(Error(ErrorCode::internal,
                std::string("libcurl does not take the request: ") + curl().multi_strerror(status)));
  }
  act(CURL_SOCKET_TIMEOUT,
      0);  // send at once when a pooled connection is there, instead of one turn of the loop later
}

/// Takes the handle out of libcurl and keeps it for the next transfer. The caller holds the transfer.
void CurlLoop::detach(HttpTransfer& transfer) noexcept {
  CURL* easy = transfer.easy;
  if (easy == nullptr) return;
  counters_->transfers_running.fetch_sub(1, std::memory_order_relaxed);  // before the peer can know
  curl().multi_remove_handle(multi_, easy);
  for (const curl_socket_t fd : std::exchange(transfer.sockets_, {})) forget(fd, transfer);
  transfer.release();
  running_.erase(&transfer);
  if (spare_.size() < kMostSpare)
    spare_.push_back(easy);
  else
    curl().easy_cleanup(easy);
}

void CurlLoop::remove(HttpTransfer& transfer) noexcept {
  if (transfer.easy == nullptr) return;
  const auto keep = transfer.shared_from_this();
  detach(transfer);
}

void CurlLoop::resume(HttpTransfer& transfer) noexcept {
  if (transfer.easy == nullptr) return;
  const auto keep = transfer.shared_from_this();
  // Hands over what libcurl holds back, through on_body.
  const CURLcode status = curl().easy_pause(transfer.easy, CURLPAUSE_CONT);
  if (status != CURLE_OK && transfer.easy != nullptr) {
    transfer.finish(status);
    detach(transfer);
  }
}

void CurlLoop::close() noexcept {
  if (multi_ == nullptr) return;
  while (!running_.empty()) {
    const auto transfer = running_.begin()->second;
    transfer->fail(Error(ErrorCode::cancelled, "the HTTP client was shut down"));
    detach(*transfer);
  }
  for (CURL* easy : std::exchange(spare_, {})) curl().easy_cleanup(easy);
  curl().multi_cleanup(std::exchange(multi_, nullptr));
  curl().share_cleanup(std::exchange(share_, nullptr));
  while (!sockets_.empty()) closed(sockets_.begin()->first);
  while (!watches_.empty()) unwatch(watches_.begin()->first);
  alarm_->loop = nullptr;
  alarm_->timer.cancel();
  alarm_.reset();
}

void CurlLoop::worker_ends() noexcept {
  close();
  const std::lock_guard lock(io_mutex_);
  io_ = nullptr;
}

// ---- sockets and timers ----

int CurlLoop::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
  auto& loop = *static_cast<CurlLoop*>(self);
  if (what == CURL_POLL_REMOVE) {
    loop.unwatch(fd);
    loop.attempt_ended(fd);
    return 0;
  }
  try {
    auto& watch = loop.watches_[fd];
    if (!watch) watch = std::make_shared<Watch>(loop, fd);
    watch->wanted = what;
    loop.arm(watch);
    return 0;
  } catch (...) {
    loop.unwatch(fd);
    return -1;  // libcurl ends the transfers concerned
  }
}

void CurlLoop::unwatch(curl_socket_t fd) noexcept {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  if (const auto& watch = found->second) {
    watch->loop = nullptr;
    if (watch->descriptor.is_open()) watch->descriptor.release();  // the socket stays libcurl's
  }
  watches_.erase(found);
}

/// libcurl wants level-triggered readiness, Asio gives one event for each wait: so each event arms the next
/// wait.
void CurlLoop::arm(const std::shared_ptr<Watch>& watch) {
  if ((watch->wanted & CURL_POLL_IN) != 0 && !watch->reading) {
    watch->reading = true;
    watch->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                 [watch](const boost::system::error_code& error) {
                                   watch->reading = false;
                                   if (error || watch->loop == nullptr) return;
                                   if ((watch->wanted & CURL_POLL_IN) == 0) return;
                                   watch->loop->act(watch->fd, CURL_CSELECT_IN);
                                   if (watch->loop != nullptr) watch->loop->arm(watch);
                                 });
  }
  if ((watch->wanted & CURL_POLL_OUT) != 0 && !watch->writing) {
    watch->writing = true;
    watch->descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                                 [watch](const boost::system::error_code& error) {
                                   watch->writing = false;
                                   if (error || watch->loop == nullptr) return;
                                   if ((watch->wanted & CURL_POLL_OUT) == 0) return;
                                   watch->loop->act(watch->fd, CURL_CSELECT_OUT);
                                   if (watch->loop != nullptr) watch->loop->arm(watch);
                                 });
  }
}

int CurlLoop::on_timer(CURLM*, long milliseconds, void* self) noexcept {
  auto& loop = *static_cast<CurlLoop*>(self);
  try {
    if (!loop.alarm_) return 0;
    if (milliseconds < 0) {
      loop.alarm_->timer.cancel();
      return 0;
    }
    loop.alarm_->timer.expires_after(std::chrono::milliseconds(milliseconds));
    loop.alarm_->timer.async_wait([alarm = loop.alarm_](const boost::system::error_code& error) {
      if (!error && alarm->loop != nullptr) alarm->loop->act(CURL_SOCKET_TIMEOUT, 0);
    });
    return 0;
  } catch (...) {
    return -1;
  }
}

void CurlLoop::act(curl_socket_t fd, int events) {
  int running = 0;
  curl().multi_socket_action(multi_, fd, events, &running);
  collect();
  if (!failed_attempts_.empty()) try_next_addresses();
}

/// Hands out the transfers that have ended.
void CurlLoop::collect() {
  int left = 0;
  while (const CURLMsg* message = curl().multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    char* object = nullptr;
    curl().easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &object);
    const auto transfer = reinterpret_cast<HttpTransfer*>(object)->shared_from_this();
    transfer->finish(result);
    detach(*transfer);
  }
}

// ---- libcurl's sockets ----

curl_socket_t CurlLoop::open_socket(void* object, curlsocktype, curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(object);
  if (!transfer.may_connect(*address)) return CURL_SOCKET_BAD;
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  try {
    transfer.loop_->opened(fd, transfer);
  } catch (...) {  // out of memory
    ::close(fd);
    return CURL_SOCKET_BAD;
  }
  return fd;
}

int CurlLoop::close_socket(void* self, curl_socket_t fd) noexcept {
  auto& loop = *static_cast<CurlLoop*>(self);
  loop.unwatch(fd);
  loop.attempt_ended(fd);
  loop.closed(fd);
  return ::close(fd);
}

void CurlLoop::attempt_ended(curl_socket_t fd) noexcept {
  const auto socket = sockets_.find(fd);
  if (socket == sockets_.end() || socket->second == nullptr) return;
  try {
    failed_attempts_.push_back(socket->second->weak_from_this());
  } catch (...) {  // out of memory: the next address has to wait for a timer of libcurl's
  }
}

/// libcurl 7.88 goes on to a host's next address only when something runs the transfer again, and sets no
/// timer that would. Pausing and resuming one that has nothing to send yet does just that.
void CurlLoop::try_next_addresses() noexcept {
  for (const auto& each : std::exchange(failed_attempts_, {})) {
    const auto transfer = each.lock();
    if (!transfer || transfer->easy == nullptr) continue;
    curl().easy_pause(transfer->easy, CURLPAUSE_SEND);
    curl().easy_pause(transfer->easy, CURLPAUSE_CONT);
  }
}

void CurlLoop::opened(curl_socket_t fd, HttpTransfer& transfer) {
  transfer.sockets_.push_back(fd);
  const bool known = !sockets_.insert_or_assign(fd, &transfer).second;  // then closed without a word
  counters_->connections_opened.fetch_add(1, std::memory_order_relaxed);
  if (!known) counters_->connections_open.fetch_add(1, std::memory_order_relaxed);
}

void CurlLoop::connected(HttpTransfer& transfer, int local_port) noexcept {
  for (const curl_socket_t fd : std::exchange(transfer.sockets_, {})) {
    const auto socket = sockets_.find(fd);
    if (socket == sockets_.end() || socket->second != &transfer) continue;
    if (port_of(fd) == local_port)
      socket->second = nullptr;  // from here on its end is announced
    else
      forget(fd, transfer);
  }
}

void CurlLoop::closed(curl_socket_t fd) noexcept {
  const auto socket = sockets_.find(fd);
  if (socket == sockets_.end()) return;
  // The number may soon be that of somebody else's socket.
  if (socket->second != nullptr) std::erase(socket->second->sockets_, fd);
  sockets_.erase(socket);
  counters_->connections_open.fetch_sub(1, std::memory_order_relaxed);
}

void CurlLoop::forget(curl_socket_t fd, const HttpTransfer& opener) noexcept {
  const auto socket = sockets_.find(fd);
  if (socket != sockets_.end() && socket->second == &opener) closed(fd);
}

}  // namespace beluga::detail
