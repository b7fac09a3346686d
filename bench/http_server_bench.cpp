// The HTTP server beside nginx: a small JSON answer over kept connections, asked for by wrk, with one worker
// on each side; and what a silent event stream costs in memory. Requests per second of CPU time (user and
// system) of the server process stay comparable on a busy machine, those per second of the clock do not.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "beluga/fiber/runtime.hpp"
#include "beluga/net/http_server.hpp"
#include "beluga/net/internal/raw_peer.hpp"
#include "tests/support/memory.hpp"

namespace {

using beluga::HttpServer;
using beluga::HttpServerRequest;
using beluga::HttpServerResponse;
using beluga::testing_support::RawPeer;

constexpr const char* kJson = R"({"id":"01J9ZK3T5V","object":"reply","text":"a small answer"})";
constexpr int kRounds = 3;

std::string run(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  while (pipe != nullptr && ::fgets(buffer, sizeof(buffer), pipe) != nullptr) out += buffer;
  if (pipe == nullptr || ::pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + out);
  return out;
}

/// User and system time of a process in seconds (proc(5), stat, fields 14 and 15).
double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("there is no process " + std::to_string(pid));
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

struct Rate {
  double per_second = 0, per_cpu_second = 0;
};

Rate load(pid_t server, const std::string& url) {
  const double before = cpu_seconds(server);
  const std::string text = run("wrk -t1 -c64 -d4s " + url);
  const double cpu = cpu_seconds(server) - before;
  if (text.find("Non-2xx") != std::string::npos || text.find("Socket errors") != std::string::npos)
    throw std::runtime_error(text);
  double requests = 0;
  const std::size_t at = text.find(" requests in ");
  std::istringstream(text.substr(text.rfind('\n', at) + 1)) >> requests;
  Rate rate;
  std::istringstream(text.substr(text.find("Requests/sec:") + 13)) >> rate.per_second;
  rate.per_cpu_second = requests / cpu;
  return rate;
}

class Nginx {
 public:
  explicit Nginx(int port) {
    char name[] = "/tmp/beluga-bench-XXXXXX";
    folder_ = ::mkdtemp(name);
    std::ofstream(folder_ + "/nginx.conf")
        << "worker_processes 1; pid " << folder_ << "/pid; error_log " << folder_ << "/errors error;\n"
        << "events { worker_connections 1024; }\nhttp { access_log off; keepalive_requests 1000000000; "
        << "client_body_temp_path " << folder_ << "/b; proxy_temp_path " << folder_
        << "/p; fastcgi_temp_path " << folder_ << "/f; uwsgi_temp_path " << folder_ << "/u; scgi_temp_path "
        << folder_ << "/s;\n"
        << "server { listen 127.0.0.1:" << port
        << "; default_type application/json; location / { return 200 '" << kJson << "'; } } }\n";
    run("nginx -p " + folder_ + " -c " + folder_ + "/nginx.conf");
    std::ifstream(folder_ + "/pid") >> master_;
    // It goes into the background before it has its worker.
    for (int i = 0; i < 1000 && worker_ == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      std::ifstream("/proc/" + std::to_string(master_) + "/task/" + std::to_string(master_) + "/children") >>
          worker_;
    }
  }
  ~Nginx() {
    if (master_ > 0) ::kill(master_, SIGTERM);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;
  pid_t worker() const { return worker_; }

 private:
  std::string folder_;
  pid_t master_ = 0, worker_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void small_answers() {
  int nginx_port = 0;
  beluga::Runtime runtime({.workers = 1});
  const auto server = runtime.run([&] {
    return std::make_unique<HttpServer>(
        beluga::HttpServerOptions{.limits = {.requests_per_connection = 1'000'000'000}},
        [](HttpServerRequest&, HttpServerResponse& response) {
          response.send(200, "application/json", kJson);
        });
  });
  {
    const HttpServer picker({}, [](HttpServerRequest&, HttpServerResponse&) {});
    nginx_port = picker.port();
  }
  const Nginx nginx(nginx_port);
  const std::string peer = "http://127.0.0.1:" + std::to_string(nginx_port) + "/";
  run("curl -sS -f --noproxy '*' --retry 20 --retry-connrefused --retry-delay 1 " + peer + " && echo");
  std::vector<double> ours, theirs, ours_cpu, theirs_cpu;
  for (int round = 0; round < kRounds; ++round) {  // in turn, so that what else runs hits both
    const Rate us = load(::getpid(), server->url() + "/");
    const Rate them = load(nginx.worker(), peer);
    ours.push_back(us.per_second), ours_cpu.push_back(us.per_cpu_second);
    theirs.push_back(them.per_second), theirs_cpu.push_back(them.per_cpu_second);
  }
  std::printf("small JSON answer, one worker, 64 connections, median of %d\n", kRounds);
  std::printf("  beluga %8.0f per second, %8.0f per CPU second\n", median(ours), median(ours_cpu));
  std::printf("  nginx  %8.0f per second, %8.0f per CPU second\n", median(theirs), median(theirs_cpu));
  std::printf("  ratio  %8.2f             %8.2f\n", median(ours) / median(theirs),
              median(ours_cpu) / median(theirs_cpu));
}

void silent_streams() {
  constexpr int kStreams = 1'000;
  HttpServer server({.limits = {.connections_per_address = 2'000}},
                    [](HttpServerRequest&, HttpServerResponse& response) {
                      response.sse().send({.data = "hello"});
                      beluga::sleep_for(std::chrono::hours(1));
                    });
  std::vector<RawPeer> clients;
  clients.reserve(kStreams + 1);
  long before = 0;
  for (int i = 0; i <= kStreams; ++i) {
    if (i == 1) before = beluga::testing_support::resident_kib();
    clients.emplace_back(server.port());
    clients.back().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)clients.back().until("hello\n\n\r\n");
  }
  const double each = static_cast<double>(beluga::testing_support::resident_kib() - before) / kStreams;
  std::printf("silent event stream: %.1f KiB resident each, of %d (the clients' side included)\n", each,
              kStreams);
}

}  // namespace

int main() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  try {
    silent_streams();
    small_answers();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
