#include "beluga/net/http_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/sse.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using testing::FaultConnection;
using testing::FaultServer;
using testing::Gate;
using ::testing::HasSubstr;
using testing::http_chunk;
using testing::http_response;
using ::testing::Not;
using testing::sse_response;

/// Options that the environment of the test run does not change.
HttpClientOptions plain() {
  return {.proxy = {}};
}

template <class F>
Error error_of(F f) {
  const auto result = attempt([&] {
    f();
    return 0;
  });
  if (result.ok()) {
    ADD_FAILURE() << "no error was thrown";
    return {ErrorCode::unknown, "none"};
  }
  return result.error();
}

auto since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::steady_clock::now() - begun;
}

// ---- requests and answers ----

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

TEST(HttpClient, StreamsABodyAsItArrives) {
  Gate more;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer.send(http_chunk("data: one\n\n"));
    peer.wait_for(more);
    peer.send(http_chunk("data: two\n\n") + "0\r\n\r\n");
    peer.stall();
  });
  const HttpClient client(plain());
  HttpExchange exchange = client.open({.url = server.url()});
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.headers().get("content-type"), "text/event-stream");
  SseParser events;
  EXPECT_EQ(events.next_from(exchange)->data, "one");
  more.open();
  EXPECT_EQ(events.next_from(exchange)->data, "two");
  EXPECT_EQ(events.next_from(exchange), nullptr);
  EXPECT_EQ(exchange.read(), "") << "the end stays the end";
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

// ---- peers that fail, byte by byte ----

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

TEST(HttpClient, HandsOutWhatCameBeforeTheCutAndThenTheError) {
  const std::string response = sse_response({"data: 1\n\n", "data: 2\n\n"});
  FaultServer server(FaultServer::cut(response, response.size() - 5));  // without the last chunk
  HttpExchange exchange = HttpClient(plain()).open({.url = server.url()});
  SseParser events;
  EXPECT_EQ(events.next_from(exchange)->data, "1");
  EXPECT_EQ(events.next_from(exchange)->data, "2");
  EXPECT_EQ(error_of([&] { events.next_from(exchange); }).code(), ErrorCode::data_loss);
  EXPECT_EQ(error_of([&] { exchange.read(); }).code(), ErrorCode::data_loss) << "and again";
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

TEST(HttpClient, TakesAnAnswerInSingleBytes) {
  const std::string response = sse_response({"data: \xF0\x9F", "\x90\xB3\n", "\n"});
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send_apart(response);
  });
  HttpExchange exchange = HttpClient(plain()).open({.url = server.url()});
  SseParser events;
  EXPECT_EQ(events.next_from(exchange)->data, "\xF0\x9F\x90\xB3");
  EXPECT_EQ(events.next_from(exchange), nullptr);
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

TEST(HttpClient, SendsUserinfoAsBasicAuthorization) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  const auto answer = HttpClient(plain()).send({.url = "http://user:p%40ss@" + server.authority() + "/"});
  EXPECT_EQ(server.requests()[0].header("Authorization"), "Basic dXNlcjpwQHNz");
  EXPECT_EQ(answer.url, server.url());
}

// ---- time ----

struct Phase {
  const char* name;
  FaultServer::Handler handler;
  HttpTimeouts timeouts;
  const char* message;
};

TEST(HttpClient, EachPhaseHasATimeLimitThatNamesIt) {
  const auto stall = [](FaultConnection& peer) { peer.stall(); };
  const auto after_headers = [](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nsome");
    peer.stall();
  };
  const auto drip = [](FaultConnection& peer) {
    peer.read_request();
    peer.send_apart("HTTP/1.1 200 OK\r\n\r\n" + std::string(1000, 'x'), 5ms);
  };
  const Phase phases[] = {
      {"first byte", stall, {.first_byte = 60ms}, "HttpTimeouts::first_byte"},
      {"slow headers", drip, {.first_byte = 60ms}, "HttpTimeouts::first_byte"},
      {"idle", after_headers, {.idle = 60ms}, "HttpTimeouts::idle"},
      {"total", after_headers, {.total = 60ms}, "HttpTimeouts::total"},
      {"total while dripping", drip, {.total = 150ms}, "HttpTimeouts::total"},
  };
  for (const Phase& phase : phases) {
    FaultServer server(phase.handler);
    for (const bool whole : {true, false}) {
      const HttpClient client(plain());
      const auto begun = std::chrono::steady_clock::now();
      const Error error = error_of([&] {
        if (whole)
          client.send({.url = server.url()}, {.timeouts = phase.timeouts});
        else
          client.open({.url = server.url()}, {.timeouts = phase.timeouts}).read_all();
      });
      EXPECT_GE(since(begun), 60ms) << phase.name;
      EXPECT_LT(since(begun), 1000ms) << phase.name;
      EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded) << phase.name << error.what();
      EXPECT_THAT(error.message(), HasSubstr(phase.message)) << phase.name;
    }
    EXPECT_TRUE(server.wait_until_open_at_most(0)) << "a request that is given up leaves no socket";
  }
}

