// Text: UTF-8 repair, the terminal stripper, base 64, durations, sizes and redaction, each against its law.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "beluga/base/base64.hpp"
#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/human.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/base/utf8.hpp"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace beluga;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = text.empty() ? 0 : data[0] % (text.size() + 1);

  const std::string clean = sanitize_utf8(text);
  require(is_valid_utf8(clean), "sanitized text is UTF-8");
  require(is_valid_utf8(text) == (clean == text), "valid text is left alone, other text is not");
  require(is_valid_utf8(truncate_utf8(clean, cut)), "a cut text is UTF-8");
  std::string joined;
  std::size_t count = 0;
  for (const std::string_view c : CodePoints(text)) {
    joined += c;
    ++count;
  }
  require(joined == text && count == count_code_points(text), "code points cover the text");

  std::string streamed;
  Utf8Sanitizer sanitizer;
  sanitizer.feed(text.substr(0, cut), streamed);
  sanitizer.feed(text.substr(cut), streamed);
  sanitizer.finish(streamed);
  require(streamed == clean, "a stream is sanitized like the whole");

  const std::string shown = strip_terminal_controls(text);
  require(is_valid_utf8(shown), "shown text is UTF-8");
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const auto c = static_cast<unsigned char>(shown[i]);
    require(c >= 0x20 || c == '\n' || c == '\t', "no C0 control is shown");
    require(c != 0x7F, "no DEL is shown");
    require(!(c == 0xC2 && static_cast<unsigned char>(shown[i + 1]) < 0xA0), "no C1 control is shown");
  }
  require(strip_terminal_controls(shown) == shown, "stripping is idempotent");
  std::string stripped;
  TerminalStripper stripper;
  stripper.feed(text.substr(0, cut), stripped);
  stripper.feed(text.substr(cut), stripped);
  stripper.finish(stripped);
  require(stripped == shown, "a stream is stripped like the whole");

  require(base64_decode(base64_encode(text)) == text, "base64 round trip");
  require(base64url_decode(base64url_encode(text)) == text, "base64url round trip");
  try {
    require(base64_encode(base64_decode(text)) == text, "base64 is canonical");
  } catch (const Error&) {
  }
  try {
    require(base64url_encode(base64url_decode(text)) == text, "base64url is canonical");
  } catch (const Error&) {
  }

  const std::string redacted = redact(text);
  require(looks_secret(text) == (redacted != text), "looks_secret agrees with redact");
  require(redact(redacted) == redacted, "redaction is idempotent");

  if (const auto duration = parse_duration(text)) {
    require(parse_duration(format_duration(*duration)).has_value(), "a written duration can be read");
  }
  if (const auto bytes = parse_bytes(text); bytes && *bytes < (std::uint64_t{1} << 60U))
    require(parse_bytes(format_bytes(*bytes)).has_value(), "a written size can be read");
  require(edit_distance(text.substr(0, cut), text.substr(cut), 8) ==
              edit_distance(text.substr(cut), text.substr(0, cut), 8),
          "distance is symmetric");
  return 0;
}
