#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using testing_support::error_of;
using testing_support::plain;

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

/// A client of two addresses that answer nothing yet. It says that it was connected by waiting in vain for an
/// answer.
struct TwoAddresses {
  std::unique_ptr<testing::UnresponsivePort> first;
  std::unique_ptr<testing::UnresponsivePort> second;
  HttpClient client{[] {
    HttpClientOptions options = plain();
    options.resolve = [](const std::string&) -> std::vector<IpAddress> {
      return {*IpAddress::parse("127.0.0.2"), *IpAddress::parse("127.0.0.1")};
    };
    return options;
  }()};
  TwoAddresses() {
    for (int tries = 1;; ++tries) {
      first = std::make_unique<testing::UnresponsivePort>(2);
      // A port that was free on the first address may be taken on the second.
      const auto both =
          attempt([&] { second = std::make_unique<testing::UnresponsivePort>(1, first->port()); });
      if (both.ok()) return;
      if (tries == 100) raise(both.error());
    }
  }
  std::future<Error> start(Duration connect) {
    return std::async(std::launch::async, [this, connect] {
      return error_of([&] {
        client.send({.url = "http://two.test:" + std::to_string(second->port()) + "/"},
                    {.timeouts = HttpTimeouts{.connect = connect, .first_byte = 1ms}});
      });
    });
  }
};

TEST(HttpClient, ConnectsToTheNextAddressWhenTheFirstIsRefusedAfterAWhile) {
  TwoAddresses host;
  auto error = host.start(100s);
  while (!host.first->attempted()) std::this_thread::yield();
  host.first.reset();
  while (!host.second->attempted()) std::this_thread::yield();
  host.second->let_in();
  EXPECT_THAT(error.get().message(), HasSubstr("HttpTimeouts::first_byte"));
  EXPECT_EQ(host.client.stats().connections_open, 0U);
}

TEST(HttpClient, ConnectsToTheNextAddressWhenTheFirstSaysNothing) {
  // libcurl gives each address half of the time that is left, so the limit has to be short in real time; on a
  // machine too busy for it, another try with more time is as good.
  Error error(ErrorCode::unknown, "none");
  for (int i = 0; i < 4 && error.message().find("first_byte") == std::string::npos; ++i) {
    TwoAddresses host;
    auto waiting = host.start(5s * (1 << i));
    while (waiting.wait_for(0s) != std::future_status::ready && !host.second->attempted())
      std::this_thread::yield();
    host.second->let_in();
    error = waiting.get();
    EXPECT_EQ(host.client.stats().connections_open, 0U);
  }
  EXPECT_THAT(error.message(), HasSubstr("HttpTimeouts::first_byte"));
}

TEST(HttpClient, TakesNoOtherSocketForTheOneThatFailed) {
  // libcurl tries both families at once: over IPv6 nobody says anything, over IPv4 the answer is no.
  const testing::UnresponsivePort silent(2);
  HttpClientOptions options = plain();
  options.resolve = [](const std::string&) -> std::vector<IpAddress> {
    return {*IpAddress::parse("::ffff:127.0.0.2"), *IpAddress::parse("127.0.0.1")};
  };
  ManualClock clock;
  Runtime runtime({.workers = 1, .clock = &clock});
  const HttpClient client(options);
  auto error = std::async(std::launch::async, [&] {
    return runtime.run([&] {
      return error_of([&] {
        client.send({.url = "https://two.test:" + std::to_string(silent.port()) + "/"},
                    {.timeouts = HttpTimeouts{.connect = 10s}});
      });
    });
  });
  const auto stats = [&] { return client.stats(); };
  const auto over = [&] { return error.wait_for(0s) == std::future_status::ready; };
  while (!over() && (stats().connections_opened < 2 || stats().connections_open != 1))
    std::this_thread::yield();
  if (over()) GTEST_SKIP() << "no IPv6 here: " << error.get().message();
  // Connections of somebody else, who gets the number of the socket that was closed.
  FaultServer server([](testing::FaultConnection& peer) { peer.stall(); });
  std::vector<std::unique_ptr<testing_support::RawPeer>> others;
  for (int i = 0; i < 16; ++i) others.push_back(std::make_unique<testing_support::RawPeer>(server.port()));
  clock.advance(10s);
  const Error seen = error.get();
  EXPECT_THAT(seen.message(), HasSubstr("connecting: no connection"));
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

TEST(HttpClient, AStalledNameLookupHoldsUpNeitherItsCallerNorTheLoop) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  std::binary_semaphore entered(0);
  std::promise<void> release;
  HttpClientOptions options = plain();
  options.resolve = [&, released =
                            release.get_future().share()](const std::string& host) -> std::vector<IpAddress> {
    if (host != "stalled.test") return {*IpAddress::parse("127.0.0.1")};
    entered.release();
    released.wait();  // as getaddrinfo does: deaf to everything
    return {};
  };
  const HttpClient client(options);
  ManualClock clock;
  Runtime runtime({.workers = 1, .clock = &clock});
  const CancelSource source;
  const auto ask = [&](HttpTimeouts timeouts) {
    auto error = std::async(std::launch::async, [&, timeouts] {
      return runtime.run([&] {
        const ContextScope scope(Context::current().with_cancel(source.token()));
        return error_of([&] { client.send({.url = "http://stalled.test/"}, {.timeouts = timeouts}); });
      });
    });
    entered.acquire();
    return error;
  };
  const auto loop_goes_on = [&] {
    return runtime.run([&] {
      return client.send({.url = "http://other.test:" + std::to_string(server.port()) + "/"}).body;
    });
  };

  auto limited = ask({.connect = 10s});
  EXPECT_EQ(loop_goes_on(), "x");
  clock.advance(10s);
  const Error late = limited.get();
  EXPECT_EQ(late.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(late.message(), AllOf(HasSubstr("resolving"), HasSubstr("HttpTimeouts::connect")));

  auto cancelled = ask({.connect = 0s});
  source.cancel();
  EXPECT_EQ(cancelled.get().code(), ErrorCode::cancelled);
  EXPECT_EQ(loop_goes_on(), "x");

  EXPECT_EQ(runtime.stats().blocking_abandoned, 2U);
  release.set_value();
  EXPECT_TRUE(runtime.shutdown(100s).clean()) << "the lookups that were left behind have ended, too";
}

}  // namespace
}  // namespace beluga