TEST(HttpClient, LimitsTheTimeToConnectAndToShakeHands) {
  const testing::UnresponsivePort nobody;
  const HttpCallOptions options{.timeouts = HttpTimeouts{.connect = 60ms}};
  const Error connect = error_of([&] {
    HttpClient(plain()).send({.url = "http://127.0.0.1:" + std::to_string(nobody.port()) + "/"}, options);
  });
  EXPECT_EQ(connect.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(connect.message(),
              AllOf(HasSubstr("connecting"), HasSubstr("HttpTimeouts::connect"), HasSubstr("60 ms")));
  FaultServer silent([](FaultConnection& peer) { peer.stall(); });
  const Error tls =
      error_of([&] { HttpClient(plain()).send({.url = "https://" + silent.authority() + "/"}, options); });
  EXPECT_EQ(tls.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(tls.message(), AllOf(HasSubstr("TLS handshake"), HasSubstr("HttpTimeouts::connect")));
}

TEST(HttpClient, AStalledNameLookupHoldsUpNeitherItsCallerNorTheLoop) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  Signal never;
  std::atomic<bool> entered = false;
  Gate release;
  HttpClientOptions options = plain();
  options.resolve = [&](const std::string& host) -> std::vector<IpAddress> {
    if (host != "stalled.test") return {*IpAddress::parse("127.0.0.1")};
    entered = true;
    entered.notify_all();
    std::this_thread::sleep_for(400ms);  // as getaddrinfo does: deaf to everything
    return {};
  };
  const HttpClient client(options);
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    const auto begun = std::chrono::steady_clock::now();
    const Error error = error_of(
        [&] { client.send({.url = "http://stalled.test/"}, {.timeouts = HttpTimeouts{.connect = 50ms}}); });
    EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
    EXPECT_THAT(error.message(), AllOf(HasSubstr("resolving"), HasSubstr("HttpTimeouts::connect")));
    EXPECT_LT(since(begun), 200ms);
    EXPECT_EQ(client.send({.url = "http://other.test:" + std::to_string(server.port()) + "/"}).body, "x");
    EXPECT_LT(since(begun), 300ms) << "the loop went on";
  });
}

TEST(HttpClient, ObeysTheDeadlineOfTheContext) {
  FaultServer server([](FaultConnection& peer) { peer.stall(); });
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([&] {
    const ContextScope scope(Context::current().with_timeout(50ms));
    HttpClient(plain()).send({.url = server.url()});
  });
  EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(error.message(), HasSubstr("waiting for the response"));
  EXPECT_GE(since(begun), 50ms);
  EXPECT_LT(since(begun), 500ms);
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

// ---- cancelling ----

TEST(HttpClient, ACancelledContextEndsASilentStreamWithinMilliseconds) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.stall();
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  const CancelSource source;
  std::chrono::steady_clock::time_point cancelled;
  Gate reading;
  std::thread canceller;
  runtime.run([&] {
    const ContextScope scope(Context::current().with_cancel(source.token()));
    HttpExchange exchange = client.open({.url = server.url()});
    EXPECT_EQ(exchange.read(), "first");
    Scope helpers;
    helpers.spawn("cancel", [&] {
      cancelled = std::chrono::steady_clock::now();
      source.cancel(Error(ErrorCode::cancelled, "the user pressed stop"));
    });
    const Error error = error_of([&] { exchange.read(); });
    EXPECT_LT(since(cancelled), 10ms * 20) << "slack for a loaded machine; the bench measures";
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
    EXPECT_THAT(error.message(), HasSubstr("the user pressed stop"));
  });
  EXPECT_TRUE(server.wait_until_open_at_most(0));
  EXPECT_LT(server.last_end() - cancelled, 200ms) << "the peer saw the end, too";
}

