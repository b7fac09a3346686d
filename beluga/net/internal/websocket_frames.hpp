#pragma once
/// The wire format of WebSocket (RFC 6455 section 5, RFC 7692): frames to messages and back. No I/O, no
/// waiting. Not installed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/net/internal/websocket_deflate.hpp"

namespace beluga::detail {

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

/// Whether a peer may put `code` into a close frame (section 7.4, and the registry of IANA).
bool is_websocket_close_code(std::uint16_t code) noexcept;

/// UTF-8 that arrives in pieces: says at the first byte that cannot be right that it is wrong.
class Utf8Validator {
 public:
  bool feed(std::string_view bytes) noexcept;
  bool complete() const noexcept { return needed_ == 0; }
  void reset() noexcept { needed_ = 0, low_ = 0x80, high_ = 0xBF; }

 private:
  unsigned needed_ = 0;                     ///< continuation bytes that must follow
  unsigned char low_ = 0x80, high_ = 0xBF;  ///< of the next one
};

struct WebSocketEvent {
  enum class Kind : std::uint8_t {
    none,     ///< the input is used up
    again,    ///< a lot of work was done, and there is more: come back after others had a turn
    message,  ///< `data`, `binary`
    ping,     ///< `data`
    pong,     ///< `data`
    close,    ///< `code` (1005: none was given), `data` is the reason; nothing may follow
    failed,   ///< the peer broke the protocol: close with `code`; `data` says how
  };
  Kind kind = Kind::none;
  bool binary = false;
  std::uint16_t code = 0;
  std::string data = {};
};

/// Reads one peer's frames.
class WebSocketReader {
 public:
  /// `masked`: the peer is a client. `inflater`: null without permessage-deflate.
  WebSocketReader(bool masked, std::size_t message_bytes, std::unique_ptr<WebSocketInflater> inflater);

  /// Takes bytes off the front of `input` until there is something to say. After `close` and `failed` all
  /// input is dropped.
  WebSocketEvent next(std::string_view& input);
  /// Messages are of no interest any more: from now on their bytes are skipped, which costs next to nothing.
  void drop_messages() noexcept;

 private:
  WebSocketEvent fail(std::uint16_t code, std::string_view why);
  std::optional<WebSocketEvent> take_head(std::string_view& input);
  std::optional<WebSocketEvent> check_start();
  std::optional<WebSocketEvent> check_length();
  std::optional<WebSocketEvent> take_payload(std::string_view& input);
  std::optional<WebSocketEvent> end_of_frame();
  WebSocketEvent end_of_control();
  std::optional<WebSocketEvent> inflate(const std::string_view* piece);
  void unmask(char* data, std::size_t size) noexcept;

  const bool masked_;
  const std::size_t message_bytes_;
  const std::unique_ptr<WebSocketInflater> inflater_;
  bool over_ = false;
  bool dropping_ = false;
  std::size_t work_ = 0;  ///< since others had a turn, in bytes moved

  // The frame.
  std::array<unsigned char, 14> head_ = {};
  std::size_t head_size_ = 0, head_wanted_ = 2;
  bool in_payload_ = false;
  std::uint64_t left_ = 0;
  std::uint64_t length_ = 0;
  std::size_t mask_at_ = 0;
  std::string control_;

  // The message.
  bool in_message_ = false, text_ = false, compressed_ = false;
  std::uint64_t wire_bytes_ = 0;  ///< of its payload, before inflating
  std::string message_;
  Utf8Validator utf8_;
};

/// A mask for one frame, from the system's generator (section 10.3: the application must not foresee it).
std::array<unsigned char, 4> random_mask();
void apply_mask(char* data, std::size_t size, const std::array<unsigned char, 4>& mask,
                std::size_t position) noexcept;

/// The head of a frame with `size` bytes of payload. `mask` is the sender's, for clients.
std::string frame_head(WebSocketOpcode opcode, bool last, bool compressed, std::size_t size,
                       const std::optional<std::array<unsigned char, 4>>& mask);

}  // namespace beluga::detail
