/// The HTTP server against independent peers: curl as a client, with TLS, and nginx as a proxy in front.
/// Fails when a program is missing. Also a thousand event streams at once whose clients vanish.

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/net/http_server.hpp"
#include "beluga/net/internal/http_server_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"
#include "beluga/net/websocket.hpp"
#include "tests/support/memory.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::RawPeer;

struct Outcome {
  int status = -1;
  std::string output;
};

Outcome run(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  Outcome out;
  if (pipe == nullptr) return out;
  char buffer[65536];
  std::size_t n = 0;
  while ((n = ::fread(buffer, 1, sizeof(buffer), pipe)) > 0) out.output.append(buffer, n);
  const int status = ::pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

std::string folder() {
  static const std::string kFolder = [] {
    char name[] = "/tmp/beluga-http-peer-XXXXXX";
    return std::string(::mkdtemp(name));
  }();
  return kFolder;
}

void serve(HttpServerRequest& request, HttpServerResponse& response) {
  if (request.path() == "/stream") {
    for (int i = 0; i < 5; ++i) response.write("part " + std::to_string(i) + "\n");
  } else if (request.path() == "/events") {
    auto& events = response.sse();
    for (int i = 0; i < 3; ++i) events.send({.data = std::to_string(i), .event = "n"});
  } else {
    response.send(std::string(request.method()) + " " + std::string(request.target()) + " " +
                  std::to_string(request.body().size()) + "\n");
  }
}

TEST(HttpServerWithCurl, IsUnderstood) {
  HttpServer server({}, serve);
  const std::string url = server.url();
  const auto curl = [&](const std::string& arguments) {
    return run("curl -sS -q --noproxy '*' --max-time 20 " + arguments);
  };
  EXPECT_EQ(curl(url + "/a?b=c").output, "GET /a?b=c 0\n");
  EXPECT_EQ(curl("--http1.0 " + url + "/a").output, "GET /a 0\n");
  EXPECT_EQ(curl("-d 0123456789 " + url + "/p").output, "POST /p 10\n");
  EXPECT_EQ(curl("-H 'Transfer-Encoding: chunked' -d 0123456789 " + url + "/p").output, "POST /p 10\n");
  EXPECT_EQ(run("head -c 3000000 /dev/zero | curl -sS -q --noproxy '*' -H 'Expect: 100-continue' -T - " +
                url + "/big")
                .output,
            "PUT /big 3000000\n");
  EXPECT_EQ(curl(url + "/stream").output, "part 0\npart 1\npart 2\npart 3\npart 4\n");
  EXPECT_EQ(curl("-N " + url + "/events").output,
            "event: n\ndata: 0\n\nevent: n\ndata: 1\n\nevent: n\ndata: 2\n\n");
  EXPECT_THAT(curl("-I " + url + "/h").output, HasSubstr("Content-Length: 10"));
  // Three requests over one connection: curl says how many connections it made.
  EXPECT_EQ(curl("-o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' " + url + "/1 " + url + "/2 " +
                 url + "/3")
                .output,
            "1 0 0 ");
}

void make_certificate() {
  const Outcome made = run(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
      folder() + "/key.pem -out " + folder() + "/cert.pem");
  ASSERT_EQ(made.status, 0) << made.output;
}

TEST(HttpServerWithTls, IsUnderstoodByCurlAndRefusesOldVersions) {
  make_certificate();
  HttpServer server({.tls = TlsServerOptions{.certificate_file = folder() + "/cert.pem",
                                             .key_file = folder() + "/key.pem"}},
                    serve);
  const std::string base = "curl -sS -q --noproxy '*' --max-time 20 --cacert " + folder() + "/cert.pem ";
  EXPECT_EQ(run(base + server.url() + "/a").output, "GET /a 0\n");
  EXPECT_EQ(run(base + "--tls-max 1.2 " + server.url() + "/a").output, "GET /a 0\n");
  EXPECT_EQ(run(base + "-w '%{http_version}' -o /dev/null --http2 " + server.url() + "/a").output, "1.1");
  EXPECT_NE(run(base + "--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 " + server.url() + "/a").status, 0);
  EXPECT_EQ(run("head -c 3000000 /dev/zero | " + base + "-T - " + server.url() + "/big").output,
            "PUT /big 3000000\n");
  EXPECT_EQ(run(base + "-N " + server.url() + "/events").output,
            "event: n\ndata: 0\n\nevent: n\ndata: 1\n\nevent: n\ndata: 2\n\n");
  // Plain HTTP, garbage and a cut handshake on the TLS port end quietly.
  for (const char* bytes : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", ""}) {
    RawPeer peer(server.port());
    peer.send(bytes);
    peer.finish_sending();
    (void)peer.rest();
  }
  server.reload_tls();
  EXPECT_EQ(run(base + server.url() + "/a").output, "GET /a 0\n");
}

TEST(HttpServerWithTls, SaysWhichFileIsWrong) {
  try {
    HttpServer server(
        {.tls = TlsServerOptions{.certificate_file = "/nowhere/cert.pem", .key_file = "/nowhere/key.pem"}},
        serve);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.message(), HasSubstr("/nowhere/cert.pem"));
  }
}

