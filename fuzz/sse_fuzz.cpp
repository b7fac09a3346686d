/// SseParser against a plain whole-buffer reading of the standard: the same events, however the stream is
/// cut. The first bytes of the input say where the cuts are.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "beluga/net/sse.hpp"
#include "tests/reference/sse_reference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kCuts = 8;
  if (size < kCuts) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + kCuts, size - kCuts);
  const auto expected = beluga::reference::interpret(stream);

  beluga::SseParser parser;
  std::size_t seen = 0;
  std::string_view rest = stream;
  for (std::size_t turn = 0; !rest.empty(); ++turn) {
    const std::size_t wanted = std::size_t{1} + data[turn % kCuts];
    const std::size_t length = wanted < rest.size() ? wanted : rest.size();
    const std::unique_ptr<char[]> piece(
        new char[length]);  // of its own size, so that ASan sees a read too far
    rest.copy(piece.get(), length);
    rest.remove_prefix(length);
    parser.push({piece.get(), length});
    while (const beluga::SseEvent* event = parser.next()) {
      if (seen == expected.events.size()) std::abort();
      const auto& other = expected.events[seen++];
      if (event->type != other.type || event->data != other.data || event->id != other.id) std::abort();
    }
  }
  if (seen != expected.events.size() || parser.last_event_id() != expected.last_id) std::abort();
  if (parser.retry().has_value() != expected.retry.has_value()) std::abort();
  if (expected.retry && parser.retry()->count() != *expected.retry) std::abort();
  return 0;
}
