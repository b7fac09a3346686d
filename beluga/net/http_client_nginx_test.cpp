/// The client against a real peer: nginx on loopback, with certificates made by openssl for the occasion.

#include <arpa/inet.h>
#include <brotli/encode.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/heap_use.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::heap_use;

constexpr const char* kNginx = "/usr/sbin/nginx";

/// A listening socket of ours that nginx inherits (its NGINX variable): the port is there before the process
/// is, so that nobody has to wait for it or to guess a free one.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd, 511);
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int fd;
  std::uint16_t port = 0;
};

class Nginx : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const char* program : {kNginx, "/usr/bin/openssl"}) {
      ASSERT_TRUE(std::filesystem::exists(program)) << program << " is missing: run ./dev setup";
    }
    std::string name = (std::filesystem::temp_directory_path() / "beluga_nginx_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    write("san.cnf", "subjectAltName=DNS:localhost\n");
    for (const char* ca : {"ca", "other-ca"}) {
      run("openssl req -x509 " + new_key(ca) + " -out " + ca + ".pem -days 2 -subj /CN=beluga-test-" + ca);
    }
    make_certificate("server", "localhost", "ca", "-extfile san.cnf");
    make_certificate("client", "gateway-7", "ca");
    make_certificate("stranger", "stranger", "other-ca");
    run("openssl ec -in client.key -aes128 -passout pass:open-sesame -out locked.key");
    std::string text;
    for (int i = 0; i < 20'000; ++i)
      text += "line " + std::to_string(i) + " of a text that compresses well\n";
    text_ = text;
    write("text.txt", text);
    std::string binary(8U << 20U, '\0');
    for (std::size_t i = 0; i < binary.size(); ++i) binary[i] = static_cast<char>((i * 2654435761U) >> 13U);
    binary_ = binary;
    write("big.bin", binary);
    write("text.br", brotli(text_));
    plain_ = std::make_unique<Listener>();
    tls_ = std::make_unique<Listener>();
    client_tls_ = std::make_unique<Listener>();
    const auto listen = [](const Listener& listener) {
      return "listen 127.0.0.1:" + std::to_string(listener.port);
    };
    const std::string certificate = "ssl_certificate server.pem; ssl_certificate_key server.key;\n";
    write("nginx.conf", R"(
daemon off; user root; worker_processes 1; pid nginx.pid; error_log error.log; worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off; default_type application/octet-stream; types { text/plain txt; }
  client_body_temp_path body; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  client_max_body_size 20m; keepalive_requests 100000; gzip on; gzip_types text/plain;
  server {
    )" + listen(*plain_) + ";\n" +
                            listen(*tls_) + " ssl http2;\n" + certificate + R"(
    ssl_session_cache shared:x:1m; root .;
    location = /who { return 200 "$server_protocol $connection $connection_requests $ssl_session_reused"; }
    location = /up { return 200 "$request_method $content_length"; }
    location = /text.br { add_header Content-Encoding br; }
  }
  server {
    )" + listen(*client_tls_) +
                            " ssl;\n" + certificate + R"(
    ssl_client_certificate ca.pem; ssl_verify_client on;
    location / { return 200 "$ssl_client_verify $ssl_client_s_dn"; }
  }
}
)");
    const std::string prefix = dir_.string() + "/";
    std::vector<std::string> arguments{
        kNginx, "-p", prefix, "-c", prefix + "nginx.conf", "-e", prefix + "error.log"};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::string inherited = "NGINX=100;101;102;";
    std::array<char*, 2> environment{inherited.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, plain_->fd, 100);
    ::posix_spawn_file_actions_adddup2(&actions, tls_->fd, 101);
    ::posix_spawn_file_actions_adddup2(&actions, client_tls_->fd, 102);
    // nginx says at each start that it inherits sockets; and whoever reads this test's output must not wait
    // for a peer that survived a crash of it.
    for (const int fd : {0, 1, 2}) ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    ASSERT_EQ(::posix_spawn(&pid_, kNginx, &actions, nullptr, argv.data(), environment.data()), 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  static void TearDownTestSuite() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    pid_ = 0;
    plain_.reset();
    tls_.reset();
    client_tls_.reset();
    std::error_code ignored;
    if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
  }

  static void write(const std::string& name, const std::string& content) {
    std::ofstream(dir_ / name, std::ios::binary) << content;
  }
  static void run(const std::string& command) {
    const std::string line = "cd '" + dir_.string() + "' && " + command + " >>openssl.log 2>&1";
    ASSERT_EQ(std::system(line.c_str()), 0) << line;  // NOLINT(cert-env33-c): our own words
  }
  static std::string new_key(const std::string& name) {
    return "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key";
  }
  static void make_certificate(const std::string& name, const std::string& subject, const std::string& ca,
                               const std::string& extensions = "") {
    run("openssl req " + new_key(name) + " -out " + name + ".csr -subj /CN=" + subject);
    run("openssl x509 -req -in " + name + ".csr -CA " + ca + ".pem -CAkey " + ca +
        ".key -CAcreateserial -days 2 -out " + name + ".pem " + extensions);
  }
  static std::string brotli(const std::string& text) {
    std::size_t size = BrotliEncoderMaxCompressedSize(text.size());
    std::string out(size, '\0');
    BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, text.size(),
                          reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                          reinterpret_cast<std::uint8_t*>(out.data()));
    out.resize(size);
    return out;
  }
  static std::string file(const std::string& name) { return (dir_ / name).string(); }
  static std::string plain(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(plain_->port) + path;
  }
  static std::string tls(const std::string& path) {
    return "https://localhost:" + std::to_string(tls_->port) + path;
  }
  static HttpClientOptions options() {
    HttpClientOptions options{.tls = {.ca_file = file("ca.pem")}, .proxy = {}};
    options.timeouts = {.connect = 100s, .first_byte = 100s, .idle = 100s};  // the machine may be busy
    options.resolve = [](const std::string&) {
      return std::vector<IpAddress>{*IpAddress::parse("127.0.0.1")};
    };
    return options;
  }

  Runtime runtime_{{.workers = 1}};
  static inline std::filesystem::path dir_;
  static inline std::string text_, binary_;
  static inline std::unique_ptr<Listener> plain_, tls_, client_tls_;
  static inline pid_t pid_ = 0;
};

