#pragma once
/// One request on the wire: what the event loop (libcurl) and the waiting caller share.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/curl_api.hpp"

namespace beluga::detail {

class CurlLoop;

/// The counters behind HttpClient::stats().
struct HttpCounters {
  std::atomic<std::size_t> requests{0};
  std::atomic<std::size_t> connections_opened{0};
  std::atomic<std::size_t> connections_open{0};
  std::atomic<std::size_t> transfers_running{0};
};

/// The parts of a request as the transfer needs them. Immutable once started.
struct TransferRequest {
  std::string method;
  Url url;
  HttpHeaders headers;
  std::string body;
  std::string proxy;                 ///< empty: direct
  std::vector<std::string> resolve;  ///< CURLOPT_RESOLVE entries
  HttpTimeouts timeouts;
  HttpLimits limits;
  bool collect = false;         ///< gather the whole body instead of pausing when nobody reads
  bool stop_at_headers = true;  ///< wake the caller when status and headers are there
  bool repeatable = false;      ///< may be sent again when a pooled connection was dead
  TimePoint begun;
  std::optional<TimePoint> total_end;
};

/// Thread-safety: loop side and caller side may be on different threads; each says which it is.
class HttpTransfer : public std::enable_shared_from_this<HttpTransfer> {
 public:
  enum class Phase : unsigned char { connecting, waiting, body };

  HttpTransfer(TransferRequest request, std::shared_ptr<CurlLoop> loop);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // ---- caller side ----
  /// Starts the transfer. On the loop's worker.
  void start();
  /// Waits until status and headers are there. Throws what became of the transfer otherwise.
  void wait_for_headers();
  /// Waits until all is there (TransferRequest::collect) and returns the body as received.
  std::string wait_for_body();
  /// Swaps the next bytes of the body, as received, into `bytes`; leaves it empty at the end.
  void read(std::string& bytes);
  /// Takes the transfer off the wire. Any thread; does not wait. `why` is what later reads throw.
  void abort(Error why) noexcept;
  /// Whether the transfer ended as it should.
  bool ended_well() noexcept;

  /// Valid and constant after wait_for_headers() or wait_for_body().
  int status() const noexcept { return status_; }
  HttpHeaders& headers() noexcept { return headers_; }
  const TransferRequest& request() const noexcept { return request_; }

  // ---- loop side ----
  void configure();  ///< sets what differs between transfers on `easy`
  void release();    ///< takes it back; `easy` is null then
  void finish(CURLcode code) noexcept;
  void fail(Error error) noexcept;  ///< ends it from the loop's side
  CURL* easy = nullptr;             ///< the loop's, while the transfer is running

 private:
  friend class CurlLoop;
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static int on_ready(void* self, char* remote, char* local, int remote_port, int local_port) noexcept;
  bool header_line(std::string_view line);
  bool status_line(std::string_view line);
  bool end_of_headers();
  bool keep_field();
  bool body_bytes(std::string_view bytes, bool& pause);
  bool may_connect(const curl_sockaddr& address) noexcept;

  template <class Reached>
  void wait(Reached reached);
  std::optional<TimePoint> phase_end(TimePoint waiting_since) const noexcept;
  void enter(Phase phase) noexcept;
  void wake() noexcept;
  void set_error(Error error) noexcept;
  Error timed_out() const;
  Error describe(ErrorCode code, std::string_view what) const;
  Error from_curl(CURLcode code) const;
  std::string_view phase_text() const noexcept;

  const TransferRequest request_;
  const std::shared_ptr<CurlLoop> loop_;
  Clock& clock_;

  // Loop side only.
  curl_slist* header_list_ = nullptr;
  curl_slist* resolve_list_ = nullptr;
  std::size_t header_bytes_ = 0;
  std::string
      field_name_;  ///< the field whose value may be continued by the next line (RFC 9112 section 5.2)
  std::string field_value_;
  std::vector<curl_socket_t> sockets_;  ///< opened for it and not closed, until it has its connection
  unsigned sends_ = 0;
  bool refused_ = false;  ///< the address filter said no
  char error_text_[CURL_ERROR_SIZE] = {};
  std::optional<IoPending> io_pending_;

  // Both sides, under mutex_. status_ and headers_ are written before headers_done_ and constant after.
  std::mutex mutex_;
  ParkingSpot spot_;
  Phase phase_ = Phase::connecting;
  TimePoint phase_since_;
  std::optional<TimePoint> sleeping_until_;
  bool sleeping_ = false;
  bool headers_done_ = false;
  bool done_ = false;
  bool paused_ = false;
  std::optional<Error> error_;
  int status_ = 0;
  HttpHeaders headers_;
  std::string received_;
};

/// "POST https://api.example.com: " and so on: what every error of a request begins with.
std::string request_name(std::string_view method, const Url& url);

}  // namespace beluga::detail
