#include "beluga/net/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/http_server_router.hpp"
#include "beluga/net/internal/http_server_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::echo;
using testing_support::get;
using testing_support::RawPeer;
using testing_support::write_without_end;

TEST(HttpServer, AnswersWithLengthAndDateAndWithoutNamingItself) {
  HttpServer server({}, echo);
  RawPeer peer(server.port());
  peer.send(get("/a%20b?x=1"));
  const auto [head, body] = peer.response();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nDate: "));
  EXPECT_THAT(head, HasSubstr(" GMT\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Server:")));
  EXPECT_EQ(body, "GET /a b ");
}

TEST(HttpServer, BindsToLoopbackUnlessTold) {
  HttpServer server({}, echo);
  EXPECT_THAT(server.url(), StartsWith("http://127.0.0.1:"));
}

TEST(HttpServer, SaysWhereItCannotListenAndWhatToDo) {
  HttpServer first({}, echo);
  try {
    HttpServer second({.port = first.port()}, echo);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.message(), HasSubstr("choose another port"));
  }
  EXPECT_THROW(HttpServer({.address = "localhost"}, echo), Error);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  HttpServer server({}, echo);
  RawPeer peer(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  }
  peer.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(peer.response().second, "POST /" + std::to_string(i) + " abc");
}

TEST(HttpServer, SkipsTheBodyThatAHandlerDidNotRead) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse& response) { response.send("ok"); });
  RawPeer peer(server.port());
  peer.send(
      "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n\r\n\r\n" +
      get("/2"));
  EXPECT_EQ(peer.response().second, "ok");
  EXPECT_EQ(peer.response().second, "ok");
  EXPECT_EQ(server.stats().requests, 2U);
}

TEST(HttpServer, AnswersHeadWithoutABodyButWithItsLength) {
  HttpServer server({}, [](HttpServerRequest& request, HttpServerResponse& response) {
    if (request.path() == "/stream") return response.write("12345");
    response.send("12345");
  });
  RawPeer peer(server.port());
  peer.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" + get("/"));
  EXPECT_THAT(peer.until("\r\n\r\n"), HasSubstr("Content-Length: 5"));
  EXPECT_THAT(peer.until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_EQ(peer.response().second, "12345");
}

TEST(HttpServer, ClosesAfterHttp10UnlessAskedToKeepAlive) {
  HttpServer server({}, [](HttpServerRequest& request, HttpServerResponse& response) {
    if (request.path() == "/stream") {
      response.write("a");
      response.write("b");
    } else {
      response.send("x");
    }
  });
  {
    RawPeer peer(server.port());
    peer.send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_THAT(peer.rest(), HasSubstr("Connection: close\r\n"));
  }
  {
    RawPeer peer(server.port());
    peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(peer.response().first, HasSubstr("Connection: keep-alive\r\n"));
    peer.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const std::string streamed = peer.rest();
    EXPECT_THAT(streamed, Not(HasSubstr("chunked")));
    EXPECT_THAT(streamed, testing::EndsWith("\r\n\r\nab"));
  }
}

TEST(HttpServer, AsksForTheBodyOnlyWhenTheHandlerWantsIt) {
  HttpServer server({}, [](HttpServerRequest& request, HttpServerResponse& response) {
    if (request.path() == "/no") return response.send(403, "text/plain", "no");
    response.send(request.body());
  });
  {
    RawPeer peer(server.port());
    peer.send("POST /yes HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(peer.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("hello");
    EXPECT_EQ(peer.response().second, "hello");
  }
  {
    RawPeer peer(server.port());
    peer.send("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    const std::string all = peer.rest();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(all, HasSubstr("Connection: close"));
  }
}

TEST(HttpServer, StreamsChunksAsTheyAreWritten) {
  Signal go_on;
  HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse& response) {
    response.write("first");
    go_on.wait();
    response.write("second");
  });
  RawPeer peer(server.port());
  peer.send(get("/"));
  EXPECT_THAT(peer.until("first\r\n"), HasSubstr("\r\n\r\n5\r\nfirst\r\n"));
  go_on.set();
  EXPECT_EQ(peer.until("0\r\n\r\n"), "6\r\nsecond\r\n0\r\n\r\n");
}

TEST(HttpServer, PullsAChunkedBodyPieceByPiece) {
  Signal first_seen;
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse& response) {
    std::string all;
    for (std::string_view piece = request.read(); !piece.empty(); piece = request.read()) {
      all.append(piece).append("|");
      first_seen.set();
    }
    response.send(all);
  });
  RawPeer peer(server.port());
  peer.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  first_seen.wait();
  peer.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(peer.response().second, "abc|de|");
}

