#pragma once
/// A non-blocking TCP connection of one worker, plain or under TLS, without fibers: try, and ask to be called
/// when trying again makes sense. For http_server and websocket only, not installed.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "beluga/base/function.hpp"
#include "beluga/net/internal/file_descriptor.hpp"
#include "beluga/net/tls.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace beluga::detail {

/// An SSL_CTX. Immutable and shared by connections on all workers.
class TlsContext {
 public:
  /// Throw Error{invalid_argument} naming the file and OpenSSL's reason.
  static std::shared_ptr<const TlsContext> server(const TlsServerOptions& options);
  static std::shared_ptr<const TlsContext> client(const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* get() const noexcept { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) noexcept : context_(context) {}
  ssl_ctx_st* context_;
};

enum class IoState : std::uint8_t { ok, want_read, want_write, eof, failed };
struct IoResult {
  IoState state = IoState::failed;
  std::size_t bytes = 0;
  int error = 0;  ///< errno; 0 for a failure inside TLS
};

class Socket {
 public:
  /// `fd` must be a non-blocking stream socket. Throws Error{resource_exhausted} when the system cannot watch
  /// it.
  Socket(boost::asio::io_context& io, FileDescriptor fd);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Puts TLS on top. `host` (clients) is sent as SNI and checked against the certificate.
  void start_tls_server(const TlsContext& context);
  void start_tls_client(const TlsContext& context, const std::string& host, bool verify);
  /// One step of the handshake: ok once it is finished.
  IoResult handshake() noexcept;
  /// Why TLS failed, in OpenSSL's words; empty without TLS.
  std::string tls_failure() const;
  bool tls() const noexcept { return ssl_ != nullptr; }
  bool open() const noexcept { return descriptor_.is_open(); }

  IoResult try_read(char* data, std::size_t size) noexcept;
  /// Writes what fits. Under TLS a retry after want_write must start with the same bytes.
  IoResult try_write(std::span<const std::string_view> parts) noexcept;
  /// Calls `ready` on the worker, outside any fiber, once the socket is readable (writable) or closed.
  void when_readable(Function<void()> ready);
  void when_writable(Function<void()> ready);

  /// No more writing from our side: close_notify under TLS, then FIN.
  void shutdown_write() noexcept;
  /// Pending when_ calls still come. Idempotent.
  void close() noexcept;
  /// Close with a reset, so that the peer cannot take a cut response for a whole one.
  void abort() noexcept;

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  ssl_st* ssl_ = nullptr;
  std::string failure_;
};

}  // namespace beluga::detail