TEST(WebSocketWithTls, VerifiesTheServer) {
  make_certificate();
  HttpServer server({.tls = TlsServerOptions{.certificate_file = folder() + "/cert.pem",
                                             .key_file = folder() + "/key.pem"}},
                    [](HttpServerRequest&, HttpServerResponse& response) {
                      WebSocket socket = response.upgrade();
                      while (auto message = socket.receive()) socket.send_binary(message->data);
                    });
  const std::string port = std::to_string(server.port());
  const std::string big(2'000'000, 'x');
  for (const char* host : {"127.0.0.1", "localhost"}) {
    WebSocket socket = WebSocket::connect("wss://" + std::string(host) + ":" + port + "/",
                                          {.tls = {.ca_file = folder() + "/cert.pem"}});
    socket.send_binary(big);
    EXPECT_TRUE(socket.receive()->data == big);
    socket.close();
    EXPECT_EQ(socket.closed()->code, 1000);
  }
  try {
    (void)WebSocket::connect("wss://127.0.0.1:" + port + "/");
    FAIL() << "a certificate of nobody must not be trusted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition) << error.what();
  }
  try {  // 127.0.0.2 reaches the server too if it listened there; here the name is what is wrong
    HttpServer other({.address = "127.0.0.2",
                      .tls = TlsServerOptions{.certificate_file = folder() + "/cert.pem",
                                              .key_file = folder() + "/key.pem"}},
                     serve);
    (void)WebSocket::connect("wss://127.0.0.2:" + std::to_string(other.port()) + "/",
                             {.tls = {.ca_file = folder() + "/cert.pem"}});
    FAIL() << "a certificate for another address must not be accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition) << error.what();
  }
}

