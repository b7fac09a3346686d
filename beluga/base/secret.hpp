#pragma once
/// `Secret` holds a key; it prints as "[redacted]" and its bytes are zeroed when the last copy goes.
///
///     Secret key = Secret::from_environment("OPENAI_API_KEY");
///     request.headers.add("Authorization", "Bearer " + std::string(key.reveal()));
///
/// There is no conversion to a string: whoever needs the bytes says reveal(), and a search for that word
/// finds every place. Thread-safety: immutable; copies share the bytes.

#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

namespace beluga {

class Secret {
 public:
  Secret() noexcept = default;
  /// Takes the bytes over and wipes `value`.
  explicit Secret(std::string value);

  /// The variable's value; Error{failed_precondition} naming the variable when it is not set or empty.
  static Secret from_environment(const std::string& name);
  /// The file's text without the line end. Error{not_found}, {permission_denied} or {failed_precondition}.
  /// When others than the owner can read the file, `warning` (when given) says so with the remedy.
  static Secret from_file(const std::string& path, std::string* warning = nullptr);

  bool empty() const noexcept { return value_ == nullptr; }
  /// The bytes; valid as long as any copy lives.
  std::string_view reveal() const noexcept;

  /// Takes the same time wherever the two differ.
  friend bool operator==(const Secret& a, const Secret& b) noexcept { return a.same(b); }

 private:
  struct Bytes;
  bool same(const Secret& other) const noexcept;
  std::shared_ptr<const Bytes> value_;
};

/// "[redacted]", or "[no secret]" when it is empty.
std::string_view to_string(const Secret& secret) noexcept;
std::ostream& operator<<(std::ostream& out, const Secret& secret);
/// fmt (10 and newer) prints it like to_string.
inline std::string_view format_as(const Secret& secret) noexcept {
  return to_string(secret);
}

/// Overwrites `text` with zeros, in a way no optimiser removes, and empties it.
void wipe(std::string& text) noexcept;

}  // namespace beluga
