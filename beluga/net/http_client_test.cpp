#include "beluga/net/http_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using ::testing::ElementsAre;
using testing::FaultConnection;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using testing_support::error_of;
using testing_support::plain;

TEST(HttpClient, SendsARequestAndCollectsTheAnswer) {
  FaultServer server(FaultServer::always(http_response("201 Created", "X-One: 1\r\nX-One: 2\r\n", "hello")));
  const HttpClient client(plain());
  const HttpResponse answer = client.send({.method = "POST",
                                           .url = server.url("/a?b=c#not-sent"),
                                           .headers = {{"Content-Type", "text/plain"}, {"X-Empty", ""}},
                                           .body = "body"});
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_THAT(answer.headers.get_all("x-one"), ElementsAre("1", "2"));
  EXPECT_EQ(answer.url, server.url("/a?b=c"));
  const auto request = server.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a?b=c");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.header("Host"), server.authority());
  EXPECT_EQ(request.header("Content-Type"), "text/plain");
  EXPECT_TRUE(request.has_header("X-Empty"));
  EXPECT_FALSE(request.has_header("Expect"));
  EXPECT_EQ(request.header("User-Agent"), "beluga/0.1");
  EXPECT_EQ(request.header("Accept-Encoding"), "gzip, deflate, br");
}

TEST(HttpClient, AddsNoContentTypeOfItsOwn) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "")));
  const HttpClient client(plain());
  client.send({.method = "POST", .url = server.url(), .body = "x"});
  client.send({.method = "POST", .url = server.url()});
  client.send({.method = "DELETE", .url = server.url()});
  const auto requests = server.requests();
  EXPECT_FALSE(requests[0].has_header("Content-Type"));
  EXPECT_FALSE(requests[1].has_header("Content-Type"));
  EXPECT_EQ(requests[1].header("Content-Length"), "0");
  EXPECT_FALSE(requests[2].has_header("Content-Length"));
}

TEST(HttpClient, SendsEachMethodAsItIsNamed) {
  FaultServer server([](FaultConnection& peer) {
    for (;;) {
      const bool head = peer.read_request().method == "HEAD";
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
      if (!head) peer.send("ok");
    }
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});  // a connection belongs to a worker
  runtime.run([&] {
    for (const char* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"}) {
      for (const char* body : {"", "some"}) {
        if (std::string_view(method) == "HEAD" && *body != '\0') continue;
        const auto answer = client.send({.method = method, .url = server.url(), .body = body});
        EXPECT_EQ(answer.body, std::string_view(method) == "HEAD" ? "" : "ok") << method;
        EXPECT_EQ(server.requests().back().method, method);
        EXPECT_EQ(server.requests().back().body, body) << method;
      }
    }
  });
  EXPECT_EQ(server.connections(), 1U) << "all over one kept connection";
}

TEST(HttpClient, WorksFromAFiberAsFromAThread) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "hello")));
  const HttpClient client(plain());
  Runtime runtime({.workers = 2});
  EXPECT_EQ(runtime.run([&] { return client.send({.url = server.url()}).body; }), "hello");
  EXPECT_EQ(runtime.run([&] { return client.open({.url = server.url()}).read_all(); }), "hello");
  HttpExchange handed_over = runtime.run([&] { return client.open({.url = server.url()}); });
  EXPECT_EQ(handed_over.read_all(), "hello");
}

TEST(HttpClient, SkipsInterimAnswersAndAcceptsFoldedHeaders) {
  FaultServer server(
      FaultServer::cut("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                       "HTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\nContent-Length: 1\r\n\r\nz",
                       1000));
  const auto answer = HttpClient(plain()).send({.url = server.url()});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "z");
  EXPECT_EQ(answer.headers.get("X-Long"), "a b");
  EXPECT_FALSE(answer.headers.contains("Link"));
}

TEST(HttpClient, GivesTheStatusAndBodyOfAFailureToTheCaller) {
  FaultServer server(
      FaultServer::always(http_response("429 Too Many Requests", "Retry-After: 7\r\n", "slow down")));
  HttpExchange exchange = HttpClient(plain()).open({.url = server.url()});
  EXPECT_EQ(exchange.status(), 429);
  EXPECT_EQ(exchange.headers().get("Retry-After"), "7");
  EXPECT_EQ(exchange.read_all(100), "slow down");
}

