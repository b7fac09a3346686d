// What a WebSocket reads, without sockets: frames, compression, and a server's answer to our handshake. No
// input may crash it, nothing that comes out may break the limits or be invalid text, and how the network
// cuts the bytes must not change what is read. What our own writer makes of the input must come back as it
// was.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/base/error.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/net/internal/websocket_frames.hpp"
#include "beluga/net/internal/websocket_handshake.hpp"

namespace {

using beluga::detail::WebSocketDeflater;
using beluga::detail::WebSocketEvent;
using beluga::detail::WebSocketInflater;
using beluga::detail::WebSocketOpcode;
using beluga::detail::WebSocketReader;
using Kind = WebSocketEvent::Kind;

struct Options {
  std::size_t limit = 8192;
  bool masked = false, compress = false, takeover = false;
  bool drop = false;  ///< half way, messages are of no interest any more
};

void check(bool holds) {
  if (!holds) std::abort();
}

/// What is read of `wire`, in pieces of `step` bytes, as text.
void read_on(WebSocketReader& reader, std::string_view wire, std::size_t step, const Options& options,
             bool dropped, std::string& seen) {
  for (; !wire.empty(); wire.remove_prefix(std::min(step, wire.size()))) {
    std::string_view input = wire.substr(0, step);
    bool had_a_turn = false;
    while (!input.empty()) {
      const std::size_t before = input.size();
      WebSocketEvent event = reader.next(input);
      const bool again = event.kind == Kind::again;
      check(input.size() < before || (again && !had_a_turn));  // it gets on
      had_a_turn = again;
      if (event.kind == Kind::none || again) continue;
      if (event.kind == Kind::failed) {
        // Of several faults (broken compression that also gives no text, say) the cut decides which comes first.
        seen += "failed\n";
        continue;
      }
      if (event.kind == Kind::message) check(event.data.size() <= options.limit && !dropped);
      if (event.kind == Kind::message && !event.binary) check(beluga::is_valid_utf8(event.data));
      if (event.kind == Kind::ping || event.kind == Kind::pong) check(event.data.size() <= 125);
      if (event.kind == Kind::close)
        check((event.code == 1005 || beluga::detail::is_websocket_close_code(event.code)) &&
              beluga::is_valid_utf8(event.data));
      seen += std::to_string(static_cast<int>(event.kind)) + (event.binary ? "b" : "t") +
              std::to_string(event.code) + ":" + std::to_string(event.data.size()) + ":" + event.data + "\n";
    }
  }
}

std::string read(std::string_view wire, std::size_t step, const Options& options) {
  WebSocketReader reader(options.masked, options.limit,
                         options.compress ? std::make_unique<WebSocketInflater>(options.takeover) : nullptr);
  std::string seen;
  const std::size_t kept = options.drop ? wire.size() / 2 : wire.size();
  read_on(reader, wire.substr(0, kept), step, options, false, seen);
  if (!options.drop) return seen;
  reader.drop_messages();
  read_on(reader, wire.substr(kept), step, options, true, seen);
  return seen;
}

void round_trip(std::string_view data, std::size_t step, Options options) {
  WebSocketDeflater deflater(9 + static_cast<int>(step % 7), options.takeover);
  std::string wire;
  for (int message = 0; message < 2; ++message) {
    for (std::size_t at = 0; at == 0 || at < data.size(); at += step) {
      const bool last = at + step >= data.size();
      std::string out;
      deflater.add(data.substr(at, step), last, out);
      std::optional<std::array<unsigned char, 4>> mask;
      if (options.masked) {
        mask.emplace(std::array<unsigned char, 4>{1, 2, 3, static_cast<unsigned char>(step)});
        beluga::detail::apply_mask(out.data(), out.size(), *mask, 0);
      }
      wire += beluga::detail::frame_head(at == 0 ? WebSocketOpcode::binary : WebSocketOpcode::continuation,
                                         last, at == 0, out.size(), mask) +
              out;
    }
  }
  const std::string one = std::to_string(static_cast<int>(Kind::message)) +
                          "b0:" + std::to_string(data.size()) + ":" + std::string(data) + "\n";
  options.limit = std::max(options.limit, data.size());
  options.compress = true;
  options.drop = false;
  check(read(wire, step, options) == one + one);
}

void answer(std::string_view input) {
  std::string whole(input);
  try {
    const auto head = beluga::detail::take_answer(whole);
    if (!head) return;
    check(head->status >= 0 && head->status <= 999);
    for (const auto& field : head->headers) check(beluga::is_http_token(field.name));
    (void)beluga::detail::read_deflate_answer(head->headers.get_joined("Sec-WebSocket-Extensions"));
  } catch (const beluga::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const unsigned flags = data[0];
  const std::size_t step = 1 + data[1] % 61;
  static constexpr std::array<std::size_t, 4> kLimits{8192, SIZE_MAX, 0, 1};
  const Options options{.limit = kLimits[flags >> 3 & 3],
                        .masked = (flags & 1) != 0,
                        .compress = (flags & 2) != 0,
                        .takeover = (flags & 4) != 0,
                        .drop = (flags & 32) != 0};
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (flags >> 6) {
    case 0:
      answer(input);
      break;
    case 1:
      if (const auto accepted = beluga::detail::accept_deflate(input))
        check(beluga::detail::read_deflate_answer(accepted->header).has_value());
      break;
    case 2:
      round_trip(input, step, options);
      break;
    default:
      break;
  }
  const std::string whole = read(input, input.size() + 1, options);
  check(whole == read(input, step, options));
  check(whole == read(input, 1, options));
  return 0;
}
