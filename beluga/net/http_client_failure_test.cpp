#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "beluga/fiber/runtime.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::FaultConnection;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using ::testing::Not;
using testing::sse_response;
using testing_support::error_of;
using testing_support::plain;

TEST(HttpClient, NoticesAnAnswerCutAtAnyByte) {
  const std::string with_length = http_response("200 OK", "Content-Type: text/plain\r\n", "hello");
  const std::string chunked = sse_response({"data: 1\n\n", "data: 2\n\n"});
  Runtime runtime({.workers = 1});
  for (const std::string* each : {&with_length, &chunked}) {
    const std::string& response = *each;
    for (const auto end : {FaultServer::End::close, FaultServer::End::reset}) {
      // The LF after the last chunk's CRLF CR carries nothing: libcurl ends the body without it.
      const std::size_t needed = each == &with_length ? response.size() : response.size() - 1;
      for (std::size_t bytes = 0; bytes < needed; ++bytes) {
        FaultServer server(FaultServer::cut(response, bytes, end));
        runtime.run([&] {
          const HttpClient client(plain());
          const Error sent = error_of([&] { client.send({.url = server.url()}); });
          const Error read = error_of([&] { client.open({.url = server.url()}).read_all(); });
          const bool in_body = bytes >= response.find("\r\n\r\n") + 4;
          for (const Error& error : {sent, read}) {
            if (in_body) {
              EXPECT_EQ(error.code(), ErrorCode::data_loss) << error.what() << " at " << bytes;
            } else {
              EXPECT_THAT(error.code(), AnyOf(ErrorCode::data_loss, ErrorCode::unavailable)) << error.what();
            }
            if (bytes == 0) {
              EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
            }
            EXPECT_THAT(error.message(), HasSubstr("GET http://127.0.0.1:"));
          }
        });
      }
      FaultServer whole(FaultServer::cut(response, response.size(), end));
      runtime.run([&] { EXPECT_EQ(HttpClient(plain()).send({.url = whole.url()}).status, 200); });
    }
  }
}

TEST(HttpClient, RefusesWhatIsNotHttp) {
  for (const std::string& garbage :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("HTTP/1.1 abc\r\n\r\n"),
        std::string("\0\1\2\3\4\5\6\7 binary", 15), std::string("HTTP/1.1\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nBad Header\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA b: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 28),
        std::string("HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n")}) {
    FaultServer server(FaultServer::cut(garbage, garbage.size()));
    const Error error = error_of([&] { HttpClient(plain()).send({.url = server.url()}); });
    EXPECT_EQ(error.code(), ErrorCode::data_loss) << garbage << " gives " << error.what();
    EXPECT_FALSE(error.retryable());
  }
}

TEST(HttpClient, LimitsHeadersAndBodies) {
  FaultServer huge_header([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nX: ");
    for (;;) peer.send(std::string(10'000, 'x'));
  });
  FaultServer many_headers([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n");
    for (;;) peer.send("X-Name: value\r\n");
  });
  FaultServer huge_body([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    for (;;) peer.send(std::string(10'000, 'x'));
  });
  const HttpClient client({.limits = {.header_bytes = 4096, .body_bytes = 100'000}, .proxy = {}});
  for (const FaultServer* server : {&huge_header, &many_headers, &huge_body}) {
    const Error error = error_of([&] { client.send({.url = server->url()}); });
    EXPECT_EQ(error.code(), ErrorCode::resource_exhausted) << error.what();
  }
  EXPECT_EQ(error_of([&] { client.open({.url = huge_body.url()}).read_all(); }).code(),
            ErrorCode::resource_exhausted);
  EXPECT_EQ(error_of([&] {
              HttpExchange exchange =
                  client.open({.url = huge_body.url()}, {.limits = HttpLimits{.stream_bytes = 50'000}});
              while (!exchange.read().empty()) {
              }
            }).code(),
            ErrorCode::resource_exhausted);
}

TEST(HttpClient, SaysThatNobodyListens) {
  const std::string url =
      "http://127.0.0.1:" + std::to_string(testing::refused_port()) + "/secret?key=hunter2";
  const Error error =
      error_of([&] { HttpClient(plain()).send({.url = "http://user:hunter2@" + url.substr(7)}); });
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_TRUE(error.retryable());
  EXPECT_THAT(error.message(),
              AllOf(HasSubstr("127.0.0.1"), HasSubstr("connect"), Not(HasSubstr("hunter2"))));
}

volatile std::sig_atomic_t sigpipes = 0;

TEST(HttpClient, NoSigpipeEscapes) {
  struct sigaction count{};
  count.sa_handler = [](int) { sigpipes = sigpipes + 1; };
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGPIPE, &count, &before), 0);
  FaultServer server([](FaultConnection& peer) {
    peer.read_some();
    peer.reset();
  });
  const HttpClient client(plain());
  for (const char* scheme : {"http://", "https://"}) {
    for (int i = 0; i < 20; ++i) {
      error_of([&] {
        client.send({.method = "POST",
                     .url = scheme + server.authority() + "/",
                     .body = std::string(4U << 20U, 'x')});
      });
    }
  }
  ::sigaction(SIGPIPE, &before, nullptr);
  EXPECT_EQ(sigpipes, 0);
}

}  // namespace
}  // namespace beluga
