#pragma once
/// ECMA-262 regular expressions (with the `u` flag) by PCRE2, for JSON Schema's `pattern`.

#include <memory>
#include <string>
#include <string_view>

namespace beluga::detail {

/// Thread-safety: immutable; matches from any thread at once.
class EcmaRegex {
 public:
  /// Throws Error{invalid_argument} with the offset for what is no expression.
  explicit EcmaRegex(std::string_view pattern);
  /// Whether it matches somewhere in `text`. Throws Error{resource_exhausted} when that takes too many steps.
  bool search(std::string_view text) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace beluga::detail
