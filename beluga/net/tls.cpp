#include "beluga/net/tls.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/net/internal/tls_socket.hpp"

namespace beluga::detail {
namespace {

/// The last error of this thread's OpenSSL queue, and empties the queue.
std::string take_openssl_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (text.empty() && reason != nullptr) text = reason;
  }
  return text;
}

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the peer is gone; this one does
// not.
int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  ssize_t n = 0;
  do n = ::send(fd, data, size, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) BIO_set_retry_write(bio);
    return 0;
  }
  *written = static_cast<std::size_t>(n);
  return 1;
}

int bio_read(BIO* bio, char* data, std::size_t size, std::size_t* read) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  ssize_t n = 0;
  do n = ::recv(fd, data, size, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) BIO_set_retry_read(bio);
    return 0;
  }
  if (n == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
  }
  *read = static_cast<std::size_t>(n);
  return 1;
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO_METHOD* socket_bio() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "beluga socket");
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
  }();
  return kMethod;
}

// RFC 7301: we speak HTTP/1.1 only. A client that offers ALPN without it is refused
// (no_application_protocol).
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kHttp11, sizeof(kHttp11) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

[[noreturn]] void fail(SSL_CTX* context, std::string_view what, std::string_view file) {
  SSL_CTX_free(context);
  throw Error(ErrorCode::invalid_argument, fmt::format("TLS: {} '{}': {}", what, file, take_openssl_error()));
}

SSL_CTX* make_context(const SSL_METHOD* method) {
  SSL_CTX* context = SSL_CTX_new(method);
  if (context == nullptr)
    throw Error(ErrorCode::internal, "TLS: cannot make a context: " + take_openssl_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Idle connections give their 34 KB of record buffers back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}

void load_identity(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    fail(context, "cannot use the certificate file", certificate);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    fail(context, "cannot use the key file", key);
  if (SSL_CTX_check_private_key(context) != 1)
    fail(context, "the certificate does not belong to the key file", key);
}

}  // namespace

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

std::shared_ptr<const TlsContext> TlsContext::server(const TlsServerOptions& options) {
  SSL_CTX* context = make_context(TLS_server_method());
  load_identity(context, options.certificate_file, options.key_file);
  if (!options.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_file(context, options.client_ca_file.c_str()) != 1)
      fail(context, "cannot use the client CA file", options.client_ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    static constexpr unsigned char kSession[] = "beluga";
    SSL_CTX_set_session_id_context(context, kSession, sizeof(kSession) - 1);
  }
  SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
  return std::shared_ptr<const TlsContext>(new TlsContext(context));
}

std::shared_ptr<const TlsContext> TlsContext::client(const TlsClientOptions& options) {
  SSL_CTX* context = make_context(TLS_client_method());
  if (options.verify) SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    fail(context, "cannot use the CA file", options.ca_file);
  }
  if (!options.certificate_file.empty()) load_identity(context, options.certificate_file, options.key_file);
  return std::shared_ptr<const TlsContext>(new TlsContext(context));
}

Socket::Socket(boost::asio::io_context& io, FileDescriptor fd) : descriptor_(io) {
  boost::system::error_code failure;
  descriptor_.assign(fd.get(), failure);
  if (failure) throw Error(ErrorCode::resource_exhausted, "cannot watch a socket: " + failure.message());
  fd.release();
}

Socket::~Socket() {
  close();
}

void Socket::start_tls_server(const TlsContext& context) {
  ssl_ = SSL_new(context.get());
  BIO* bio = BIO_new(socket_bio());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor_.native_handle())));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

void Socket::start_tls_client(const TlsContext& context, const std::string& host, bool verify) {
  start_tls_server(context);
  SSL_set_connect_state(ssl_);
  unsigned char address[sizeof(in6_addr)];
  const bool is_address =
      ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
  if (!is_address) SSL_set_tlsext_host_name(ssl_, host.c_str());  // RFC 6066 section 3: names only
  if (!verify) return;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_);
  if (is_address) {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
  } else {
    SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_, host.c_str());
  }
}

namespace {
IoResult tls_result(SSL* ssl, int result, std::size_t bytes, std::string& failure) {
  if (result == 1) return {IoState::ok, bytes, 0};
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return {IoState::want_read, 0, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoState::want_write, 0, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoState::eof, 0, 0};
    case SSL_ERROR_SYSCALL: {
      const int error = errno;
      ERR_clear_error();
      return {IoState::failed, 0, error};
    }
    default:
      break;
  }
  if (const long verify = SSL_get_verify_result(ssl); verify != X509_V_OK) {
    failure = X509_verify_cert_error_string(verify);
    ERR_clear_error();
  } else {
    failure = take_openssl_error();
  }
  return {IoState::failed, 0, 0};
}
}  // namespace

IoResult Socket::handshake() noexcept {
  if (ssl_ == nullptr || !open()) return {};
  ERR_clear_error();
  return tls_result(ssl_, SSL_do_handshake(ssl_), 0, failure_);
}

std::string Socket::tls_failure() const {
  return failure_;
}

IoResult Socket::try_read(char* data, std::size_t size) noexcept {
  if (!open()) return {IoState::failed, 0, EBADF};
  if (ssl_ != nullptr) {
    std::size_t bytes = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, data, size, &bytes);
    return tls_result(ssl_, result, bytes, failure_);
  }
  for (;;) {
    const ssize_t n = ::recv(descriptor_.native_handle(), data, size, 0);
    if (n > 0) return {IoState::ok, static_cast<std::size_t>(n), 0};
    if (n == 0) return {IoState::eof, 0, 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoState::want_read, 0, 0};
    if (errno != EINTR) return {IoState::failed, 0, errno};
  }
}

IoResult Socket::try_write(std::span<const std::string_view> parts) noexcept {
  if (!open()) return {IoState::failed, 0, EBADF};
  if (ssl_ != nullptr) {
    IoResult total{IoState::ok, 0, 0};
    for (std::string_view part : parts) {
      while (!part.empty()) {
        std::size_t bytes = 0;
        ERR_clear_error();
        const int result = SSL_write_ex(ssl_, part.data(), part.size(), &bytes);
        const IoResult step = tls_result(ssl_, result, bytes, failure_);
        if (step.state != IoState::ok) return total.bytes > 0 ? total : step;
        total.bytes += bytes;
        part.remove_prefix(bytes);
      }
    }
    return total;
  }
  std::array<iovec, 16> pieces;
  std::size_t count = 0;
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    if (count == pieces.size()) break;
    pieces[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  if (count == 0) return {IoState::ok, 0, 0};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t n = ::sendmsg(descriptor_.native_handle(), &message, MSG_NOSIGNAL);
    if (n >= 0) return {IoState::ok, static_cast<std::size_t>(n), 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoState::want_write, 0, 0};
    if (errno != EINTR) return {IoState::failed, 0, errno};
  }
}

void Socket::when_readable(Function<void()> ready) {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [ready = std::move(ready)](const boost::system::error_code&) mutable { ready(); });
}

void Socket::when_writable(Function<void()> ready) {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                         [ready = std::move(ready)](const boost::system::error_code&) mutable { ready(); });
}

void Socket::shutdown_write() noexcept {
  if (!open()) return;
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  ::shutdown(descriptor_.native_handle(), SHUT_WR);
}

void Socket::close() noexcept {
  if (ssl_ != nullptr) {
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  boost::system::error_code ignored;
  if (descriptor_.is_open()) descriptor_.close(ignored);
}

void Socket::abort() noexcept {
  if (!open()) return;
  const linger reset{1, 0};
  ::setsockopt(descriptor_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
  close();
}

}  // namespace beluga::detail
