#pragma once
/// The HTTP client: HTTP/1.1 (and 2, where asked for), connection pool, TLS, proxies, decompression.
///
///     HttpClient client;
///     HttpResponse answer = client.send({.url = "https://example.com/"});            // the whole body
///
///     HttpExchange exchange = client.open({.method = "POST", .url = url, .headers = headers, .body = text});
///     if (exchange.status() != 200) fail(exchange.read_all(4096));
///     SseParser events;                                                               // or as it arrives
///     while (const SseEvent* event = events.next_from(exchange)) use(event->data);
///
/// A call parks its fiber (or blocks its plain thread) and obeys the current Context: deadline and
/// cancellation reach every wait. The body is pulled: when nobody reads, at most HttpLimits::buffer_bytes
/// wait here and the peer is slowed down by TCP. Destroying an exchange that is not at its end aborts it on
/// the wire at once.
///
/// A status of 4xx or 5xx is an answer, not an error. Errors are beluga::Error; their message names the
/// method, the origin (never path, query or userinfo), the phase and a remedy:
///   unavailable         not resolved, not connected, or the connection died before the answer (retryable)
///   deadline_exceeded   a limit of HttpTimeouts or the context's deadline; the message names the phase
///   data_loss           not HTTP, or the body ended before its Content-Length, last chunk or compressed end
///   resource_exhausted  a limit of HttpLimits, or too many redirects
///   permission_denied   refused by url_filter or address_filter
///   failed_precondition the peer's certificate is not trusted, or the client's own cannot be used
///   invalid_argument    a bad URL, method or header
///   cancelled           the context, or HttpExchange::cancel
///
/// A request is sent once. One exception: when a pooled connection turns out to be dead before a byte of the
/// answer, and the method is idempotent (RFC 9110 section 9.2.2) or there is an Idempotency-Key, it is
/// repeated once on a new one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/secret.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/net/http.hpp"
#include "beluga/net/ip_address.hpp"
#include "beluga/net/url.hpp"

namespace beluga {

/// Zero: no limit.
struct HttpTimeouts {
  Duration connect = std::chrono::seconds(10);      ///< resolve, connect and TLS handshake together
  Duration first_byte = std::chrono::seconds(120);  ///< from then until status and headers are complete
  Duration idle =
      std::chrono::seconds(120);      ///< between two pieces of the body, while somebody waits for them
  Duration total = Duration::zero();  ///< from the call to the end of the body, redirects included
};

struct HttpLimits {
  std::size_t header_bytes = 64U << 10U;  ///< of the response's status line and headers together
  std::size_t body_bytes = 64U << 20U;  ///< of a body that send() or read_all() collects, after decompression
  std::size_t stream_bytes = 0;         ///< of a body that read() hands out, after decompression; 0: no limit
  std::size_t buffer_bytes = 64U << 10U;  ///< received but not yet read, before the transfer is paused
};

struct HttpTls {
  bool verify = true;        ///< certificate and host name. Switch off in tests only
  std::string ca_file = {};  ///< PEM; empty: the system's
  std::string ca_dir = {};
  /// For mutual TLS: PEM files, the certificate with the intermediate ones that follow it. Read for each new
  /// connection, so that renewed files count without a new client.
  std::string client_cert = {};
  std::string client_key = {};  ///< empty: it stands in client_cert
  Secret client_key_password = {};
};

/// Which proxy to use: "http://[user:password@]host:port", also https:// and socks5h://; empty: none.
struct HttpProxy {
  std::string http = {};   ///< for http:// URLs
  std::string https = {};  ///< for https:// URLs
  std::string no_proxy =
      {};  ///< comma-separated hosts, domains, addresses and CIDR blocks to reach directly; "*": all
  /// http_proxy, https_proxy, all_proxy and no_proxy (lower case wins; HTTP_PROXY in upper case is ignored,
  /// because a CGI server sets it from a request header), as they stand now.
  static HttpProxy from_environment();
};

struct HttpClientOptions {
  HttpTimeouts timeouts = {};
  HttpLimits limits = {};
  HttpTls tls = {};
  HttpProxy proxy = HttpProxy::from_environment();
  bool http2 = false;  ///< offer HTTP/2 in the TLS handshake; requests to one origin then share a connection
  bool decompress =
      true;  ///< ask for gzip, deflate and br and undo them, unless the request has an Accept-Encoding
  int max_redirects = 0;  ///< 0: a 3xx is handed out as it is
  std::string user_agent = "beluga/0.1";
  std::size_t max_connections = 0;  ///< per worker thread; 0: no limit. More requests wait for a free one
  std::size_t max_connections_per_host = 0;  ///< likewise
  std::size_t max_idle_connections = 64;     ///< per worker thread
  Duration idle_connection_age = std::chrono::seconds(60);
  Duration resolve_cache_age = std::chrono::seconds(60);

