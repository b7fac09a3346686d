#include "beluga/app/output.hpp"

#include <fcntl.h>
#include <langinfo.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <string>

#include "beluga/base/redact.hpp"
#include "beluga/base/terminal.hpp"

namespace beluga::app {
namespace {

int g_failure = 0;  // errno of the first write to stdout that failed; main thread only

void open_if_closed(int fd, const char* path, int flags) {
  if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) return;
  // The lowest free number is taken: fd, as those below it have been opened.
  [[maybe_unused]] const int opened = ::open(path, flags);
}

}  // namespace

void prepare_streams() {
  open_if_closed(STDIN_FILENO, "/dev/null", O_RDONLY);
  open_if_closed(STDOUT_FILENO, "/dev/full", O_WRONLY);  // an answer that nobody can get is a failure
  open_if_closed(STDERR_FILENO, "/dev/null", O_WRONLY);
  ::signal(SIGPIPE, SIG_IGN);  // a reader that has left is an error of the write
  // The line editor drops what its locale does not know. All our text is UTF-8, whatever the user's locale.
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

void notice(std::string_view line) {
  std::string text = "beluga: ";
  text += redact(strip_terminal_controls(line));
  text += '\n';
  print_error(text);
}

void print_error(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

bool print(std::string_view text) {
  if (g_failure != 0) return false;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return true;
  g_failure = errno != 0 ? errno : EIO;
  return false;
}

int finish_output(int code) {
  print("");
  if (g_failure == 0) return code;
  if (g_failure != EPIPE) notice(std::string("cannot write to stdout: ") + std::strerror(g_failure));
  return code == 0 ? 1 : code;
}

}  // namespace beluga::app
