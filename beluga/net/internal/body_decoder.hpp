#pragma once
/// Undoes a content coding (RFC 9110 section 8.4.1) piece by piece, in memory that does not depend on the
/// body's size.

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace beluga::detail {

class BodyDecoder {
 public:
  /// For "gzip", "x-gzip", "deflate" and "br". Null for any other coding.
  static std::unique_ptr<BodyDecoder> make(std::string_view coding);
  /// What to put into Accept-Encoding.
  static std::string_view accepted() noexcept;

  virtual ~BodyDecoder() = default;
  /// Consumes from the front of `in` and returns how many bytes it wrote to `out`. 0: it needs more input.
  /// Throws Error{data_loss} for input that is corrupt.
  virtual std::size_t decode(std::string_view& in, std::span<char> out) = 0;
  /// Whether the coded data is complete, or has not begun: the body may end here.
  virtual bool complete() const noexcept = 0;
};

}  // namespace beluga::detail
