#include "beluga/net/internal/websocket_core.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using detail::WebSocketOpcode;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using Core = WebSocket::Core;

/// A frame of a client, with a mask that changes nothing.
std::string frame(WebSocketOpcode opcode, std::string_view payload, bool last = true,
                  bool compressed = false) {
  return detail::frame_head(opcode, last, compressed, payload.size(), std::array<unsigned char, 4>{}) +
         std::string(payload);
}

std::string close_frame(int code) {
  return frame(WebSocketOpcode::close, std::string{static_cast<char>(code >> 8), static_cast<char>(code)});
}

/// The server's side of a WebSocket, on a worker that only the test keeps busy; the other end is a plain
/// socket in the hands of the test.
class WebSocketCore : public ::testing::Test {
 protected:
  ~WebSocketCore() override {
    if (peer_ >= 0) ::close(peer_);
  }
  /// On a fiber.
  std::shared_ptr<Core> start(const WebSocketLimits& limits = {}, std::string input = {},
                              detail::ConnectionPlace place = {}) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_ = ends[1];
    auto& io = detail::worker_io();
    std::optional<detail::DeflateAgreement> deflate;
    if (limits.compress) deflate.emplace();
    auto core = std::make_shared<Core>(Core::Side::server, io,
                                       std::make_unique<detail::Socket>(io, detail::FileDescriptor(ends[0])),
                                       std::move(input), limits, deflate, std::move(place));
    core->start();
    return core;
  }
  void send(std::string_view bytes) {
    EXPECT_EQ(::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// All that has come by now.
  std::string said() {
    char buffer[65536];
    for (ssize_t n = 0; (n = ::recv(peer_, buffer, sizeof buffer, 0)) > 0;)
      said_.append(buffer, static_cast<std::size_t>(n));
    return said_;
  }
  /// Lets the worker go on until `reached`.
  template <class F>
  static bool until(F reached) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!reached()) {
      if (std::chrono::steady_clock::now() > end) return false;
      yield_now();
    }
    return true;
  }
  bool until_said(std::string_view text) {
    return until([&] { return said().find(text) != std::string::npos; });
  }
  /// As if the worker had been held up: when it goes on, the timers come before the sockets.
  void come_back_after(Duration time) {
    clock_.advance(time);
    blocking([] {});
  }
  template <class F>
  void on_worker(F f) {
    runtime_.run(f);
  }

  ManualClock clock_;
  Runtime runtime_{{.workers = 1, .clock = &clock_}};
  int peer_ = -1;
  std::string said_;
};

TEST_F(WebSocketCore, ReadsAheadFourMessages) {
  on_worker([&] {
    std::string input;
    for (int i = 0; i < 4; ++i) input += frame(WebSocketOpcode::text, "short");
    const auto core = start({}, input + frame(WebSocketOpcode::ping, "behind"));
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_EQ(core->receive()->data, "short");
    EXPECT_TRUE(until_said("behind"));
    core->cut();
  });
}