TEST(HttpServer, WritesEventsThatAReaderTakesBackTheSame) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse& response) {
    auto& events = response.sse();
    events.send({.data = "one\ntwo\r\nthree\rfour", .event = "text", .id = "7", .retry = 1500ms});
    events.comment("note");
    events.send({.data = ""});
    EXPECT_THROW(events.send({.data = "x", .id = "1\ndata: forged"}), Error);
    EXPECT_THROW(events.send({.data = "x", .event = "a\rb"}), Error);
  });
  RawPeer peer(server.port());
  peer.send("GET / HTTP/1.0\r\n\r\n");
  const std::string all = peer.rest();
  EXPECT_THAT(all, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(all,
              testing::EndsWith(
                  "\r\n\r\nevent: text\nid: 7\nretry: 1500\ndata: one\ndata: two\ndata: three\ndata: four\n\n"
                  ": note\n\ndata: \n\n"));
}

TEST(HttpServer, CancelsTheHandlerAtOnceWhenTheClientGoesAway) {
  for (const bool reset : {false, true}) {
    Promise<std::string> cause;
    auto seen = cause.future();
    HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse& response) {
      response.write("started");
      try {
        sleep_for(1h);
      } catch (const Error& error) {
        cause.set(error.message());
        throw;
      }
    });
    RawPeer peer(server.port());
    peer.send(get("/"));
    peer.until("started");
    const auto begin = std::chrono::steady_clock::now();
    if (reset)
      peer.reset();
    else
      peer.close();
    EXPECT_EQ(seen.get(), "client went away");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s) << "every timeout is longer";
  }
}

TEST(HttpServer, MakesTheHandlerWaitForAClientThatDoesNotRead) {
  std::atomic<std::size_t> written{0};
  Promise<ErrorCode> outcome;
  auto seen = outcome.future();
  HttpServer server({.limits = {.write_idle_timeout = 50ms}}, write_without_end(written, outcome));
  RawPeer peer(server.port(), 4096);
  peer.send(get("/"));
  EXPECT_EQ(seen.get(), ErrorCode::deadline_exceeded);
  EXPECT_LT(written.load(), 32U << 20);
}

TEST(HttpServer, MapsErrorsAndTellsNothingOfTheInside) {
  struct Case {
    ErrorCode code;
    int status;
    bool tells;
  };
  const std::vector<Case> cases{
      {ErrorCode::invalid_argument, 400, true},   {ErrorCode::unauthenticated, 401, true},
      {ErrorCode::permission_denied, 403, true},  {ErrorCode::not_found, 404, true},
      {ErrorCode::already_exists, 409, true},     {ErrorCode::aborted, 409, true},
      {ErrorCode::resource_exhausted, 429, true}, {ErrorCode::failed_precondition, 400, true},
      {ErrorCode::out_of_range, 400, true},       {ErrorCode::internal, 500, false},
      {ErrorCode::unknown, 500, false},           {ErrorCode::data_loss, 500, false},
      {ErrorCode::unimplemented, 501, false},     {ErrorCode::unavailable, 503, false},
      {ErrorCode::deadline_exceeded, 504, false},
  };
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse&) {
    const std::size_t index = std::stoul(std::string(request.path().substr(1)));
    if (index == cases.size()) throw std::runtime_error("secret: /etc/keys");
    if (index == cases.size() + 1) throw 42;
    throw Error(cases[index].code, "detail-of-it").with_retry_after(1500ms);
  });
  RawPeer peer(server.port());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    peer.send(get("/" + std::to_string(i)));
    const auto [head, body] = peer.response();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 " + std::to_string(cases[i].status) + " "));
    EXPECT_THAT(head, HasSubstr("Retry-After: 2\r\n"));
    EXPECT_EQ(body.find("detail-of-it") != std::string::npos, cases[i].tells) << body;
    EXPECT_TRUE(Json::parse(body).pointer("/error/code") != nullptr) << body;
  }
  for (std::size_t i = cases.size(); i < cases.size() + 2; ++i) {
    peer.send(get("/" + std::to_string(i)));
    const auto [head, body] = peer.response();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(body, Not(HasSubstr("secret")));
  }
}

TEST(HttpServer, TellsTheOperatorWhatAHandlerThrew) {
  std::string told;
  HttpServer server({.on_error =
                         [&](std::string_view method, std::string_view path, const Error& error) {
                           told = std::string(method) + std::string(path) + error.message();
                         }},
                    [](HttpServerRequest&, HttpServerResponse&) { throw std::runtime_error("boom"); });
  RawPeer peer(server.port());
  peer.send(get("/x"));
  peer.response();
  EXPECT_THAT(told, StartsWith("GET/x"));
  EXPECT_THAT(told, HasSubstr("boom"));
}

