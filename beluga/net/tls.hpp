#pragma once
/// TLS settings of servers and of WebSocket clients. TLS 1.2 is the least; the library below is OpenSSL 3.
///
///     TlsServerOptions tls{.certificate_file = "cert.pem", .key_file = "key.pem"};
///     HttpServer server({.port = 8443, .tls = tls}, handler);

#include <string>

namespace beluga {

struct TlsServerOptions {
  std::string
      certificate_file{};  ///< PEM: the server's certificate, then the chain up to (not including) the root
  std::string key_file{};  ///< PEM, not encrypted
  /// PEM: when not empty, a client must present a certificate signed by one of these (mutual TLS).
  std::string client_ca_file = {};
};

struct TlsClientOptions {
  /// PEM with the roots to trust; empty: those of the system (SSL_CERT_FILE and SSL_CERT_DIR are honoured).
  std::string ca_file = {};
  std::string certificate_file = {};  ///< for mutual TLS
  std::string key_file = {};
  /// False accepts any certificate: for tests only, since it gives up all that TLS is for.
  bool verify = true;
};

}  // namespace beluga
