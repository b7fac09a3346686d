#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "beluga/fiber/future.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "beluga/net/sse.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::FaultConnection;
using testing::FaultServer;
using testing::Gate;
using testing::http_chunk;
using testing::sse_response;
using testing_support::error_of;
using testing_support::plain;

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
      EXPECT_TRUE(exchange.drain(100s));
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

TEST(HttpClient, AReaderThatDoesNotReadStopsThePeer) {
  constexpr std::size_t kTotal = 64U << 20U;
  std::atomic<std::size_t> sent = 0;
  std::promise<void> stands_still;
  FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kTotal) + "\r\n\r\n");
    const std::string bytes(1U << 16U, 'x');
    const auto next = [&] { return std::min(bytes.size(), kTotal - sent); };
    pollfd room{.fd = peer.fd(), .events = POLLOUT, .revents = 0};
    do {
      const ssize_t n = ::send(peer.fd(), bytes.data(), next(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
    } while (sent < kTotal && ::poll(&room, 1, 200) > 0);
    stands_still.set_value();
    while (sent < kTotal) {
      const std::size_t size = next();
      peer.send({bytes.data(), size});
      sent += size;
    }
    peer.stall();
  });
  const HttpClient client(plain());
  HttpExchange exchange = client.open({.url = server.url()});
  std::size_t received = exchange.read().size();
  stands_still.get_future().wait();
  EXPECT_LT(sent, kTotal / 2) << "the buffers of the sockets and of the exchange are full, and no more";
  for (std::string_view piece = exchange.read(); !piece.empty(); piece = exchange.read()) {
    EXPECT_LE(piece.size(), client.options().limits.buffer_bytes);
    received += piece.size();
  }
  EXPECT_EQ(received, kTotal);
}

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

}  // namespace
}  // namespace beluga
