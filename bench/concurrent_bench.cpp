/// 10,000 agents stream at once over real sockets, in one process on one core: resident memory per run,
/// processor time per token, and whether each run completes. The peer is a small server in a process of its
/// own, so that its memory and time do not count; it begins to send when all streams are open.
///
///     ./dev bench concurrent
///     build/bench/concurrent_bench --streams 10000 --chunks 20 --interval-ms 500

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/observe/telemetry.hpp"

namespace {

using Steady = std::chrono::steady_clock;

struct Options {
  int streams = 10'000;
  int chunks = 20;
  int interval_ms = 500;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "concurrent_bench: %s\n", what.c_str());
  std::exit(1);
}

void pin_to(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // a machine with one core only measures both on it
}

void allow_files(int streams) {
  const rlim_t needed = static_cast<rlim_t>(streams) + 100;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed)
    die("this process may open " + std::to_string(limit.rlim_max) + " files and needs " +
        std::to_string(needed) +
        "; raise the hard limit (ulimit -Hn, or LimitNOFILE= of the service) or use --streams " +
        std::to_string(limit.rlim_max > 200 ? limit.rlim_max - 100 : 100));
  limit.rlim_cur = needed;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) die("could not raise the number of open files");
}

// ---- the peer: accepts, waits until all have asked, then sends a chunk to each at every tick

std::string chunked(std::string_view data) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return std::string(size).append(data).append("\r\n");
}

std::string event(std::string_view choice, std::string_view usage = "") {
  return chunked(
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[)" +
      std::string(choice) + "]" + std::string(usage) + "}\n\n");
}

int serve(const Options& options) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 8192) != 0)
    die("the peer cannot listen");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);

  struct Peer {
    std::string request;
    std::string unsent;
  };
  std::vector<Peer> peers(static_cast<std::size_t>(options.streams) + 200);
  std::vector<int> open;
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{.events = EPOLLIN, .data = {.fd = listener}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
  const auto flush = [&peers](int fd) {
    std::string& out = peers[static_cast<std::size_t>(fd)].unsent;
    const ssize_t sent = ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    if (sent > 0) out.erase(0, static_cast<std::size_t>(sent));
  };
  int asked = 0;
  std::vector<epoll_event> ready(1024);
  while (asked < options.streams) {
    const int n = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (int client;
             (client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
          if (static_cast<std::size_t>(client) >= peers.size()) die("the peer has too many connections");
          const int on = 1;
          ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          epoll_event in{.events = EPOLLIN, .data = {.fd = client}};
          ::epoll_ctl(epoll, EPOLL_CTL_ADD, client, &in);
        }
        continue;
      }
      char text[8192];
      const ssize_t got = ::recv(fd, text, sizeof text, 0);
      Peer& peer = peers[static_cast<std::size_t>(fd)];
      if (got <= 0) {
        if (got < 0 && errno == EAGAIN) continue;
        ::close(fd);
        peer = {};
        continue;
      }
      peer.request.append(text, static_cast<std::size_t>(got));
      const std::size_t head = peer.request.find("\r\n\r\n");
      const std::size_t length_at = peer.request.find("Content-Length: ");
      if (head == std::string::npos || length_at == std::string::npos) continue;
      const auto length = std::strtoul(peer.request.c_str() + length_at + 16, nullptr, 10);
      if (peer.request.size() < head + 4 + length) continue;
      std::string().swap(peer.request);
      ++asked;
      open.push_back(fd);
      peer.unsent =
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
          event(R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null})");
      flush(fd);
    }
  }
  const std::string token = event(R"({"index":0,"delta":{"content":" token"},"finish_reason":null})");
  auto next = Steady::now();
  for (int i = 0; i < options.chunks; ++i) {
    next += std::chrono::milliseconds(options.interval_ms);
    std::this_thread::sleep_until(next);
    for (const int fd : open) {
      peers[static_cast<std::size_t>(fd)].unsent += token;
      flush(fd);
    }
  }
  const std::string last =
      event(R"({"index":0,"delta":{},"finish_reason":"stop"})") +
      event("", R"(,"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30})") +
      chunked("data: [DONE]\n\n") + "0\r\n\r\n";
  for (const int fd : open) peers[static_cast<std::size_t>(fd)].unsent += last;
  for (std::size_t left = open.size(); left > 0;) {
    left = 0;
    for (const int fd : open) {
      if (!peers[static_cast<std::size_t>(fd)].unsent.empty()) flush(fd);
      left += peers[static_cast<std::size_t>(fd)].unsent.empty() ? 0U : 1U;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Until the other side has gone: closing first would cut what is still on its way.
  char end;
  while (::read(STDIN_FILENO, &end, 1) > 0) {
  }
  return 0;
}

// ---- the measured process

std::size_t status_kib(const char* key) {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  char line[256];
  std::size_t kib = 0;
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr)
    if (std::strncmp(line, key, std::strlen(key)) == 0)
      kib = std::strtoul(line + std::strlen(key), nullptr, 10);
  if (file != nullptr) std::fclose(file);
  return kib;
}

