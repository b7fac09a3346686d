// HttpClient beside plain libcurl in one run, against a server of the test kit in the same process. What is
// counted is the CPU time of the client's thread alone.
//
//   http_client_bench
#include <curl/curl.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/sse.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace {

using namespace beluga;
using testing::FaultConnection;
using testing::FaultServer;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kInFlight = 64;
constexpr std::size_t kRequests = 20'000;
constexpr std::size_t kEvents = 200'000;
constexpr std::size_t kEventsPerWrite = 16;

double thread_cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

struct Cost {
  double cpu_us;
  double wall_us;
};

/// CPU of this thread and wall time of `work`, divided by `count`.
Cost measure(std::size_t count, const std::function<void()>& work) {
  const double cpu = thread_cpu_us();
  const auto wall = SteadyClock::now();
  work();
  const auto n = static_cast<double>(count);
  return {(thread_cpu_us() - cpu) / n,
          std::chrono::duration<double, std::micro>(SteadyClock::now() - wall).count() / n};
}

void print(const char* what, Cost cost) {
  std::printf("%-46s %8.2f us CPU %8.2f us wall\n", what, cost.cpu_us, cost.wall_us);
}

const std::string kBody(200, 'x');

std::size_t discard(char*, std::size_t size, std::size_t count, void*) {
  return size * count;
}

CURL* raw_post(const std::string& url, curl_slist* headers) {
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, kBody.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &discard);
  return easy;
}

void raw_multi(const std::string& url, curl_slist* headers) {
  CURLM* multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(kInFlight));
  std::size_t started = 0;
  std::size_t ended = 0;
  std::vector<CURL*> handles;
  for (; started < kInFlight; ++started) {
    handles.push_back(raw_post(url, headers));
    curl_multi_add_handle(multi, handles.back());
  }
  while (ended < kRequests) {
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      ++ended;
      curl_multi_remove_handle(multi, message->easy_handle);
      if (started < kRequests) {
        ++started;
        curl_multi_add_handle(multi, message->easy_handle);
      }
    }
    if (ended < kRequests) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
  }
  for (CURL* easy : handles) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
}

/// What a hand-written client does: collect bytes, cut at the blank line.
struct Splitter {
  std::string buffer;
  std::size_t events = 0;
  static std::size_t take(char* data, std::size_t size, std::size_t count, void* object) {
    auto& self = *static_cast<Splitter*>(object);
    self.buffer.append(data, size * count);
    std::size_t at = 0;
    for (std::size_t end = 0; (end = self.buffer.find("\n\n", at)) != std::string::npos; at = end + 2)
      ++self.events;
    self.buffer.erase(0, at);
    return size * count;
  }
};

void percentiles(const char* what, std::vector<double> us) {
  std::ranges::sort(us);
  std::printf("%-46s p50 %6.0f us   p95 %6.0f us   max %6.0f us\n", what, us[us.size() / 2],
              us[us.size() * 95 / 100], us.back());
}

}  // namespace

int main() {
  const HttpClient client({.proxy = {}, .max_idle_connections = kInFlight});
  Runtime runtime({.workers = 1});

  {
    FaultServer server(FaultServer::always(testing::http_response("200 OK", "", std::string(300, 'y'))));
    curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    const HttpRequest post{.method = "POST",
                           .url = server.url(),
                           .headers = {{"Content-Type", "application/json"}},
                           .body = kBody};
    const auto ours = [&](std::size_t fibers, std::size_t requests) {
      return runtime.run([&] {
        return measure(requests, [&] {
          Scope scope;
          for (std::size_t f = 0; f < fibers; ++f) {
            scope.spawn("post", [&, each = requests / fibers] {
              for (std::size_t i = 0; i < each; ++i) client.send(post);
            });
          }
          scope.join();
        });
      });
    };
    ours(kInFlight, 2000);  // warm-up
    print("small POST, 64 in flight, HttpClient", ours(kInFlight, kRequests));
    print("small POST, 64 in flight, libcurl multi",
          measure(kRequests, [&] { raw_multi(server.url(), headers); }));
    print("small POST, one after another, HttpClient", ours(1, kRequests / 4));
    CURL* easy = raw_post(server.url(), headers);
    print("small POST, one after another, libcurl easy", measure(kRequests / 4, [&] {
            for (std::size_t i = 0; i < kRequests / 4; ++i) curl_easy_perform(easy);
          }));
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }

  {
    const std::string event = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}],\"pad\":\"" +
                              std::string(203, 'x') + "\"}\n\n";
    std::string write;
    for (std::size_t i = 0; i < kEventsPerWrite; ++i) write += event;
    FaultServer server([&](FaultConnection& peer) {
      peer.read_request();
      peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
      const std::string chunk = testing::http_chunk(write);
      for (std::size_t i = 0; i < kEvents / kEventsPerWrite; ++i) peer.send(chunk);
      peer.send("0\r\n\r\n");
    });
    print("SSE event, 16 a write, HttpClient + SseParser", runtime.run([&] {
      return measure(kEvents, [&] {
        HttpExchange exchange = client.open({.url = server.url()});
        SseParser parser;
        std::size_t events = 0;
        while (parser.next_from(exchange) != nullptr) ++events;
        if (events != kEvents) std::abort();
      });
    }));
    print("SSE event, 16 a write, libcurl easy + find", measure(kEvents, [&] {
            Splitter splitter;
            CURL* easy = curl_easy_init();
            curl_easy_setopt(easy, CURLOPT_URL, server.url().c_str());
            curl_easy_setopt(easy, CURLOPT_PROXY, "");
            curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Splitter::take);
            curl_easy_setopt(easy, CURLOPT_WRITEDATA, &splitter);
            curl_easy_perform(easy);
            curl_easy_cleanup(easy);
            if (splitter.events != kEvents) std::abort();
          }));
  }

  {
    FaultServer server([](FaultConnection& peer) {
      peer.read_request();
      peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
      peer.stall();
    });
    std::vector<double> caller;
    std::vector<double> wire;
    for (int i = 0; i < 300; ++i) {
      const CancelSource source;
      testing::Gate waiting;
      SteadyClock::time_point begun;
      SteadyClock::time_point seen;
      std::thread other;
      runtime.run([&] {
        const ContextScope scope(Context::current().with_cancel(source.token()));
        HttpExchange exchange = client.open({.url = server.url()});
        exchange.read();
        other = std::thread([&] {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the reader is parked by then
          begun = SteadyClock::now();
          source.cancel();
        });
        const auto outcome = attempt([&] { exchange.read(); });
        seen = SteadyClock::now();
        if (outcome.ok()) std::abort();
      });
      other.join();
      if (!server.wait_until_open_at_most(0)) std::abort();
      caller.push_back(std::chrono::duration<double, std::micro>(seen - begun).count());
      wire.push_back(std::chrono::duration<double, std::micro>(server.last_end() - begun).count());
    }
    percentiles("cancel of a silent stream, until read() throws", caller);
    percentiles("cancel of a silent stream, until the peer knows", wire);
  }
}
