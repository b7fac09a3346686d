#pragma once
/// permessage-deflate (RFC 7692): what the two sides agree on, and the compression itself. No I/O. Not
/// installed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace beluga::detail {

/// Section 7.1. "Takeover" is one window over all messages instead of a fresh one for each.
struct DeflateAgreement {
  bool server_takeover = true;
  bool client_takeover = true;
  int server_window_bits = 15;  ///< 9 to 15, for what the server compresses
  int client_window_bits = 15;
};

struct DeflateAnswer {
  DeflateAgreement agreement;
  std::string header;  ///< the value of Sec-WebSocket-Extensions
};

/// Server: takes the first offer in Sec-WebSocket-Extensions that zlib can serve; nullopt for none.
std::optional<DeflateAnswer> accept_deflate(std::string_view offers);

/// What our client offers. It names no client_max_window_bits, so a server may not limit our window.
inline constexpr std::string_view kDeflateOffer = "permessage-deflate";

/// Client: what the server made of kDeflateOffer; nullopt for what no server may answer (section 7.1.3).
std::optional<DeflateAgreement> read_deflate_answer(std::string_view answer);

/// Compresses the messages of one direction. zlib's state (256 KiB) is made with the first message.
class WebSocketDeflater {
 public:
  WebSocketDeflater(int window_bits, bool takeover);
  ~WebSocketDeflater();
  WebSocketDeflater(const WebSocketDeflater&) = delete;
  WebSocketDeflater& operator=(const WebSocketDeflater&) = delete;

  /// Appends the next piece of a message, compressed, to `out`; with `last`, what ends it.
  void add(std::string_view data, bool last, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
  int window_bits_;
  bool takeover_;
};

/// The other direction. zlib's state (about 44 KiB) is made with the first message.
class WebSocketInflater {
 public:
  enum class Result : std::uint8_t { ok, too_large, corrupt };

  explicit WebSocketInflater(bool takeover);
  ~WebSocketInflater();
  WebSocketInflater(const WebSocketInflater&) = delete;
  WebSocketInflater& operator=(const WebSocketInflater&) = delete;

  /// Inflates the next piece onto `out`, which grows to at most `limit` bytes.
  Result add(std::string_view data, std::string& out, std::size_t limit);
  /// The message has no more pieces.
  Result finish(std::string& out, std::size_t limit);
  /// What it has cost since the last call, as if it were bytes that were moved.
  std::size_t take_work() noexcept { return std::exchange(work_, 0); }

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool takeover_;
  int ends_ = 0;
  std::size_t work_ = 0;
};

}  // namespace beluga::detail