TEST(HttpServer, CutsTheConnectionWhenAStreamFails) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse& response) {
    response.write("part");
    throw Error(ErrorCode::internal, "late");
  });
  RawPeer peer(server.port());
  peer.send(get("/"));
  EXPECT_THAT(peer.rest(), Not(HasSubstr("0\r\n\r\n")));
  EXPECT_TRUE(peer.was_reset());
}

TEST(HttpServer, RefusesHeaderInjectionAndASecondResponse) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse& response) {
    EXPECT_THROW(response.headers().set("X", "a\r\nSet-Cookie: b"), Error);
    response.headers().set("Content-Length", "999");
    response.send("ok");
    EXPECT_THROW(response.send("again"), Error);
    EXPECT_THROW(response.write("again"), Error);
  });
  RawPeer peer(server.port());
  peer.send(get("/"));
  const auto [head, body] = peer.response();
  EXPECT_THAT(head, HasSubstr("Content-Length: 2\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("999")));
  EXPECT_EQ(body, "ok");
}

TEST(HttpServer, AnswersMalformedRequestsWithJsonAndCloses) {
  HttpServer server({}, echo);
  RawPeer peer(server.port());
  peer.send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string all = peer.rest();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(all, HasSubstr("\"invalid_argument\""));
  EXPECT_EQ(server.stats().requests, 0U);
  EXPECT_EQ(server.stats().rejected, 1U);
}

TEST(HttpServer, RefusesPathsThatClimb) {
  HttpServer server({}, echo);
  for (const char* path :
       {"/../etc", "/a/./b", "/a/%2e%2e/b", "/a%2fb", "/a%00b", "/a%zz", "/%", "nope", "/a/.."}) {
    RawPeer peer(server.port());
    peer.send(get(path));
    EXPECT_THAT(peer.rest(), StartsWith("HTTP/1.1 400 ")) << path;
  }
  RawPeer peer(server.port());
  peer.send(get("http://h/abs?q=%41+b"));
  EXPECT_EQ(peer.response().second, "GET /abs ");
}

TEST(HttpServer, TakesTheAbsoluteFormOnlyOfTheHostThatIsNamed) {
  HttpServer server({}, echo);
  const auto status = [&](const std::string& target, const std::string& version = "HTTP/1.1",
                          const std::string& host = "Host: h:80\r\n") {
    RawPeer peer(server.port());
    peer.send("GET " + target + " " + version + "\r\n" + host + "Connection: close\r\n\r\n");
    return peer.rest().substr(9, 3);
  };
  EXPECT_EQ(status("http://h:80/a"), "200");
  EXPECT_EQ(status("HTTP://H:80?a"), "200");
  EXPECT_EQ(status("http://h:80"), "200");
  EXPECT_EQ(status("http://h/a", "HTTP/1.0", ""), "200");
  for (const char* target :
       {"http://other/a", "http://h/a", "http://h:80@other/", "http://other@h:80/", "http:///a", "http://",
        "ftp://h:80/", "h:80", "*", "a", "/a#b", "http://h:80#/a", "http://h:80\\@other/"})
    EXPECT_EQ(status(target), "400") << target;
}

TEST(HttpServer, AnswersOnlyForItsHostsWhenTheyAreNamed) {
  HttpServer server({.hosts = {"good.example", "[::1]"}}, echo);
  const auto status = [&](const std::string& host) {
    RawPeer peer(server.port());
    peer.send("GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n");
    return peer.rest().substr(9, 3);
  };
  EXPECT_EQ(status("good.example"), "200");
  EXPECT_EQ(status("GOOD.example:80"), "200");
  EXPECT_EQ(status("[::1]:99"), "200");
  EXPECT_EQ(status("evil.example"), "421");
}

TEST(HttpServer, LimitsTheBodyAlsoWhenItsLengthIsNotDeclared) {
  HttpServer server({.limits = {.body_bytes = 10}},
                    [](HttpServerRequest& request, HttpServerResponse& response) {
                      response.send(request.body(request.path() == "/small" ? 3 : 100));
                    });
  for (const char* text :
       {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n3\r\nabc\r\n",
        "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"}) {
    RawPeer peer(server.port());
    peer.send(text);
    EXPECT_THAT(peer.rest(), StartsWith("HTTP/1.1 413 ")) << text;
  }
}

TEST(HttpServer, LimitsConnectionsAndFreesTheirPlaces) {
  HttpServer server({.limits = {.connections = 2}}, echo);
  RawPeer first(server.port());
  RawPeer second(server.port());
  first.send(get("/1"));
  second.send(get("/2"));
  first.response();
  second.response();
  RawPeer third(server.port());
  EXPECT_THAT(third.rest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(server.stats().refused, 1U);
  first.finish_sending();
  first.rest();  // its end: the place is free once the server has closed
  for (;;) {
    RawPeer fourth(server.port());
    fourth.send(get("/4"));
    const auto [head, body] = fourth.response();
    if (body == "GET /4 ") break;
  }
}

TEST(HttpServer, ClosesAfterTheAgreedNumberOfRequests) {
  HttpServer server({.limits = {.requests_per_connection = 2}}, echo);
  RawPeer peer(server.port());
  peer.send(get("/1") + get("/2") + get("/3"));
  EXPECT_THAT(peer.response().first, Not(HasSubstr("Connection: close")));
  EXPECT_THAT(peer.response().first, HasSubstr("Connection: close"));
  EXPECT_EQ(peer.rest(), "");
}

TEST(HttpServer, SurvivesARequestCutAtEveryByte) {
  std::atomic<int> finished{0};
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse& response) {
    const std::string body = request.body();
    ++finished;
    EXPECT_EQ(body, "hello world");
    response.send("done");
  });
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n "
      "world\r\n0\r\n\r\n";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    RawPeer peer(server.port());
    peer.send(text.substr(0, cut));
    peer.finish_sending();
    EXPECT_EQ(peer.rest(), "") << cut;
  }
  EXPECT_EQ(finished, 0);
  RawPeer peer(server.port());
  for (const char c : text) peer.send({&c, 1});
  EXPECT_EQ(peer.response().second, "done");
}

