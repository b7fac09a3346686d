#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::FaultConnection;
using testing::FaultServer;
using testing::Gate;
using ::testing::HasSubstr;
using testing::http_response;
using ::testing::Not;
using testing_support::error_of;
using testing_support::plain;

// ---- time limits, on a clock that stands still: each is exact, and nobody waits for one ----

class HttpClientTime : public ::testing::Test {
 protected:
  static constexpr Duration kLimit = 10s;
  static constexpr Duration kJustUnder = kLimit - 1ns;

  /// Starts `f` on the one worker; what it throws is the result. `f` has begun when this returns.
  template <class F>
  std::future<Error> start(F f) {
    std::promise<void> begun;
    auto error = std::async(std::launch::async, [this, f, &begun] {
      return runtime_.run([&] {
        begun.set_value();
        return error_of(f);
      });
    });
    begun.get_future().wait();
    settle();
    return error;
  }
  /// Returns once every fiber that could run has parked.
  void settle() {
    runtime_.run([] {});
  }
  /// The limit has been running since the clock last moved: it ends the call at its very end.
  Error ends_at_the_limit(std::future<Error>& error) {
    clock_.advance(kJustUnder);
    settle();
    EXPECT_EQ(error.wait_for(0s), std::future_status::timeout) << "a nanosecond is left";
    clock_.advance(1ns);
    return error.get();
  }

  ManualClock clock_;
  Runtime runtime_{{.workers = 1, .clock = &clock_}};
  const HttpClient client_{plain()};
};

TEST_F(HttpClientTime, LimitsConnecting) {
  const testing::UnresponsivePort nobody;
  auto error = start([&] {
    client_.send({.url = "http://127.0.0.1:" + std::to_string(nobody.port()) + "/"},
                 {.timeouts = HttpTimeouts{.connect = kLimit}});
  });
  const Error seen = ends_at_the_limit(error);
  EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(seen.message(),
              AllOf(HasSubstr("connecting"), HasSubstr("HttpTimeouts::connect"), HasSubstr("10 s")));
  settle();
  EXPECT_EQ(client_.stats().connections_open, 0U);
}

TEST_F(HttpClientTime, LimitsTheTlsHandshakeTogetherWithConnecting) {
  std::promise<void> hello;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_some();
    hello.set_value();
    peer.stall();
  });
  auto error = start([&] {
    client_.send({.url = "https://" + server.authority() + "/"},
                 {.timeouts = HttpTimeouts{.connect = kLimit}});
  });
  hello.get_future().wait();
  const Error seen = ends_at_the_limit(error);
  EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(seen.message(), AllOf(HasSubstr("TLS handshake"), HasSubstr("HttpTimeouts::connect")));
  EXPECT_TRUE(server.wait_until_open_at_most(0)) << "a request that is given up leaves no socket";
}

TEST_F(HttpClientTime, LimitsTheWaitForTheHeaders) {
  const std::string some_of_the_headers = "HTTP/1.1 200 OK\r\nX-One: 1\r\n";
  for (const std::string& sent : {std::string(), some_of_the_headers}) {
    for (const bool whole : {true, false}) {
      FaultServer server([&](FaultConnection& peer) {
        peer.read_request();
        peer.send(sent);
        peer.stall();
      });
      auto error = start([&] {
        const HttpCallOptions options{.timeouts = HttpTimeouts{.first_byte = kLimit}};
        if (whole)
          client_.send({.url = server.url()}, options);
        else
          client_.open({.url = server.url()}, options);
      });
      EXPECT_TRUE(server.wait_for_requests(1));
      const Error seen = ends_at_the_limit(error);
      EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
      EXPECT_THAT(seen.message(),
                  AllOf(HasSubstr("waiting for the response"), HasSubstr("HttpTimeouts::first_byte")));
      EXPECT_TRUE(server.wait_until_open_at_most(0));
    }
  }
}