struct CpuTime {
  double user = 0;
  double system = 0;
  static CpuTime now() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
  }
};

int measure(const Options& options, int port) {
  using namespace beluga;
  const auto n = static_cast<std::size_t>(options.streams);
  Runtime runtime({.workers = 1});
  const Agent agent{
      {.model = llm::open("openai/bench", {.api_key = Secret("sk-bench"),
                                           .base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1",
                                           .max_retries = 0}),
       .persona = {.role = "helpful assistant"},
       .telemetry = observe::Telemetry::create({.tracing = true})}};
  const std::size_t before_kib = status_kib("VmRSS:");
  const auto start = Steady::now();
  const CpuTime cpu_start = CpuTime::now();
  std::size_t opened = 0, completed = 0, tokens = 0, open_kib = 0;
  std::string first_error;
  CpuTime cpu_open;
  double open_seconds = 0;
  runtime.run([&] {
    Scope scope(Scope::OnFailure::keep_going);
    for (std::size_t i = 0; i < n; ++i)
      scope.spawn("client", [&] {
        bool first = true;
        for (const Event& event : agent.stream("Tell me about token streams.")) {
          if (event.get_if<TextDelta>() != nullptr) {
            ++tokens;
            if (std::exchange(first, false) && ++opened == n) {
              open_kib = status_kib("VmRSS:");
              cpu_open = CpuTime::now();
              open_seconds = std::chrono::duration<double>(Steady::now() - start).count();
            }
          }
          if (event.get_if<RunCompleted>() != nullptr) ++completed;
          if (const auto* failed = event.get_if<RunFailed>(); failed != nullptr && first_error.empty())
            first_error = failed->error.what();
        }
      });
    scope.join();
  });
  const CpuTime cpu_end = CpuTime::now();
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  const std::size_t peak_kib = status_kib("VmHWM:");

  std::printf("%zu of %zu runs completed, %zu tokens, %.1f s\n", completed, n, tokens, seconds);
  if (!first_error.empty()) std::printf("first error: %s\n", first_error.c_str());
  std::printf("all open and streaming after %.1f s\n", open_seconds);
  std::printf(
      "resident: %.1f MB before, %.1f MB with all open, %.1f MB at the peak; %.1f KB a run at the peak\n",
      static_cast<double>(before_kib) / 1000 * 1.024, static_cast<double>(open_kib) / 1000 * 1.024,
      static_cast<double>(peak_kib) / 1000 * 1.024,
      static_cast<double>(peak_kib - before_kib) * 1.024 / static_cast<double>(n));
  std::printf(
      "processor: %.0f us a run to connect and ask (%.0f user, %.0f system)\n",
      (cpu_open.user + cpu_open.system - cpu_start.user - cpu_start.system) / static_cast<double>(n) * 1e6,
      (cpu_open.user - cpu_start.user) / static_cast<double>(n) * 1e6,
      (cpu_open.system - cpu_start.system) / static_cast<double>(n) * 1e6);
  const double later = static_cast<double>(tokens > n ? tokens - n : 1);
  std::printf(
      "processor: %.1f us a token at one token a read (%.1f user, %.1f system), the ends of the runs "
      "included\n",
      (cpu_end.user + cpu_end.system - cpu_open.user - cpu_open.system) / later * 1e6,
      (cpu_end.user - cpu_open.user) / later * 1e6, (cpu_end.system - cpu_open.system) / later * 1e6);
  const bool good = completed == n && peak_kib * 1024 < 400'000'000;
  std::printf("%s: goal is that all complete in less than 400 MB\n", good ? "met" : "MISSED");
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  bool peer = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view flag = arguments[i];
    const auto number = [&] { return i + 1 < count ? std::atoi(arguments[++i]) : 0; };
    if (flag == "--peer")
      peer = true;
    else if (flag == "--streams")
      options.streams = number();
    else if (flag == "--chunks")
      options.chunks = number();
    else if (flag == "--interval-ms")
      options.interval_ms = number();
    else
      die("unknown flag " + std::string(flag));
  }
  if (options.streams < 1 || options.chunks < 2) die("--streams and --chunks want more");
  allow_files(options.streams);
  if (peer) {
    pin_to(1);
    return serve(options);
  }

  int to_peer[2];
  int from_peer[2];
  if (::pipe2(to_peer, O_CLOEXEC) != 0 || ::pipe2(from_peer, O_CLOEXEC) != 0) die("no pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to_peer[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from_peer[1], STDOUT_FILENO);
  std::vector<std::string> words{"concurrent_bench", "--peer",
                                 "--streams",        std::to_string(options.streams),
                                 "--chunks",         std::to_string(options.chunks),
                                 "--interval-ms",    std::to_string(options.interval_ms)};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ) != 0) die("no peer");
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to_peer[0]);
  ::close(from_peer[1]);
  char text[16] = {};
  if (::read(from_peer[0], text, sizeof text - 1) <= 0) die("the peer did not start");

  pin_to(0);
  const int result = measure(options, std::atoi(text));
  ::close(to_peer[1]);
  ::waitpid(child, nullptr, 0);
  return result;
}