TEST_F(Nginx, KeepsItsConnectionAlive) {
  runtime_.run([&] {
    const HttpClient client(options());
    for (int i = 1; i <= 20; ++i) {
      EXPECT_THAT(client.send({.url = plain("/who")}).body, HasSubstr(" " + std::to_string(i) + " "));
    }
    EXPECT_EQ(client.stats().connections_opened, 1U);
  });
}

TEST_F(Nginx, CompressesChunkedBodiesThatArriveWhole) {
  runtime_.run([&] {
    const HttpClient client(options());
    const HttpResponse sent = client.send({.url = plain("/text.txt")});
    EXPECT_EQ(sent.body, text_);
    EXPECT_FALSE(sent.headers.contains("Content-Encoding"));
    HttpExchange exchange = client.open({.url = plain("/text.txt")});
    EXPECT_EQ(exchange.read_all(), text_);
    const HttpResponse raw =
        client.send({.url = plain("/text.txt"), .headers = {{"Accept-Encoding", "gzip"}}});
    EXPECT_EQ(raw.headers.get("Content-Encoding"), "gzip") << "who asks himself gets it as it is";
    EXPECT_EQ(raw.headers.get("Transfer-Encoding"), "chunked");
    EXPECT_LT(raw.body.size(), text_.size() / 3);
    const auto small = attempt([&] {
      client.send({.url = plain("/text.txt")}, {.limits = HttpLimits{.body_bytes = text_.size() - 1}});
    });
    EXPECT_EQ(small.error().code(), ErrorCode::resource_exhausted)
        << "the limit counts what a body expands to";
    EXPECT_EQ(client.stats().connections_opened, 1U);
  });
}

TEST_F(Nginx, HandsOutABrotliFileAsItWas) {
  runtime_.run([&] {
    const HttpClient client(options());
    EXPECT_EQ(client.send({.url = plain("/text.br")}).body, text_);
    EXPECT_EQ(client.open({.url = tls("/text.br")}).read_all(), text_);
    EXPECT_LT(
        client.send({.url = plain("/text.br"), .headers = {{"Accept-Encoding", "identity"}}}).body.size(),
        text_.size() / 3)
        << "who asks himself gets it as it is";
  });
}

TEST_F(Nginx, AnswersNotModifiedWithoutABody) {
  runtime_.run([&] {
    const HttpClient client(options());
    const HttpResponse first = client.send({.url = plain("/big.bin")});
    EXPECT_EQ(first.body, binary_);
    const std::string tag(*first.headers.get("ETag"));
    const HttpResponse second = client.send({.url = plain("/big.bin"), .headers = {{"If-None-Match", tag}}});
    EXPECT_EQ(second.status, 304);
    EXPECT_EQ(second.body, "");
    EXPECT_EQ(client.send({.method = "HEAD", .url = plain("/big.bin")}).headers.get("Content-Length"),
              std::to_string(binary_.size()));
    const HttpResponse head = client.send({.method = "HEAD", .url = plain("/text.txt")});
    EXPECT_EQ(head.headers.get("Content-Encoding"), "gzip") << "there is nothing to undo: it describes a GET";
    EXPECT_EQ(client.stats().connections_opened, 1U);
  });
}

