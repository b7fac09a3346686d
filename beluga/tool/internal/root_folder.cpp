#include "beluga/tool/internal/root_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/fiber/context.hpp"

namespace beluga::detail {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  const std::string shown = "'" + path.substr(0, 300) + "'";
  if (error == ENOENT || error == ENOTDIR)
    raise(Error(ErrorCode::not_found, shown + " does not exist; list_files shows what does"));
  if (error == EXDEV || error == ELOOP)
    raise(Error(ErrorCode::permission_denied,
                shown + " leads outside the folder that may be read; use a path relative to it"));
  if (error == EACCES || error == EPERM)
    raise(Error(ErrorCode::permission_denied, shown + " may not be read"));
  if (error == ENAMETOOLONG) raise(Error(ErrorCode::invalid_argument, shown + ": the path is too long"));
  raise(Error(ErrorCode::internal, shown + ": " + std::strerror(error)));
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

RootFolder::RootFolder(const std::string& path)
    : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_.get() < 0)
    raise(Error(ErrorCode::not_found, "root folder '" + path + "': " + std::strerror(errno)));
}

Fd RootFolder::open(const std::string& path, int flags) const {
  if (path.find('\0') != std::string::npos)
    raise(Error(ErrorCode::invalid_argument, "the path contains a zero byte"));
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, fd_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    // EAGAIN: the tree changed during resolution (openat2(2)).
    if ((errno != EAGAIN && errno != EINTR) || attempt > 16) fail(path, errno);
  }
}

std::string RootFolder::read(const std::string& path, std::size_t max_bytes) const {
  const Fd file = open(path, O_RDONLY);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail(path, errno);
  if (S_ISDIR(info.st_mode))
    raise(Error(ErrorCode::failed_precondition, "'" + path + "' is a folder; use list_files"));
  if (!S_ISREG(info.st_mode))
    raise(Error(ErrorCode::failed_precondition, "'" + path + "' is not a regular file"));
  std::string data;
  while (data.size() < max_bytes) {
    const std::size_t before = data.size();
    const std::size_t want = std::min<std::size_t>(max_bytes - before, 256 * 1024);
    data.resize(before + want);
    const ssize_t got = ::read(file.get(), data.data() + before, want);
    if (got < 0 && errno == EINTR) {
      data.resize(before);
      continue;
    }
    if (got < 0) fail(path, errno);
    data.resize(before + static_cast<std::size_t>(got));
    if (got == 0) break;
    Context::current().check();
  }
  return data;
}

void RootFolder::walk(const std::string& path, unsigned max_depth,
                      const std::function<bool(const File&)>& visit) const {
  std::string prefix = path == "." ? "" : path;
  while (prefix.starts_with("./")) prefix.erase(0, 2);
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  Fd fd = open(path, O_RDONLY);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0 || (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)))
    raise(Error(ErrorCode::failed_precondition, "'" + path + "' is neither a folder nor a regular file"));
  if (S_ISREG(info.st_mode))
    visit({prefix, static_cast<std::size_t>(info.st_size), false});
  else
    walk_folder(std::move(fd), prefix, max_depth, visit);
}

bool RootFolder::walk_folder(Fd folder, const std::string& prefix, unsigned depth,
                             const std::function<bool(const File&)>& visit) const {
  constexpr std::size_t kMaxNames = 100'000;
  Context::current().check();
  struct Close {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  const std::unique_ptr<DIR, Close> dir(::fdopendir(folder.get()));
  if (!dir) return true;
  folder.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    if (names.size() >= kMaxNames) break;
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    struct stat info{};
    if (::fstatat(::dirfd(dir.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;  // gone meanwhile
    File file{prefix.empty() ? name : prefix + "/" + name, static_cast<std::size_t>(info.st_size),
              S_ISDIR(info.st_mode)};
    if (!file.folder && !S_ISREG(info.st_mode)) continue;
    if (!visit(file)) return false;
    if (!file.folder || depth == 0) continue;
    Fd child(::openat(::dirfd(dir.get()), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child.get() >= 0 && !walk_folder(std::move(child), file.path, depth - 1, visit)) return false;
  }
  return true;
}

bool glob_matches(std::string_view pattern, std::string_view path) {
  if (pattern.find('/') == std::string_view::npos && pattern != "**") path = path.substr(path.rfind('/') + 1);
  // Row by row over the pattern: reach[i] tells whether the pattern so far matches path[0, i). Quadratic,
  // never more.
  std::vector<char> reach(path.size() + 1, 0);
  reach[0] = 1;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    std::vector<char> next(path.size() + 1, 0);
    if (pattern[p] == '*') {
      const bool deep = p + 1 < pattern.size() && pattern[p + 1] == '*';
      for (std::size_t i = 0; i <= path.size(); ++i)
        next[i] =
            static_cast<char>(reach[i] != 0 || (i > 0 && next[i - 1] != 0 && (deep || path[i - 1] != '/')));
      if (deep) {
        ++p;
        if (p + 1 < pattern.size() && pattern[p + 1] == '/') {  // "**/" is also nothing at all
          ++p;
          std::vector<char> after(path.size() + 1, 0);
          for (std::size_t i = 0; i <= path.size(); ++i)
            after[i] = static_cast<char>(reach[i] != 0 || (i > 0 && path[i - 1] == '/' && next[i - 1] != 0));
          next = std::move(after);
        }
      }
    } else {
      for (std::size_t i = 1; i <= path.size(); ++i)
        next[i] = static_cast<char>(reach[i - 1] != 0 &&
                                    (pattern[p] == path[i - 1] || (pattern[p] == '?' && path[i - 1] != '/')));
    }
    reach = std::move(next);
  }
  return reach[path.size()] != 0;
}

bool looks_binary(std::string_view data) noexcept {
  return data.substr(0, 8192).find('\0') != std::string_view::npos;
}

}  // namespace beluga::detail