TEST_F(WebSocketCore, ReadsNothingAheadOfALargeMessage) {
  on_worker([&] {
    const std::string large(300'000, 'x');
    const auto core = start({}, frame(WebSocketOpcode::text, "short") + frame(WebSocketOpcode::text, large) +
                                    frame(WebSocketOpcode::ping, "behind"));
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_EQ(core->receive()->data, "short");
    yield_now();
    EXPECT_THAT(said(), IsEmpty()) << "what fills the memory is bytes, not messages";
    EXPECT_EQ(core->receive()->data, large);
    EXPECT_TRUE(until_said("behind"));
    core->cut();
  });
}

TEST_F(WebSocketCore, LooksAtNoMessageAnyMoreOnceItCloses) {
  on_worker([&] {
    const auto core = start({.message_bytes = 1000, .compress = true});
    Scope scope;
    scope.spawn("closer", [&] { core->close(1000, ""); });
    EXPECT_TRUE(until_said("\x88\x02\x03\xe8"));
    // Each of these alone would be the end of an open connection.
    send(frame(WebSocketOpcode::text, "\xFF") + frame(WebSocketOpcode::binary, "\xFF\xFF", true, true) +
         frame(WebSocketOpcode::binary, std::string(5000, 'x')) + close_frame(1000));
    scope.join();
    EXPECT_EQ(core->ended->code, 1000);
  });
}

TEST_F(WebSocketCore, LosesNoPeerThatHasSpokenWhileTheWorkerWasAway) {
  on_worker([&] {
    const auto core = start({.idle_timeout = 60s});
    send(frame(WebSocketOpcode::pong, ""));
    come_back_after(1h);
    send(frame(WebSocketOpcode::ping, "here"));
    EXPECT_TRUE(until_said("here"));
    EXPECT_FALSE(core->has_ended());
    core->cut();
  });
}

TEST_F(WebSocketCore, LosesNoPeerThatHasTakenBytesWhileTheWorkerWasAway) {
  on_worker([&] {
    const auto core = start({.idle_timeout = 0s, .write_idle_timeout = 30s});
    Scope scope;
    const std::string large(4'000'000, 'x');
    scope.spawn("sender", [&] { core->send(Core::Kind::binary, large); });
    EXPECT_TRUE(until([&] { return !said().empty(); }));
    for (int i = 0; i < 10; ++i) {
      said();  // it takes what there is, but the worker does not get to know
      come_back_after(1h);
    }
    EXPECT_TRUE(until([&] { return said().size() >= large.size(); }));
    scope.join();
    EXPECT_FALSE(core->has_ended());
    core->cut();
  });
}

TEST_F(WebSocketCore, APongAnswersTheEarlierPingsToo) {
  on_worker([&] {
    const auto core = start();
    Scope scope(Scope::OnFailure::keep_going);
    const auto first = scope.spawn("first", [&] { core->send(Core::Kind::ping, {}); });
    EXPECT_TRUE(until_said("beluga 1"));
    const CancelSource impatience;
    const auto second = [&] {
      const ContextScope hurried(Context::current().with_cancel(impatience.token()));
      return scope.spawn("second", [&] { core->send(Core::Kind::ping, {}); });
    }();
    EXPECT_TRUE(until_said("beluga 2"));
    impatience.cancel();
    EXPECT_TRUE(until([&] { return second.ready(); }));
    for (const char* strange : {"", "idle", "beluga", "beluga x", "beluga 3", "beluga 18446744073709551616"})
      send(frame(WebSocketOpcode::pong, strange));
    send(frame(WebSocketOpcode::ping, "read"));
    EXPECT_TRUE(until_said("read"));
    EXPECT_FALSE(first.ready());
    send(frame(WebSocketOpcode::pong, "beluga 2"));
    EXPECT_TRUE(until([&] { return first.ready(); }));
    first.get();
    core->cut();
  });
}

TEST_F(WebSocketCore, KeepsItsPlaceUntilTheSocketIsClosed) {
  const auto places = std::make_shared<detail::ConnectionPlaces>(1, 1);
  on_worker([&] {
    const auto core = start({}, {}, *places->take("a"));
    EXPECT_EQ(places->taken(), 1U);
    send(close_frame(1000));
    EXPECT_TRUE(until([&] { return core->has_ended(); }));
    EXPECT_FALSE(core->receive());
    EXPECT_EQ(places->taken(), 1U) << "the socket is still there for the peer to hear the goodbye";
    ::close(std::exchange(peer_, -1));
    EXPECT_TRUE(until([&] { return places->taken() == 0; }));
  });
  on_worker([&] {
    const auto core = start({}, {}, *places->take("a"));
    core->cut();
    EXPECT_EQ(places->taken(), 0U);
  });
}

/// On a clock that jumps when nothing is under way.
class WebSocketCoreOnAJumpingClock : public WebSocketCore {
 protected:
  /// Fails instead of hanging when time stands still.
  template <class F>
  void finishes(F f) {
    auto done = std::async(std::launch::async, [&] { jumping_runtime_.run(f); });
    if (done.wait_for(60s) == std::future_status::ready) return done.get();
    ADD_FAILURE() << "time stands still";
    while (done.wait_for(1ms) != std::future_status::ready) jumping_.advance(1h);
  }
  ManualClock jumping_{ManualClock::Mode::jump_when_idle};
  Runtime jumping_runtime_{{.workers = 1, .clock = &jumping_}};
};

TEST_F(WebSocketCoreOnAJumpingClock, APingThatItsSenderGaveUpHoldsNoTime) {
  finishes([&] {
    const auto core = start({.idle_timeout = 0s});
    {
      Scope scope(Scope::OnFailure::keep_going);
      const auto ping = scope.spawn("ping", [&] { core->send(Core::Kind::ping, {}); });
      EXPECT_TRUE(until_said("beluga 1"));
    }
    sleep_for(1h);
    EXPECT_FALSE(core->has_ended());
    core->cut();
  });
}

TEST_F(WebSocketCoreOnAJumpingClock, ASilentPeerGetsItsTimeToAnswerAPing) {
  std::thread peer;
  finishes([&] {
    const auto core = start({.idle_timeout = 60s});
    peer = std::thread([fd = peer_] {
      const int flags = 0;
      for (char c = 0;;) {
        const ssize_t n = ::recv(fd, &c, 1, flags);
        if (n == 0) return;
        if (n < 0) {
          std::this_thread::yield();
          continue;
        }
        const std::string pong = frame(WebSocketOpcode::pong, "");
        if (c == 'e') (void)!::send(fd, pong.data(), pong.size(), MSG_NOSIGNAL);  // the end of "idle"
      }
    });
    sleep_for(10min);
    EXPECT_FALSE(core->has_ended());
    core->cut();
  });
  peer.join();
}

}  // namespace
}  // namespace beluga