TEST(HttpClient, AnExchangeCanBeCancelledFromElsewhere) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.stall();
  });
  HttpExchange exchange = HttpClient(plain()).open({.url = server.url()});
  EXPECT_EQ(exchange.read(), "first");
  std::thread other([&] { exchange.cancel(); });
  EXPECT_EQ(error_of([&] { exchange.read(); }).code(), ErrorCode::cancelled);
  other.join();
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(HttpClient, DestroyingAnExchangeAbortsItOnTheWire) {
  Gate never;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    for (;;) peer.send(std::string(1000, 'x'));
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    HttpExchange exchange = client.open({.url = server.url()});
    exchange.read();
  });
  EXPECT_TRUE(server.wait_until_open_at_most(0)) << "from a fiber";
  {
    const HttpExchange exchange = client.open({.url = server.url()});
  }
  EXPECT_TRUE(server.wait_until_open_at_most(0)) << "from a thread";
  EXPECT_EQ(client.stats().transfers_running, 0U);
  EXPECT_EQ(client.stats().connections_open, 0U);
}

TEST(HttpClient, DrainsAShortRestSoThatTheConnectionServesAgain) {
  FaultServer server([](FaultConnection& peer) {
    for (;;) {
      peer.read_request();
      peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + http_chunk("data: [DONE]\n\n"));
      peer.send("0\r\n\r\n");
    }
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    for (int i = 0; i < 5; ++i) {
      HttpExchange exchange = client.open({.url = server.url()});
      SseParser events;
      EXPECT_EQ(events.next_from(exchange)->data, "[DONE]");
      EXPECT_TRUE(exchange.drain());
    }
  });
  EXPECT_EQ(server.connections(), 1U);
  FaultServer endless([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nx");
    peer.stall();
  });
  EXPECT_FALSE(client.open({.url = endless.url()}).drain(20ms));
  EXPECT_TRUE(endless.wait_until_open_at_most(0));
}

// ---- backpressure ----

TEST(HttpClient, AReaderThatDoesNotReadStopsThePeer) {
  std::atomic<std::size_t> sent = 0;
  constexpr std::size_t kTotal = 64U << 20U;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kTotal) + "\r\n\r\n");
    const std::string piece(1U << 16U, 'x');
    while (sent < kTotal) {
      peer.send(piece);
      sent += piece.size();
    }
    peer.stall();
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    HttpExchange exchange = client.open({.url = server.url()});
    std::size_t received = exchange.read().size();
    // The peer can fill the sockets' buffers (a few MiB) and no more. It stands still when two looks see the
    // same.
    for (std::size_t last = 0; last != sent;) {
      last = sent;
      sleep_for(50ms);
    }
    EXPECT_LT(sent, kTotal / 2);
    for (std::string_view piece = exchange.read(); !piece.empty(); piece = exchange.read()) {
      EXPECT_LE(piece.size(), client.options().limits.buffer_bytes);
      received += piece.size();
    }
    EXPECT_EQ(received, kTotal);
  });
}

// ---- redirects and filters ----

TEST(HttpClient, HandsOutRedirectsUnlessAskedToFollow) {
  FaultServer server(FaultServer::always(http_response("302 Found", "Location: /there\r\n", "")));
  EXPECT_EQ(HttpClient(plain()).send({.url = server.url()}).status, 302);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, FollowsRedirectsUpToALimit) {
  FaultServer server([](FaultConnection& peer) {
    for (;;) {
      const std::string target = peer.read_request().target;
      if (target == "/3")
        peer.send(http_response("200 OK", "", "end"));
      else if (target == "/loop")
        peer.send(http_response("302 Found", "Location: /loop\r\n", "again"));
      else
        peer.send(http_response("301 Moved Permanently",
                                "Location: ./" + std::to_string(target[1] - '0' + 1) + "\r\n", "gone"));
    }
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    const auto answer = client.send({.url = server.url("/1")}, {.max_redirects = 2});
    EXPECT_EQ(answer.body, "end");
    EXPECT_EQ(answer.url, server.url("/3"));
    EXPECT_EQ(client.open({.url = server.url("/1")}, {.max_redirects = 2}).read_all(), "end");
    EXPECT_EQ(error_of([&] { client.send({.url = server.url("/loop")}, {.max_redirects = 3}); }).code(),
              ErrorCode::resource_exhausted);
  });
  EXPECT_EQ(server.requests().size(), 3U + 3U + 4U);
}

