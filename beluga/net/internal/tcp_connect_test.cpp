#include "beluga/net/internal/tcp_connect.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga::detail {
namespace {

using namespace std::chrono_literals;
using beluga::testing::FaultConnection;
using beluga::testing::FaultServer;
using beluga::testing::refused_port;
using beluga::testing::UnresponsivePort;

TcpAddress loopback(unsigned host, std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
  in.sin_port = htons(port);
  TcpAddress out;
  std::memcpy(&out.storage, &in, sizeof in);
  out.size = sizeof in;
  return out;
}

struct Outcome {
  bool connected = false;
  int error = 0;
  ErrorCode thrown = ErrorCode::unknown;
};

class TcpConnect : public ::testing::Test {
 protected:
  /// Connects with ten seconds to do so. Time stands still, but for a step of `time` once `begun`.
  template <class F>
  Outcome connect(const std::vector<TcpAddress>& addresses, Duration time, F begun) {
    Outcome out;
    std::atomic<bool> done{false};
    std::thread caller([&] {
      runtime_.run([&] {
        const ContextScope scope(Context::current().with_timeout(10s));
        const auto result = attempt([&] {
          const TcpConnection got = connect_tcp(worker_io(), addresses);
          out.connected = got.socket != nullptr;
          out.error = got.error;
        });
        if (!result.ok()) out.thrown = result.error().code();
      });
      done = true;
    });
    while (!begun() && !done) std::this_thread::yield();
    clock_.advance(time);
    caller.join();
    return out;
  }
  ManualClock clock_;
  Runtime runtime_{{.workers = 1, .clock = &clock_}};
};

TEST_F(TcpConnect, AFirstAddressThatSaysNothingLeavesTimeForTheNext) {
  const UnresponsivePort silent(2);
  FaultServer server([](FaultConnection& peer) { peer.stall(); });
  const Outcome out = connect({loopback(2, silent.port()), loopback(1, server.port())}, 5s,
                              [&] { return silent.attempted(); });
  EXPECT_TRUE(out.connected);
  EXPECT_EQ(out.thrown, ErrorCode::unknown);
}

TEST_F(TcpConnect, TheLastAddressHasAllTheTimeThatIsLeft) {
  const UnresponsivePort silent(2);
  const Outcome out = connect({loopback(1, refused_port()), loopback(2, silent.port())}, 10s,
                              [&] { return silent.attempted(); });
  EXPECT_FALSE(out.connected);
  EXPECT_EQ(out.thrown, ErrorCode::deadline_exceeded);
}

TEST_F(TcpConnect, SaysWhyTheLastAddressFailed) {
  const auto never = [] { return false; };
  const Outcome out = connect({loopback(1, refused_port()), loopback(2, refused_port())}, 0s, never);
  EXPECT_FALSE(out.connected);
  EXPECT_EQ(out.error, ECONNREFUSED);
  EXPECT_EQ(connect({}, 0s, never).error, EADDRNOTAVAIL);
}

}  // namespace
}  // namespace beluga::detail