  /// Called in the caller's fiber before each request, that is also for each redirect. Throw to refuse.
  std::function<void(const Url&)> url_filter = nullptr;
  /// Called for each address before a connection to it is made; false refuses it. Because the very socket is
  /// checked, neither a redirect nor a DNS answer that changes can get around it. Must be thread-safe and
  /// must not wait or throw.
  ///
  ///     .address_filter = [](const IpAddress& address) { return address.is_global(); }
  ///
  /// The addresses behind a proxy cannot be seen from here: with a filter, a request that would go through a
  /// proxy is refused, unless filter_trusts_proxy is set.
  std::function<bool(const IpAddress&)> address_filter = nullptr;
  bool filter_trusts_proxy = false;
  /// Instead of getaddrinfo: the addresses of a host; throw or return none if there are none. Runs in the
  /// blocking pool.
  std::function<std::vector<IpAddress>(const std::string& host)> resolve = nullptr;
};

/// What one call wants otherwise than its client.
struct HttpCallOptions {
  std::optional<HttpTimeouts> timeouts = {};
  std::optional<HttpLimits> limits = {};
  std::optional<int> max_redirects = {};
};

struct HttpClientStats {
  std::size_t requests = 0;  ///< sent, redirects and repetitions counted
  std::size_t connections_opened = 0;
  std::size_t connections_open = 0;   ///< now, idle ones included
  std::size_t transfers_running = 0;  ///< now
};

/// An answer whose body is still on its way. Move-only.
/// Thread-safety: one user at a time; may be handed between fibers and threads. cancel() from anywhere.
class HttpExchange {
 public:
  HttpExchange(HttpExchange&&) noexcept;
  HttpExchange& operator=(HttpExchange&&) noexcept;
  ~HttpExchange();

  int status() const noexcept;
  const HttpHeaders& headers() const noexcept;
  /// Where the answer comes from, after redirects.
  const std::string& url() const noexcept;

  /// The next piece of the body, valid until the next call; empty at the end. Waits for at least one byte.
  std::string_view read();
  /// What is left of the body. Throws Error{resource_exhausted} beyond `limit` bytes (default:
  /// HttpLimits::body_bytes).
  std::string read_all(std::optional<std::size_t> limit = std::nullopt);
  /// Reads up to 64 KiB of the rest and throws it away, so that the connection can serve again; gives up
  /// after `wait`. For a protocol whose last message comes before the end of the body ("[DONE]"). Never
  /// throws.
  bool drain(Duration wait = std::chrono::milliseconds(50)) noexcept;
  /// Aborts the transfer: a read() that waits throws Error{cancelled}.
  void cancel() noexcept;

 private:
  friend class HttpClient;
  struct State;
  explicit HttpExchange(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// A handle: copies share one pool and its options. Connections are kept per worker thread of the runtime.
/// Thread-safety: all members from any fiber or thread.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options = {});

  /// Sends the request and collects the whole body.
  HttpResponse send(HttpRequest request, const HttpCallOptions& options = {}) const;
  /// Sends the request and returns once status and headers are there.
  HttpExchange open(HttpRequest request, const HttpCallOptions& options = {}) const;

  const HttpClientOptions& options() const noexcept;
  HttpClientStats stats() const noexcept;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace beluga
