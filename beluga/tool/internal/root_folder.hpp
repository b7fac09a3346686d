#pragma once
/// A folder that nothing below may leave.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace beluga::detail {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Thread-safety: immutable.
class RootFolder {
 public:
  /// Throws Error{not_found} when `path` is no folder.
  explicit RootFolder(const std::string& path);

  /// The first `max_bytes` bytes of a regular file. Throws Error: not_found, permission_denied (outside the
  /// root), failed_precondition (folder, pipe, device).
  std::string read(const std::string& path, std::size_t max_bytes) const;

  struct File {
    std::string path;  ///< relative to the root, with '/'
    std::size_t size = 0;
    bool folder = false;
  };
  /// Calls `visit` for what is below `path` in order of name, folders before their content, until it returns
  /// false; a regular file is below itself. Hidden names are left out, links to folders are not followed.
  void walk(const std::string& path, unsigned max_depth, const std::function<bool(const File&)>& visit) const;

 private:
  Fd open(const std::string& path, int flags) const;
  bool walk_folder(Fd folder, const std::string& prefix, unsigned depth,
                   const std::function<bool(const File&)>& visit) const;
  Fd fd_;
};

/// `*` and `?` stay within a name, `**` crosses folders; a pattern without '/' is matched against the last
/// name.
bool glob_matches(std::string_view pattern, std::string_view path);
/// Whether the beginning of `data` looks like anything but text.
bool looks_binary(std::string_view data) noexcept;

}  // namespace beluga::detail
