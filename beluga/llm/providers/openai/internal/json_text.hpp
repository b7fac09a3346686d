#pragma once
// Joins the pieces of a text that arrives as many JSON strings.
#include <cstdint>
#include <string>
#include <string_view>

namespace beluga::llm::openai {

/// Unescapes JSON strings one after the other. A server that cuts text at UTF-16 units sends the halves of a
/// character beyond U+FFFF in two strings ("\ud83d", "\udc0b"): they are joined; a half without its other
/// half becomes U+FFFD.
class JsonText {
 public:
  /// A first half waits for its second.
  bool waiting() const noexcept { return high_ != 0; }
  /// Appends what `token` (a JSON string with its quotes, of valid UTF-8) means. False when it has a bad
  /// escape.
  bool append(std::string_view token, std::string& out);
  /// Nothing follows.
  void end(std::string& out);

 private:
  std::uint32_t high_ = 0;
};

}  // namespace beluga::llm::openai
