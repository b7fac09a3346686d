#pragma once
/// libcurl's multi interface on the event loop of one worker, for one HttpClient.

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/curl_api.hpp"
#include "beluga/net/internal/http_transfer.hpp"

namespace beluga::detail {

/// Thread-safety: post() and on_this_worker() from anywhere, all else on the loop's worker.
class CurlLoop : public std::enable_shared_from_this<CurlLoop> {
 public:
  CurlLoop(boost::asio::io_context& io, std::shared_ptr<const HttpClientOptions> options,
           std::shared_ptr<HttpCounters> counters);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  bool on_this_worker() const noexcept;
  /// Runs `f` on the worker, outside any fiber. False when the worker has ended; then nothing runs any more.
  bool post(Function<void()> f);

  void add(std::shared_ptr<HttpTransfer> transfer);
  /// Takes a transfer off the wire; nothing happens if it is not running.
  void remove(HttpTransfer& transfer) noexcept;
  /// Lets a paused transfer go on.
  void resume(HttpTransfer& transfer) noexcept;
  /// Ends all transfers and connections.
  void close() noexcept;
  /// The worker ends: as close(), and post() refuses from now on.
  void worker_ends() noexcept;
  bool closed() const noexcept { return multi_ == nullptr; }
  /// `transfer` has its connection: of the sockets it opened, the one with this local port.
  void connected(HttpTransfer& transfer, int local_port) noexcept;
  HttpCounters& counters() noexcept { return *counters_; }
  const HttpClientOptions& options() const noexcept { return *options_; }

 private:
  using Executor = boost::asio::io_context::executor_type;
  /// A socket that libcurl wants watched. Outlives the loop inside a pending handler; then `loop` is null.
  struct Watch {
    explicit Watch(CurlLoop& owner, curl_socket_t socket);
    CurlLoop* loop;
    curl_socket_t fd;
    boost::asio::posix::basic_stream_descriptor<Executor> descriptor;
    int wanted = CURL_POLL_NONE;
    bool reading = false;
    bool writing = false;
  };
  struct Alarm {
    explicit Alarm(CurlLoop& owner);
    CurlLoop* loop;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer;
  };

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* watch) noexcept;
  static int on_timer(CURLM* multi, long milliseconds, void* self) noexcept;
  static curl_socket_t open_socket(void* transfer, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static int close_socket(void* self, curl_socket_t fd) noexcept;
  CURL* make_easy();
  void arm(const std::shared_ptr<Watch>& watch);
  void act(curl_socket_t fd, int events);
  void collect();
  void unwatch(curl_socket_t fd) noexcept;
  void detach(HttpTransfer& transfer) noexcept;
  void opened(curl_socket_t fd, HttpTransfer& transfer);
  void closed(curl_socket_t fd) noexcept;
  void attempt_ended(curl_socket_t fd) noexcept;
  void try_next_addresses() noexcept;
  void forget(curl_socket_t fd, const HttpTransfer& opener) noexcept;

  std::mutex io_mutex_;
  std::atomic<boost::asio::io_context*> io_;  ///< null once the worker has ended; changed under io_mutex_
  const std::shared_ptr<const HttpClientOptions> options_;
  const std::shared_ptr<HttpCounters> counters_;
  CURLM* multi_ = nullptr;
  CURLSH* share_ = nullptr;
  std::shared_ptr<Alarm> alarm_;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  /// libcurl's open sockets, each with the transfer that opened it while that is connecting. libcurl 7.88 to
  /// 8.2 closes one in that state without a word (https://github.com/curl/curl/pull/11439).
  std::unordered_map<curl_socket_t, HttpTransfer*> sockets_;
  /// Transfers whose attempt to connect has just failed.
  std::vector<std::weak_ptr<HttpTransfer>> failed_attempts_;
  std::unordered_map<HttpTransfer*, std::shared_ptr<HttpTransfer>> running_;
  std::vector<CURL*> spare_;  ///< easy handles at rest
};

}  // namespace beluga::detail
