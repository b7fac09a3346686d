#pragma once
/// What the tests of the HTTP server and of its WebSockets share.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/http_server.hpp"

namespace beluga::testing_support {

inline std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n";
}

inline void echo(HttpServerRequest& request, HttpServerResponse& response) {
  response.send(std::string(request.method()) + " " + std::string(request.path()) + " " + request.body());
}

/// A handler that writes until it is stopped, and tells `outcome` by what.
inline HttpServer::Handler write_without_end(std::atomic<std::size_t>& written, Promise<ErrorCode>& outcome) {
  return [&](HttpServerRequest&, HttpServerResponse& response) {
    const std::string chunk(64 * 1024, 'x');
    try {
      for (;;) {
        response.write(chunk);
        written += chunk.size();
      }
    } catch (const Error& error) {
      outcome.set(error.code());
      throw;
    }
  };
}

/// The sockets that a test leaves behind are closed a moment later, on workers that would go on while the
/// process takes its statics apart. So the default runtime ends before main() does.
class DefaultRuntimeEnds : public testing::Environment {
 public:
  void TearDown() override {
    if (testing::GTEST_FLAG(repeat) == 1) (void)Runtime::current().shutdown(std::chrono::seconds(10));
  }
};
inline auto* const kDefaultRuntimeEnds = testing::AddGlobalTestEnvironment(new DefaultRuntimeEnds);

/// A server on a clock that stands still.
struct VirtualServer {
  ManualClock clock;
  Runtime runtime{{.workers = 1, .clock = &clock}};
  std::unique_ptr<HttpServer> server;

  VirtualServer(HttpServerOptions options, HttpServer::Handler handler) {
    runtime.run([&] { server = std::make_unique<HttpServer>(std::move(options), std::move(handler)); });
  }
  /// Moves the clock until `done`; how far it had to go. A minute of real time without it is a failure.
  template <class F>
  Duration advance_until(F done) {
    const TimePoint begin = clock.now();
    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!done()) {
      if (std::chrono::steady_clock::now() > patience) {
        ADD_FAILURE() << "the clock was moved for a minute, and what was waited for did not happen";
        break;
      }
      clock.advance(std::chrono::milliseconds(100));
      std::this_thread::yield();
    }
    return clock.now() - begin;
  }
};

}  // namespace beluga::testing_support