TEST(HttpClient, ChangesTheMethodAsTheStandardSays) {
  struct Case {
    const char* status;
    const char* method;
    const char* then;
    const char* body;
  };
  for (const Case& c :
       {Case{"301 Moved Permanently", "POST", "GET", ""}, Case{"302 Found", "POST", "GET", ""},
        Case{"303 See Other", "PUT", "GET", ""}, Case{"307 Temporary Redirect", "POST", "POST", "b"},
        Case{"308 Permanent Redirect", "PUT", "PUT", "b"}, Case{"302 Found", "PUT", "PUT", "b"}}) {
    FaultServer server([&](FaultConnection& peer) {
      for (;;) {
        if (peer.read_request().target == "/a")
          peer.send(http_response(c.status, "Location: /b\r\n", ""));
        else
          peer.send(http_response("200 OK", "", "x"));
      }
    });
    HttpClient(plain()).send({.method = c.method,
                              .url = server.url("/a"),
                              .headers = {{"Content-Type", "text/plain"}},
                              .body = "b"},
                             {.max_redirects = 5});
    ASSERT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[1].method, c.then) << c.status;
    EXPECT_EQ(server.requests()[1].body, c.body) << c.status;
    EXPECT_EQ(server.requests()[1].has_header("Content-Type"), *c.body != '\0');
  }
}

TEST(HttpClient, DropsCredentialsWhenARedirectLeavesTheOrigin) {
  FaultServer other(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer server([&](FaultConnection& peer) {
    for (;;) {
      const std::string target = peer.read_request().target;
      if (target == "/away")
        peer.send(http_response("307 Temporary Redirect", "Location: " + other.url("/x") + "\r\n", ""));
      else if (target == "/near")
        peer.send(http_response("307 Temporary Redirect", "Location: /here\r\n", ""));
      else
        peer.send(http_response("200 OK", "", "x"));
    }
  });
  const HttpClient client(plain());
  const HttpHeaders headers{
      {"Authorization", "Bearer s"}, {"X-Api-Key", "s"}, {"Cookie", "s"}, {"Accept", "text/plain"}};
  client.send({.url = server.url("/near"), .headers = headers}, {.max_redirects = 1});
  EXPECT_EQ(server.requests().back().header("Authorization"), "Bearer s") << "the same origin keeps them";
  client.send({.url = server.url("/away"), .headers = headers}, {.max_redirects = 1});
  const auto request = other.requests().at(0);
  for (const char* name : {"Authorization", "X-Api-Key", "Cookie"})
    EXPECT_FALSE(request.has_header(name)) << name;
  EXPECT_EQ(request.header("Accept"), "text/plain");
  client.send({.url = "http://u:p@" + server.authority() + "/away"}, {.max_redirects = 1});
  EXPECT_FALSE(other.requests().at(1).has_header("Authorization"));
}

TEST(HttpClient, ChecksTheUrlOfEachHop) {
  FaultServer other(FaultServer::always(http_response("200 OK", "", "internal")));
  FaultServer server(
      FaultServer::always(http_response("302 Found", "Location: " + other.url("/admin") + "\r\n", "")));
  HttpClientOptions options = plain();
  std::vector<std::string> seen;
  options.url_filter = [&](const Url& url) {
    seen.push_back(url.str());
    if (url.port() == other.port()) raise(Error(ErrorCode::permission_denied, "host not allowed"));
  };
  options.max_redirects = 5;
  const Error error = error_of([&] { HttpClient(options).send({.url = server.url("/")}); });
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_THAT(seen, ElementsAre(server.url("/"), other.url("/admin")));
  EXPECT_EQ(other.connections(), 0U);
}

TEST(HttpClient, RefusesRedirectsToOtherSchemes) {
  for (const char* target : {"file:///etc/passwd", "ftp://h/x", "gopher://h/", "ws://h/"}) {
    FaultServer server(
        FaultServer::always(http_response("302 Found", "Location: " + std::string(target) + "\r\n", "")));
    const Error error =
        error_of([&] { HttpClient(plain()).send({.url = server.url()}, {.max_redirects = 1}); });
    EXPECT_THAT(error.code(), AnyOf(ErrorCode::permission_denied, ErrorCode::invalid_argument)) << target;
  }
}

TEST(HttpClient, AnAddressFilterSeesLiteralsNamesAndRedirects) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "internal")));
  FaultServer redirect(
      FaultServer::always(http_response("302 Found", "Location: " + server.url() + "\r\n", "")));
  HttpClientOptions options = plain();
  options.address_filter = [](const IpAddress& address) { return address.is_global(); };
  options.resolve = [](const std::string&) -> std::vector<IpAddress> {
    return {*IpAddress::parse("127.0.0.1")};
  };
  const HttpClient client(options);
  const std::string port = ":" + std::to_string(server.port()) + "/";
  for (const std::string& host :
       {std::string("127.0.0.1"), std::string("localhost"), std::string("innocent.example"),
        std::string("2130706433"), std::string("0x7f.1"), std::string("127.1"), std::string("[::1]"),
        std::string("[::ffff:127.0.0.1]"), std::string("0.0.0.0")}) {
    const Error error = error_of([&] { client.send({.url = "http://" + host + port}); });
    EXPECT_EQ(error.code(), ErrorCode::permission_denied) << host << error.what();
  }
  // Only the first hop's port is allowed: the redirect leads to a refused address.
  std::atomic<int> calls = 0;
  options.address_filter = [&](const IpAddress&) { return ++calls <= 2; };
  options.max_redirects = 3;
  const Error error = error_of([&] { HttpClient(options).send({.url = redirect.url()}); });
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_EQ(server.connections(), 0U);
}

