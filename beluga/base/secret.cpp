#include "beluga/base/secret.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <system_error>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {
/// No key is longer; a path to something else (a disk, a log) is a mistake.
constexpr std::size_t kLongest = 64 * 1024;
}  // namespace

struct Secret::Bytes {
  explicit Bytes(std::string_view text) : size(text.size()), data(new char[text.size()]) {
    std::memcpy(data.get(), text.data(), size);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { ::explicit_bzero(data.get(), size); }

  std::size_t size;
  std::unique_ptr<char[]> data;
};

Secret::Secret(std::string value) {
  if (!value.empty()) value_ = std::make_shared<const Bytes>(value);
  wipe(value);
}

Secret Secret::from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0')
    raise(Error(ErrorCode::failed_precondition, "the environment variable " + name + " is " +
                                                    (value == nullptr ? "not set" : "empty") +
                                                    "; it must hold the secret"));
  return Secret(std::string(value));
}

Secret Secret::from_file(const std::string& path, std::string* warning) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (!fs::exists(status)) raise(Error(ErrorCode::not_found, "the secret file " + path + " does not exist"));
  if (fs::is_directory(status))
    raise(Error(ErrorCode::failed_precondition, "the secret file " + path + " is a directory"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    raise(Error(ErrorCode::permission_denied,
                "the secret file " + path +
                    " cannot be read: " + std::system_category().message(errno != 0 ? errno : EACCES)));
  std::string text(kLongest + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto got = static_cast<std::size_t>(file.gcount());
  std::size_t length = got;
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) --length;
  if (length == 0 || got > kLongest) {
    wipe(text);
    raise(
        Error(ErrorCode::failed_precondition,
              "the secret file " + path + (length == 0 ? " is empty" : " is longer than 64 KiB: not a key")));
  }
  Secret out;
  out.value_ = std::make_shared<const Bytes>(std::string_view(text).substr(0, length));
  wipe(text);
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  if (warning != nullptr && (status.permissions() & others) != fs::perms::none)
    *warning = "the secret file " + path + " is open to others than its owner; run: chmod 600 " + path;
  return out;
}

std::string_view Secret::reveal() const noexcept {
  return value_ == nullptr ? std::string_view() : std::string_view(value_->data.get(), value_->size);
}

bool Secret::same(const Secret& other) const noexcept {
  const std::string_view a = reveal();
  const std::string_view b = other.reveal();
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return difference == 0;
}

std::string_view to_string(const Secret& secret) noexcept {
  return secret.empty() ? "[no secret]" : "[redacted]";
}

std::ostream& operator<<(std::ostream& out, const Secret& secret) {
  return out << to_string(secret);
}

void wipe(std::string& text) noexcept {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace beluga