TEST_F(HttpClientTime, LimitsTheSilenceBetweenTwoPiecesWhileSomebodyReads) {
  Gate more;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\none");
    peer.wait_for(more);
    peer.send("two");
    peer.stall();
  });
  std::promise<void> first;
  std::promise<void> second;
  auto error = start([&] {
    HttpExchange exchange = client_.open({.url = server.url()}, {.timeouts = HttpTimeouts{.idle = kLimit}});
    EXPECT_EQ(exchange.read(), "one");
    clock_.advance(100 * kLimit);  // busy elsewhere: not the peer's silence
    first.set_value();
    EXPECT_EQ(exchange.read(), "two");
    second.set_value();
    exchange.read();
  });
  first.get_future().wait();
  settle();
  clock_.advance(kJustUnder);
  more.open();
  second.get_future().wait();
  settle();
  const Error seen = ends_at_the_limit(error);
  EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(seen.message(), AllOf(HasSubstr("reading the body"), HasSubstr("HttpTimeouts::idle")));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST_F(HttpClientTime, LimitsTheSilenceOfABodyThatIsCollected) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nsome");
    peer.stall();
  });
  auto error = start([&] {
    client_.send({.url = server.url()}, {.timeouts = HttpTimeouts{.first_byte = 0s, .idle = kLimit}});
  });
  // Nothing tells from outside when the headers have been read; without them there is no limit.
  while (error.wait_for(1ms) != std::future_status::ready) clock_.advance(kLimit);
  EXPECT_THAT(error.get().message(), HasSubstr("HttpTimeouts::idle"));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST_F(HttpClientTime, LimitsTheWholeExchangeHoweverLivelyThePeer) {
  Gate more;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\none");
    peer.wait_for(more);
    peer.send("two");
    peer.stall();
  });
  std::promise<void> second;
  auto error = start([&] {
    HttpExchange exchange =
        client_.open({.url = server.url()}, {.timeouts = HttpTimeouts{.total = 3 * kLimit}});
    EXPECT_EQ(exchange.read(), "one");
    clock_.advance(2 * kLimit);
    more.open();
    EXPECT_EQ(exchange.read(), "two");
    second.set_value();
    exchange.read();
  });
  second.get_future().wait();
  settle();
  const Error seen = ends_at_the_limit(error);
  EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(seen.message(), AllOf(HasSubstr("30 s"), HasSubstr("HttpTimeouts::total")));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST_F(HttpClientTime, LimitsTheWholeExchangeRedirectsIncluded) {
  Gate onward;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.wait_for(onward);
    peer.send(http_response("302 Found", "Location: /there\r\n", ""));
    peer.read_request();
    peer.stall();
  });
  auto error = start([&] {
    client_.send({.url = server.url()}, {.timeouts = HttpTimeouts{.total = 3 * kLimit}, .max_redirects = 1});
  });
  EXPECT_TRUE(server.wait_for_requests(1));
  clock_.advance(2 * kLimit);
  onward.open();
  EXPECT_TRUE(server.wait_for_requests(2));
  EXPECT_THAT(ends_at_the_limit(error).message(), HasSubstr("HttpTimeouts::total"));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST_F(HttpClientTime, ObeysTheDeadlineOfTheContext) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.stall();
  });
  auto error = start([&] {
    const ContextScope scope(Context::current().with_timeout(kLimit));
    client_.send({.url = server.url()});
  });
  EXPECT_TRUE(server.wait_for_requests(1));
  const Error seen = ends_at_the_limit(error);
  EXPECT_EQ(seen.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(seen.message(), AllOf(HasSubstr("waiting for the response"), Not(HasSubstr("HttpTimeouts"))));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(HttpClient, KeepsItsTimeLimitsOnTheMachinesClockToo) {
  FaultServer server([](FaultConnection& peer) { peer.stall(); });
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([&] {
    HttpClient(plain()).send({.url = server.url()}, {.timeouts = HttpTimeouts{.first_byte = 30ms}});
  });
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 30ms);
  EXPECT_THAT(error.message(), HasSubstr("HttpTimeouts::first_byte"));
}

// ---- cancelling ----

/// How long it takes on this machine, as busy as it is, until a thread that waits goes on.
Duration wake_up_of_a_thread() {
  std::binary_semaphore parked(0), go(0);
  std::chrono::steady_clock::time_point woken;
  std::thread sleeper([&] {
    parked.release();
    go.acquire();
    woken = std::chrono::steady_clock::now();
  });
  parked.acquire();
  const auto begun = std::chrono::steady_clock::now();
  go.release();
  sleeper.join();
  return woken - begun;
}

TEST(HttpClient, ACancelledContextEndsASilentStreamWithinTenMilliseconds) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.stall();
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  using Time = std::chrono::steady_clock::time_point;
  struct Cancel {
    Duration until_thrown;  ///< out of the read() that waits
    Duration until_peer_knows;
    Duration wake_up;  ///< the machine's own share, of which a few come one after the other
  };
  const auto cancel_one = [&]() -> Cancel {
    const CancelSource source;
    std::binary_semaphore parked(0);
    Time cancelled;
    Time thrown;
    std::thread user([&] {
      parked.acquire();
      cancelled = std::chrono::steady_clock::now();
      source.cancel(Error(ErrorCode::cancelled, "the user pressed stop"));
    });
    runtime.run([&] {
      const ContextScope scope(Context::current().with_cancel(source.token()));
      HttpExchange exchange = client.open({.url = server.url()});
      EXPECT_EQ(exchange.read(), "first");
      Scope helpers;
      helpers.spawn("parked", [&] { parked.release(); });  // runs once the reader has given up the worker
      const Error error = error_of([&] { exchange.read(); });
      thrown = std::chrono::steady_clock::now();
      EXPECT_EQ(error.code(), ErrorCode::cancelled);
      EXPECT_THAT(error.message(), HasSubstr("the user pressed stop"));
    });
    user.join();
    EXPECT_TRUE(server.wait_until_open_at_most(0));
    return {thrown - cancelled, server.last_end() - cancelled, wake_up_of_a_thread()};
  };
  const auto median = [](std::vector<Cancel> all, Duration Cancel::* which) {
    std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), {}, which);
    return all[all.size() / 2].*which;
  };
  Duration thrown{};
  Duration known{};
  Duration bound{};
  // Other work on the machine can only add to these: the first quiet round counts.
  for (int round = 0; round < 5; ++round) {
    std::vector<Cancel> all;
    for (int i = 0; i < 51; ++i) {
      all.push_back(cancel_one());
      EXPECT_LT(all.back().until_thrown, 5s);
      EXPECT_LT(all.back().until_peer_knows, 5s);
    }
    thrown = median(all, &Cancel::until_thrown);
    known = median(all, &Cancel::until_peer_knows);
    bound = 10ms + 10 * median(all, &Cancel::wake_up);
    if (thrown < bound && known < bound) break;
  }
  EXPECT_LT(thrown, bound);
  EXPECT_LT(known, bound);
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

}  // namespace
}  // namespace beluga