TEST(HttpClient, AnAddressThatChangesBetweenCheckAndConnectIsRefused) {
  // DNS rebinding: what counts is the socket, not the answer that was looked at.
  FaultServer server(FaultServer::always(http_response("200 OK", "", "internal")));
  HttpClientOptions options = plain();
  std::atomic<int> calls = 0;
  options.address_filter = [&](const IpAddress& address) { return ++calls == 1 || address.is_global(); };
  options.resolve = [](const std::string&) -> std::vector<IpAddress> {
    return {*IpAddress::parse("127.0.0.1")};
  };
  const Error error = error_of([&] {
    HttpClient(options).send({.url = "http://rebind.test:" + std::to_string(server.port()) + "/"});
  });
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_EQ(server.connections(), 0U);
}

TEST(HttpClient, SkipsRefusedAddressesOfAName) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  HttpClientOptions options = plain();
  options.address_filter = [](const IpAddress& address) { return address.to_string() == "127.0.0.1"; };
  options.resolve = [](const std::string&) -> std::vector<IpAddress> {
    return {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("127.0.0.1")};
  };
  EXPECT_EQ(HttpClient(options).send({.url = "http://both.test:" + std::to_string(server.port()) + "/"}).body,
            "x");
}

TEST(HttpClient, TriesTheNextAddressWhenOneDoesNotAnswer) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  HttpClientOptions options = plain();
  options.resolve = [](const std::string&) -> std::vector<IpAddress> {
    return {*IpAddress::parse("127.9.9.9"), *IpAddress::parse("127.0.0.1")};
  };
  EXPECT_EQ(HttpClient(options).send({.url = "http://two.test:" + std::to_string(server.port()) + "/"}).body,
            "x");
}

TEST(HttpClient, ReportsANameWithoutAddress) {
  HttpClientOptions options = plain();
  options.resolve = [](const std::string&) { return std::vector<IpAddress>(); };
  const Error error = error_of([&] { HttpClient(options).send({.url = "http://nowhere.test/"}); });
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_FALSE(error.retryable());
  EXPECT_THAT(error.message(), HasSubstr("nowhere.test"));
}