// Stacks of which an address space of 47 bits has room for seven or so, but never for nine.
constexpr std::size_t kHugeStack = std::size_t{1} << 44;

TEST(HttpServer, GivesThePlacesBackOfConnectionsThatGotNoFiber) {
  if (detail::kSanitized) GTEST_SKIP() << "the maps of a sanitizer leave no address space for such stacks";
  Runtime runtime{{.workers = 1, .stack_size = kHugeStack}};
  Signal go_on;
  std::unique_ptr<HttpServer> server;
  runtime.run([&] {
    server = std::make_unique<HttpServer>(HttpServerOptions{},
                                          [&](HttpServerRequest& request, HttpServerResponse& response) {
                                            if (request.path() == "/wait") go_on.wait();
                                            response.send("done");
                                          });
  });
  std::vector<RawPeer> peers;
  for (int i = 0; i < 12; ++i) {
    peers.emplace_back(server->port());
    peers.back().send(get("/wait"));
  }
  const auto stats = [&] { return server->stats(); };
  while (stats().requests + stats().refused < 12) std::this_thread::yield();
  EXPECT_GE(stats().refused, 4U);
  EXPECT_GE(stats().requests, 1U);
  while (stats().connections != stats().requests) std::this_thread::yield();
  go_on.set();
  std::size_t answered = 0;
  for (RawPeer& peer : peers) {
    peer.finish_sending();
    if (peer.response().second == "done") ++answered;
    peer.close();
  }
  EXPECT_EQ(answered, stats().requests);
  while (stats().connections > 0) std::this_thread::yield();
  RawPeer later(server->port());
  later.send(get("/"));
  EXPECT_EQ(later.response().second, "done");
  EXPECT_TRUE(server->drain(20s).clean());
}

TEST(HttpServer, SaysThatThereIsNoMemoryToAcceptWith) {
  if (detail::kSanitized) GTEST_SKIP() << "the maps of a sanitizer leave no address space for such stacks";
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  // Of stacks of this size there is room for one, which the caller has.
  Runtime runtime{{.workers = 1, .stack_size = std::size_t{1} << 46}};
  runtime.run([&] {
    const auto before = descriptors();
    const auto server = attempt([] { return std::make_unique<HttpServer>(HttpServerOptions{}, echo); });
    ASSERT_FALSE(server.ok());
    EXPECT_EQ(server.error().code(), ErrorCode::resource_exhausted);
    EXPECT_EQ(descriptors(), before);
  });
  EXPECT_TRUE(runtime.shutdown(20s).clean());
}

TEST(HttpServer, MayOutliveItsRuntime) {
  std::unique_ptr<HttpServer> server;
  {
    Runtime runtime;
    runtime.run([&] { server = std::make_unique<HttpServer>(HttpServerOptions{}, echo); });
  }
  server.reset();
}