TEST_F(Nginx, TakesALargeUpload) {
  runtime_.run([&] {
    const HttpClient client(options());
    EXPECT_EQ(client.send({.method = "POST", .url = plain("/up"), .body = binary_}).body,
              "POST " + std::to_string(binary_.size()));
    EXPECT_EQ(client.send({.method = "PUT", .url = tls("/up"), .body = binary_}).body,
              "PUT " + std::to_string(binary_.size()));
  });
}

TEST_F(Nginx, SpeaksHttp2OverTlsOnlyWhenAsked) {
  runtime_.run([&] {
    EXPECT_THAT(HttpClient(options()).send({.url = tls("/who")}).body, HasSubstr("HTTP/1.1"));
    HttpClientOptions two = options();
    two.http2 = true;
    const HttpClient client(two);
    EXPECT_THAT(client.send({.url = tls("/who")}).body, HasSubstr("HTTP/2.0"));
    Scope scope;
    for (int i = 0; i < 50; ++i) {
      scope.spawn("get", [&] { EXPECT_EQ(client.send({.url = tls("/text.txt")}).body, text_); });
    }
    for (int i = 0; i < 10; ++i) {
      scope.spawn("stream", [&] {
        HttpExchange exchange = client.open({.url = tls("/big.bin")});
        EXPECT_EQ(exchange.read_all(), binary_);
      });
    }
    scope.join();
    EXPECT_EQ(client.stats().connections_opened, 1U) << "all of them share one connection";
  });
}

TEST_F(Nginx, StreamsALargeBodyOverTls) {
  const HttpClient client(options());
  HttpExchange exchange = client.open({.url = tls("/big.bin")});
  std::string body;
  for (std::string_view piece = exchange.read(); !piece.empty(); piece = exchange.read()) body += piece;
  EXPECT_TRUE(body == binary_);
}

TEST_F(Nginx, ResumesTlsSessions) {
  runtime_.run([&] {
    const HttpClient client(options());
    const HttpHeaders close{{"Connection", "close"}};
    EXPECT_THAT(client.send({.url = tls("/who"), .headers = close}).body, HasSubstr(" ."));
    EXPECT_THAT(client.send({.url = tls("/who"), .headers = close}).body, HasSubstr(" r"));
    EXPECT_EQ(client.stats().connections_opened, 2U);
  });
}

TEST_F(Nginx, IsRefusedWhenItsCertificateIsNotTrusted) {
  runtime_.run([&] {
    HttpClientOptions system = options();
    system.tls = {};
    const auto unknown_ca = attempt([&] { HttpClient(system).send({.url = tls("/who")}); });
    EXPECT_EQ(unknown_ca.error().code(), ErrorCode::failed_precondition) << unknown_ca.error().what();
    EXPECT_THAT(unknown_ca.error().message(), HasSubstr("ca_file"));
    const std::string other_name = "https://127.0.0.1:" + std::to_string(tls_->port) + "/who";
    const auto wrong_host = attempt([&] { HttpClient(options()).send({.url = other_name}); });
    EXPECT_EQ(wrong_host.error().code(), ErrorCode::failed_precondition) << wrong_host.error().what();
    HttpClientOptions missing = options();
    missing.tls.ca_file = "/nonexistent/ca.pem";
    const auto no_file = attempt([&] { HttpClient(missing).send({.url = tls("/who")}); });
    EXPECT_EQ(no_file.error().code(), ErrorCode::failed_precondition) << no_file.error().what();
    HttpClientOptions trusting = options();
    trusting.tls = {.verify = false};
    EXPECT_EQ(HttpClient(trusting).send({.url = other_name}).status, 200);
  });
}