TEST(HttpClient, AsksForANameOnceAndKeepsTheAnswer) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  std::atomic<int> lookups = 0;
  HttpClientOptions options = plain();
  options.resolve = [&](const std::string&) -> std::vector<IpAddress> {
    ++lookups;
    return {*IpAddress::parse("127.0.0.1")};
  };
  const HttpClient client(options);
  const std::string url = "http://name.test:" + std::to_string(server.port()) + "/";
  Runtime runtime({.workers = 2});
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < 50; ++i) scope.spawn("get", [&] { client.send({.url = url}); });
    scope.join();
    client.send({.url = url});
  });
  EXPECT_EQ(lookups, 1);
}

// ---- proxies ----

TEST(HttpClient, GoesThroughAProxyUnlessTheHostIsExempt) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer proxy([](FaultConnection& peer) { peer.act_as_proxy(); });
  const std::string url = "http://name.invalid:" + std::to_string(server.port()) + "/p";
  HttpClientOptions options{.proxy = {.http = "http://me:secret@" + proxy.authority()}};
  EXPECT_EQ(HttpClient(options).send({.url = url, .headers = {{"Authorization", "Bearer s"}}}).body, "x");
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].target, url);
  EXPECT_TRUE(proxy.requests()[0].has_header("Proxy-Authorization"));
  EXPECT_EQ(server.requests()[0].target, "/p");
  options.proxy.no_proxy = "127.0.0.1";
  EXPECT_EQ(HttpClient(options).send({.url = server.url()}).body, "x");
  EXPECT_EQ(proxy.requests().size(), 1U);
}

TEST(HttpClient, ReportsAProxyThatRefusesTheTunnel) {
  FaultServer proxy(FaultServer::always(http_response("407 Proxy Authentication Required", "", "")));
  const HttpClient client({.proxy = {.https = "http://me:hunter2@" + proxy.authority()}});
  const Error error = error_of([&] { client.send({.url = "https://name.invalid/"}); });
  EXPECT_EQ(error.code(), ErrorCode::unauthenticated) << error.what();
  EXPECT_THAT(error.message(), AllOf(HasSubstr("407"), Not(HasSubstr("hunter2"))));
  EXPECT_EQ(proxy.requests().at(0).method, "CONNECT");
  EXPECT_FALSE(proxy.requests()[0].has_header("Authorization"));
}

TEST(HttpClient, AnAddressFilterDoesNotTrustAProxyByItself) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer proxy([](FaultConnection& peer) { peer.act_as_proxy(); });
  HttpClientOptions options{.proxy = {.http = "http://" + proxy.authority()}};
  options.address_filter = [](const IpAddress&) { return true; };
  EXPECT_EQ(error_of([&] { HttpClient(options).send({.url = server.url()}); }).code(),
            ErrorCode::permission_denied);
  options.filter_trusts_proxy = true;
  EXPECT_EQ(HttpClient(options).send({.url = server.url()}).body, "x");
}

// ---- many, long ----

TEST(HttpClient, HoldsAThousandStreamsAtOnce) {
  constexpr std::size_t kStreams = 1000;
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    peer.hold();
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 2});
  const auto sum = runtime.run([&] {
    Scope scope;
    Semaphore first(0);
    std::vector<Future<int>> results;
    for (std::size_t i = 0; i < kStreams; ++i) {
      results.push_back(scope.spawn("stream", [&] {
        HttpExchange exchange = client.open({.url = server.url()});
        SseParser events;
        int total = std::stoi(std::string(events.next_from(exchange)->data));
        first.release();
        total += std::stoi(std::string(events.next_from(exchange)->data));
        return total;
      }));
    }
    first.acquire(kStreams);
    EXPECT_TRUE(server.wait_for_held(kStreams));
    EXPECT_EQ(client.stats().transfers_running, kStreams);
    server.send_to_held("data: 2\n\n");
    int total = 0;
    for (auto& result : results) total += result.get();
    return total;
  });
  EXPECT_EQ(sum, 3 * static_cast<int>(kStreams));
  EXPECT_TRUE(server.wait_until_open_at_most(0)) << "abandoned streams leave no sockets";
  EXPECT_EQ(client.stats().connections_open, 0U);
}

TEST(HttpClient, AThreadOfTheHostProgramMayReadWhileOthersRun) {
  FaultServer server(FaultServer::always(sse_response({"data: 1\n\n", "data: 2\n\n"})));
  const HttpClient client(plain());
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        EXPECT_EQ(client.open({.url = server.url()}).read_all(), "data: 1\n\ndata: 2\n\n");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// ---- signals ----

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