TEST(HttpServer, RefusesToWaitForItselfInsideAHandler) {
  HttpServer* self = nullptr;
  const auto code_of = [](auto f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(to_string(error.code()));
    }
    return std::string("none");
  };
  HttpServer other({}, echo);
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse& response) {
    if (request.path() == "/drain") return response.send(code_of([&] { self->drain(1h); }));
    if (request.path() == "/wait") return response.send(code_of([&] { self->wait(); }));
    if (request.path() == "/pool") return response.send(code_of([&] { blocking([&] { self->drain(1h); }); }));
    if (request.path() == "/child") {
      Scope scope;
      return response.send(code_of([&] { scope.spawn("child", [&] { self->drain(1h); }).get(); }));
    }
    response.send(code_of([&] { other.drain(Duration::zero()); }));
  });
  self = &server;
  RawPeer peer(server.port());
  for (const char* path : {"/drain", "/wait", "/pool", "/child"}) {
    peer.send(get(path));
    EXPECT_EQ(peer.response().second, "failed_precondition") << path;
  }
  peer.send(get("/other"));
  EXPECT_EQ(peer.response().second, "none");
  EXPECT_TRUE(server.drain(20s).clean());
}

TEST(HttpServer, DrainsInOrder) {
  Signal started, go_on;
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse& response) {
    if (request.path() == "/busy") {
      started.set();
      go_on.wait();
    }
    response.send("done");
  });
  RawPeer idle(server.port());
  idle.send(get("/"));
  idle.response();
  RawPeer busy(server.port());
  busy.send(get("/busy"));
  started.wait();
  Scope scope;
  auto drained = scope.spawn("drain", [&] { return server.drain(20s); });
  EXPECT_EQ(idle.rest(), "");  // closed at once
  go_on.set();
  const auto [head, body] = busy.response();
  EXPECT_EQ(body, "done");
  EXPECT_THAT(head, HasSubstr("Connection: close"));
  const HttpDrainReport report = drained.get();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.finished, 2U);
  EXPECT_THROW(RawPeer(server.port()), std::runtime_error);
  server.wait();
}

TEST(HttpServer, CancelsWhatIsLeftAfterTheGracePeriod) {
  Signal started;
  Promise<std::string> cause;
  auto seen = cause.future();
  HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse&) {
    started.set();
    try {
      sleep_for(1h);
    } catch (const Error& error) {
      cause.set(error.message());
      throw;
    }
  });
  RawPeer peer(server.port());
  peer.send(get("/"));
  started.wait();
  EXPECT_EQ(server.drain(0ms).cancelled, 1U);
  EXPECT_EQ(seen.get(), "server is shutting down");
  EXPECT_THAT(peer.rest(), StartsWith("HTTP/1.1 503 "));
}

TEST(HttpServer, KeepsQuietEventStreamsAliveByComments) {
  HttpServer server({.sse_keep_alive = 40ms}, [&](HttpServerRequest&, HttpServerResponse& response) {
    response.sse().send({.data = "x"});
    sleep_for(1h);
  });
  RawPeer peer(server.port());
  peer.send(get("/"));
  peer.until("data: x\n\n\r\n");
  EXPECT_EQ(peer.until(":\n\n\r\n"), "3\r\n:\n\n\r\n");
  EXPECT_EQ(peer.until(":\n\n\r\n"), "3\r\n:\n\n\r\n");
}

TEST(HttpServer, TakesAHandlerThatReturnsItsResponse) {
  HttpServer server({}, [](HttpServerRequest& request) {
    return HttpResponse{
        .status = 201, .headers = {{"X-Query", request.query("a b").value_or("none")}}, .body = "made"};
  });
  RawPeer peer(server.port());
  peer.send(get("/?x&a+b=c%20d"));
  const auto [head, body] = peer.response();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 201 Created"));
  EXPECT_THAT(head, HasSubstr("X-Query: c d\r\n"));
  EXPECT_EQ(body, "made");
}

TEST(HttpServer, ServesManyConnectionsOnAllWorkers) {
  HttpServer server({}, echo);
  std::vector<RawPeer> peers;
  for (int i = 0; i < 200; ++i) peers.emplace_back(server.port());
  for (int round = 0; round < 5; ++round) {
    for (auto& peer : peers) peer.send(get("/x"));
    for (auto& peer : peers) EXPECT_EQ(peer.response().second, "GET /x ");
  }
  EXPECT_EQ(server.stats().connections, 200U);
}

}  // namespace
}  // namespace beluga
