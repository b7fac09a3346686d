#include "beluga/net/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "beluga/fiber/future.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/internal/http_server_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;
using testing_support::echo;
using testing_support::get;
using testing_support::RawPeer;
using testing_support::VirtualServer;
using testing_support::write_without_end;

TEST(HttpServerTimeouts, EndASilentAndAnIdleConnectionWithoutAWord) {
  VirtualServer at({.limits = {.header_timeout = 10s, .idle_timeout = 60s}}, echo);
  RawPeer silent(at.server->port());
  while (at.server->stats().connections == 0) std::this_thread::yield();  // its time begins
  EXPECT_GE(at.advance_until([&] { return at.server->stats().connections == 0; }), 10s);
  EXPECT_EQ(silent.rest(), "");
  RawPeer idle(at.server->port());
  for (int i = 0; i < 3; ++i) {
    idle.send(get("/"));
    EXPECT_THAT(idle.response().first, StartsWith("HTTP/1.1 200 "));
    at.clock.advance(59s);  // each request starts it anew
  }
  idle.send(get("/"));
  idle.response();
  EXPECT_GE(at.advance_until([&] { return at.server->stats().connections == 0; }), 60s);
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(at.server->stats().rejected, 0U);
}

TEST(HttpServerTimeouts, EndAHeadThatTakesTooLong) {
  VirtualServer at({.limits = {.header_timeout = 10s, .idle_timeout = 1h}}, echo);
  RawPeer slow(at.server->port());
  slow.send(get("/") + "GET / HT");  // in one piece, so that the second head has begun before the clock moves
  slow.response();
  EXPECT_GE(at.advance_until([&] { return at.server->stats().rejected == 1; }), 10s);
  EXPECT_THAT(slow.until("}}\n"), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServerTimeouts, EndABodyThatStallsAndNotOneThatIsSlow) {
  Signal reading;
  VirtualServer at({.limits = {.body_idle_timeout = 30s}},
                   [&](HttpServerRequest& request, HttpServerResponse& response) {
                     std::string body(request.read());
                     reading.set();
                     body += request.body();
                     response.send(body);
                   });
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc";
  RawPeer slow(at.server->port());
  slow.send(head);
  reading.wait();
  at.clock.advance(29s);
  slow.send("defghij");
  EXPECT_EQ(slow.response().second, "abcdefghij");
  slow.close();
  while (at.server->stats().connections > 0) std::this_thread::yield();
  RawPeer stalled(at.server->port());
  stalled.send(head);
  while (at.server->stats().requests < 2) std::this_thread::yield();
  EXPECT_GE(at.advance_until([&] { return at.server->stats().connections == 0; }), 30s);
  EXPECT_THAT(stalled.until("}}\n"), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServerTimeouts, EndAResponseThatNobodyTakes) {
  std::atomic<std::size_t> written{0};
  Promise<ErrorCode> outcome;
  auto seen = outcome.future();
  VirtualServer at({.limits = {.write_idle_timeout = 30s}}, write_without_end(written, outcome));
  RawPeer peer(at.server->port(), 4096);
  peer.send(get("/"));
  while (written == 0)
    std::this_thread::yield();  // before that, it is the time of the request's head that runs
  EXPECT_GE(at.advance_until([&] { return seen.ready(); }), 30s);
  EXPECT_EQ(seen.get(), ErrorCode::deadline_exceeded);
}

TEST(HttpServerTimeouts, EndTheGraceOfADrainAlsoForACallerOutsideOfTheRuntime) {
  Signal started;
  VirtualServer at({}, [&](HttpServerRequest&, HttpServerResponse&) {
    started.set();
    sleep_for(24h * 365);
  });
  RawPeer peer(at.server->port());
  peer.send(get("/"));
  started.wait();
  std::atomic<bool> drained{false};
  HttpDrainReport report;
  std::thread owner([&] {
    report = at.server->drain(5min);
    drained = true;
  });
  EXPECT_GE(at.advance_until([&] { return drained.load(); }), 5min);
  owner.join();
  EXPECT_EQ(report.cancelled, 1U);
}

}  // namespace
}  // namespace beluga