TEST(HttpClient, RefusesBadRequestsBeforeAnythingIsSent) {
  const HttpClient client(plain());
  const std::pair<HttpRequest, const char*> bad[] = {
      {{.method = "G ET", .url = "http://127.0.0.1:1/"}, "method"},
      {{.method = "", .url = "http://127.0.0.1:1/"}, "method"},
      {{.method = "CONNECT", .url = "http://127.0.0.1:1/"}, "CONNECT"},
      {{.url = "http://127.0.0.1:1/\r\nX: y"}, "control"},
      {{.url = "ftp://127.0.0.1/"}, "ftp"},
      {{.url = "ws://127.0.0.1/"}, "ws"},
      {{.url = "/relative"}, "http"},
      {{.url = "http://127.0.0.1:1/", .headers = {{"Content-Length", "5"}}}, "Content-Length"},
      {{.url = "http://127.0.0.1:1/", .headers = {{"transfer-encoding", "chunked"}}}, "transfer-encoding"},
  };
  for (const auto& [request, word] : bad) {
    const Error error = error_of([&] { client.send(request); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << request.url;
    EXPECT_THAT(error.message(), HasSubstr(word));
  }
  EXPECT_EQ(client.stats().connections_opened, 0U);
}

TEST(HttpClient, SendsUserinfoAsBasicAuthorization) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  const auto answer = HttpClient(plain()).send({.url = "http://user:p%40ss@" + server.authority() + "/"});
  EXPECT_EQ(server.requests()[0].header("Authorization"), "Basic dXNlcjpwQHNz");
  EXPECT_EQ(answer.url, server.url());
}

// ---- the pool ----

TEST(HttpClient, KeepsConnectionsAndSharesThemBetweenCopies) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    for (int i = 0; i < 10; ++i) {
      const HttpClient copy = client;
      copy.send({.url = server.url()});
      EXPECT_EQ(client.open({.url = server.url()}).read_all(), "x");
    }
  });
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_EQ(client.stats().requests, 20U);
  EXPECT_EQ(client.stats().connections_open, 1U);
}

TEST(HttpClient, ClosesItsConnectionsWhenTheLastCopyGoes) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  {
    const HttpClient client(plain());
    client.send({.url = server.url()});
    EXPECT_EQ(server.open(), 1U);
  }
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(HttpClient, ClosesItsConnectionsWithTheRuntime) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  const HttpClient client(plain());
  {
    Runtime runtime({.workers = 2});
    runtime.run([&] { client.send({.url = server.url()}); });
    EXPECT_EQ(server.open(), 1U);
  }
  EXPECT_TRUE(server.wait_until_open_at_most(0));
  Runtime again({.workers = 1});
  EXPECT_EQ(again.run([&] { return client.send({.url = server.url()}).body; }), "x");
}

TEST(HttpClient, RepeatsAnIdempotentRequestOnceWhenAKeptConnectionWasDead) {
  // Each connection answers one request and closes on the second without a byte.
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send(http_response("200 OK", "", "x"));
    peer.read_request();
    peer.close();
  });
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    const HttpClient client(plain());
    client.send({.url = server.url()});
    EXPECT_EQ(client.send({.url = server.url("/again")}).body, "x");
    EXPECT_EQ(server.requests().size(), 3U) << "one, the one that died, its repetition";
    EXPECT_EQ(client
                  .send({.method = "POST",
                         .url = server.url("/key"),
                         .headers = {{"Idempotency-Key", "1"}},
                         .body = "b"})
                  .body,
              "x");
    EXPECT_EQ(server.requests().back().body, "b");
  });
}

TEST(HttpClient, DoesNotRepeatAPostThatMayHaveBeenProcessed) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send(http_response("200 OK", "", "x"));
    peer.read_request();
    peer.close();
  });
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    const HttpClient client(plain());
    client.send({.url = server.url()});
    const Error error =
        error_of([&] { client.send({.method = "POST", .url = server.url("/pay"), .body = "b"}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.message(), HasSubstr("Idempotency-Key"));
    EXPECT_EQ(server.requests().size(), 2U);
  });
}

}  // namespace
}  // namespace beluga