TEST_F(Nginx, AsksForACertificateAndGetsTheOneOfTheOptions) {
  runtime_.run([&] {
    const std::string url = "https://localhost:" + std::to_string(client_tls_->port) + "/";
    const auto with = [&](const std::string& certificate, const std::string& key,
                          const std::string& password = "") {
      HttpClientOptions mutual = options();
      mutual.tls.client_cert = certificate;
      mutual.tls.client_key = key;
      mutual.tls.client_key_password = Secret(password);
      return attempt([&] { return HttpClient(mutual).send({.url = url}); });
    };
    EXPECT_EQ(with(file("client.pem"), file("client.key")).value().body, "SUCCESS CN=gateway-7");
    EXPECT_EQ(with(file("client.pem"), file("locked.key"), "open-sesame").value().body,
              "SUCCESS CN=gateway-7");
    // nginx answers inside HTTP what TLS itself would have refused.
    for (const auto& refused : {with("", ""), with(file("stranger.pem"), file("stranger.key"))}) {
      EXPECT_EQ(refused.value().status, 400);
      EXPECT_THAT(refused.value().body, HasSubstr("SSL certificate"));
    }
    for (const auto& unusable :
         {with(file("client.pem"), file("stranger.key")),      // another one's key
          with(file("client.pem"), file("locked.key")),        // no password
          with(file("client.pem"), file("locked.key"), "no"),  // the wrong one
          with(file("none.pem"), file("client.key")), with(file("client.pem"), file("none.key"))}) {
      ASSERT_FALSE(unusable.ok());
      EXPECT_EQ(unusable.error().code(), ErrorCode::failed_precondition) << unusable.error().what();
      EXPECT_THAT(unusable.error().message(), HasSubstr("HttpTls::client_"));
    }
  });
}

TEST_F(Nginx, TakesAnotherCertificateFromTheSameFilesOnANewConnection) {
  runtime_.run([&] {
    std::filesystem::copy_file(file("client.pem"), file("rotated.pem"));
    std::filesystem::copy_file(file("client.key"), file("rotated.key"));
    HttpClientOptions mutual = options();
    mutual.tls.client_cert = file("rotated.pem");
    mutual.tls.client_key = file("rotated.key");
    const HttpClient client(mutual);
    const HttpRequest request{.url = "https://localhost:" + std::to_string(client_tls_->port) + "/",
                              .headers = {{"Connection", "close"}}};
    EXPECT_EQ(client.send(request).body, "SUCCESS CN=gateway-7");
    make_certificate("rotated", "gateway-8", "ca");
    EXPECT_EQ(client.send(request).body, "SUCCESS CN=gateway-8");
  });
}

TEST_F(Nginx, IsReachedThroughATunnel) {
  testing::FaultServer proxy([](testing::FaultConnection& peer) { peer.act_as_proxy(); });
  runtime_.run([&] {
    HttpClientOptions tunnel = options();
    tunnel.proxy.https = "http://" + proxy.authority();
    const HttpClient client(tunnel);
    EXPECT_EQ(client.send({.url = tls("/text.txt"), .headers = {{"Authorization", "Bearer s"}}}).body, text_);
    ASSERT_EQ(proxy.requests().size(), 1U);
    EXPECT_EQ(proxy.requests()[0].method, "CONNECT");
    EXPECT_EQ(proxy.requests()[0].target, "localhost:" + std::to_string(tls_->port));
    EXPECT_FALSE(proxy.requests()[0].has_header("Authorization")) << "the proxy must not see it";
  });
}

TEST_F(Nginx, SpeaksHttp2ThroughATunnel) {
  testing::FaultServer proxy([](testing::FaultConnection& peer) { peer.act_as_proxy(); });
  runtime_.run([&] {
    HttpClientOptions tunnel = options();
    tunnel.proxy.https = "http://" + proxy.authority();
    tunnel.http2 = true;
    const HttpClient client(tunnel);
    Scope scope;
    for (int i = 0; i < 10; ++i) {
      scope.spawn("get", [&] { EXPECT_THAT(client.send({.url = tls("/who")}).body, HasSubstr("HTTP/2.0")); });
    }
    scope.join();
    EXPECT_EQ(proxy.requests().size(), 1U) << "one tunnel for all of them";
  });
}

TEST_F(Nginx, ServesManyRequestsInFlatMemory) {
  runtime_.run([&] {
    const HttpClient client(options());
    constexpr std::size_t kFibers = 16;
    constexpr std::size_t kEach = 60;
    const auto burst = [&] {
      Scope scope;
      for (std::size_t fiber = 0; fiber < kFibers; ++fiber) {
        scope.spawn("burst", [&] {
          for (std::size_t i = 0; i < kEach; ++i) client.send({.url = plain("/who")});
          client.open({.url = plain("/big.bin")}).read();  // abandoned
        });
      }
      scope.join();
    };
    burst();
    burst();
    const std::size_t before = heap_use();
    constexpr std::size_t kBursts = 5;
    for (std::size_t i = 0; i < kBursts; ++i) burst();
    EXPECT_LT(heap_use(), before + kBursts * kFibers * (kEach + 1) * 64)
        << "a leak of 64 bytes per request would show";
    EXPECT_EQ(client.stats().transfers_running, 0U);
  });
}

}  // namespace
}  // namespace beluga