TEST(HttpServerBehindNginx, KeepsConnectionsAndStreams) {
  HttpServer server({}, serve);
  // nginx cannot pick a free port by itself; hold one until just before.
  std::uint16_t port = 0;
  {
    HttpServer picker({}, serve);
    port = picker.port();
  }
  {
    std::ofstream configuration(folder() + "/nginx.conf");
    configuration
        << "daemon off; worker_processes 1; pid " << folder() << "/nginx.pid; error_log stderr error;\n"
        << "events { worker_connections 256; }\nhttp { access_log off; client_body_temp_path " << folder()
        << "/body; proxy_temp_path " << folder() << "/proxy; fastcgi_temp_path " << folder()
        << "/f; uwsgi_temp_path " << folder() << "/u; scgi_temp_path " << folder() << "/s;\n"
        << "upstream us { server 127.0.0.1:" << server.port() << "; keepalive 4; }\n"
        << "server { listen 127.0.0.1:" << port
        << "; location / { proxy_pass http://us; proxy_http_version 1.1; proxy_set_header Connection ''; "
           "proxy_request_buffering off; client_max_body_size 0; } } }\n";
  }
  const std::string nginx = "nginx -p " + folder() + " -c " + folder() + "/nginx.conf";
  ASSERT_EQ(::system((nginx + " &").c_str()), 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  const std::string base =
      "curl -sS -q --noproxy '*' --max-time 20 --retry 20 --retry-connrefused --retry-delay 1 ";
  EXPECT_EQ(run(base + url + "/a?b=c").output.find("GET /a?b=c 0\n") != std::string::npos, true);
  EXPECT_EQ(run(base + "-d 0123456789 " + url + "/p").output, "POST /p 10\n");
  EXPECT_EQ(run("head -c 3000000 /dev/zero | " + base + "-T - " + url + "/big").output, "PUT /big 3000000\n");
  EXPECT_EQ(run(base + url + "/stream").output, "part 0\npart 1\npart 2\npart 3\npart 4\n");
  EXPECT_EQ(run(base + "-N " + url + "/events").output,
            "event: n\ndata: 0\n\nevent: n\ndata: 1\n\nevent: n\ndata: 2\n\n");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run(base + url + "/n").output, "GET /n 0\n");
  EXPECT_LT(server.stats().accepted, 10U);  // 25 requests over kept connections
  EXPECT_EQ(server.stats().rejected, 0U);
  EXPECT_EQ(run(nginx + " -s quit").status, 0);
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TEST(HttpServerUnderLoad, ServesAThousandEventStreamsWhoseClientsVanishInFlatMemory) {
  std::atomic<int> open{0};
  std::atomic<int> gone{0};
  Runtime runtime({.workers = 2});
  const auto stream = [&](HttpServerRequest&, HttpServerResponse& response) {
    auto& events = response.sse();
    ++open;
    struct Ended {
      std::atomic<int>& count;
      ~Ended() { ++count; }
    } ended{gone};
    for (int i = 0;; ++i) {
      events.send({.data = "event " + std::to_string(i)});
      sleep_for(20ms);
    }
  };
  const auto server = runtime.run([&] {
    return std::make_unique<HttpServer>(HttpServerOptions{.limits = {.connections_per_address = 2'000}},
                                        stream);
  });
  constexpr int kClients = 1'000;
  constexpr int kWarmUp = 2;  // pools, tables and the caches of malloc take their size
  constexpr int kRounds = 4;
  std::size_t fibers_at_rest = 0;
  const std::size_t descriptors = open_descriptors();
  std::optional<std::size_t> heap;
  long resident = 0;
  for (int round = 0; round < kWarmUp + kRounds; ++round) {
    if (round == kWarmUp) {
      heap = testing_support::heap_in_use();
      resident = testing_support::resident_kib();
    }
    std::vector<RawPeer> clients;
    clients.reserve(kClients);
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back(server->port());
      clients.back().send("GET /e HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for (auto& client : clients) EXPECT_THAT(client.until("event 0\n\n"), HasSubstr("text/event-stream"));
    unsigned dice = 12345U + static_cast<unsigned>(round);
    for (auto& client : clients) {
      dice = dice * 1664525U + 1013904223U;
      if ((dice >> 16) % 2 == 0)
        client.reset();
      else if ((dice >> 16) % 3 == 0)
        client.finish_sending();
      else
        client.close();
    }
    clients.clear();
    while (server->stats().connections > 0) sleep_for(5ms);
    EXPECT_EQ(gone, open);
    // A fiber ends a moment after its connection was counted out.
    const auto fibers = [&] { return runtime.stats().fibers; };
    if (round == 0)
      fibers_at_rest = fibers();
    else
      for (int i = 0; i < 4'000 && fibers() > fibers_at_rest; ++i) sleep_for(5ms);
    EXPECT_LE(fibers(), fibers_at_rest);
    EXPECT_LE(open_descriptors(), descriptors + 2);
  }
  EXPECT_EQ(open, (kWarmUp + kRounds) * kClients);
  // Stacks are no heap; those of a round serve the next one again, of each worker.
  EXPECT_LE(runtime.stats().stacks_pooled, 2 * kClients + 100U);
  if (!heap) return;  // a sanitizer's own memory hides ours; its leak check does this work
  const auto grown = static_cast<std::ptrdiff_t>(*testing_support::heap_in_use() - *heap);
  const long resident_grown = testing_support::resident_kib() - resident;
  RecordProperty("heap_bytes_grown", std::to_string(grown));
  RecordProperty("resident_kib_grown", std::to_string(resident_grown));
  std::printf("grown over %d connections: heap %td bytes, resident %ld KiB\n", kRounds * kClients, grown,
              resident_grown);
  EXPECT_LT(grown, kRounds * kClients * 256) << "bytes that outlive their connections";
}

TEST(HttpServerUnderLoad, DrainsWhileRequestsComeIn) {
  std::atomic<int> answered{0};
  HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse& response) {
    sleep_for(2ms);
    response.send("ok");
  });
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        try {
          RawPeer peer(server.port());
          for (;;) {
            peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            const auto [head, body] = peer.response();
            if (head.empty()) break;  // closed between requests
            EXPECT_EQ(body, "ok");    // never half an answer
            ++answered;
          }
        } catch (const std::exception&) {
          return;  // refused: the server does not accept any more
        }
      }
    });
  }
  while (answered < 500) sleep_for(1ms);
  const HttpDrainReport report = server.drain(20s);
  stop = true;
  for (auto& client : clients) client.join();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(server.stats().connections, 0U);
}

}  // namespace
}  // namespace beluga
