#include "beluga/net/internal/websocket_frames.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/base/utf8.hpp"

namespace beluga::detail {

namespace {

using Kind = WebSocketEvent::Kind;

constexpr std::size_t kInflateStep = 1024;          // compressed bytes at a time: at most 1 MiB comes out
constexpr std::size_t kWorkAtOnce = 256 * 1024;     // before others get a turn: a millisecond or so
constexpr std::uint64_t kMostControlPayload = 125;  // section 5.5

bool is_control(unsigned opcode) {
  return opcode >= 8;
}

}  // namespace

bool is_websocket_close_code(std::uint16_t code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool Utf8Validator::feed(std::string_view bytes) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at != end) {
    if (needed_ == 0) {
      while (end - at >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        if ((word & 0x8080808080808080U) != 0) break;
        at += 8;
      }
      if (at == end) return true;
    }
    const unsigned char c = *at++;
    if (needed_ > 0) {
      if (c < low_ || c > high_) return false;
      low_ = 0x80, high_ = 0xBF;
      --needed_;
    } else if (c >= 0x80) {
      // RFC 3629 section 4: no overlong forms, no surrogates, nothing beyond U+10FFFF.
      if (c >= 0xC2 && c <= 0xDF) {
        needed_ = 1;
      } else if (c >= 0xE0 && c <= 0xEF) {
        needed_ = 2;
        if (c == 0xE0) low_ = 0xA0;
        if (c == 0xED) high_ = 0x9F;
      } else if (c >= 0xF0 && c <= 0xF4) {
        needed_ = 3;
        if (c == 0xF0) low_ = 0x90;
        if (c == 0xF4) high_ = 0x8F;
      } else {
        return false;
      }
    }
  }
  return true;
}

WebSocketReader::WebSocketReader(bool masked, std::size_t message_bytes,
                                 std::unique_ptr<WebSocketInflater> inflater)
    : masked_(masked), message_bytes_(message_bytes), inflater_(std::move(inflater)) {}

WebSocketEvent WebSocketReader::fail(std::uint16_t code, std::string_view why) {
  over_ = true;
  std::string().swap(message_);
  return {.kind = Kind::failed, .code = code, .data = std::string(why)};
}

void WebSocketReader::drop_messages() noexcept {
  dropping_ = true;
  std::string().swap(message_);
}

WebSocketEvent WebSocketReader::next(std::string_view& input) {
  while (!over_) {
    if (work_ >= kWorkAtOnce) {
      work_ = 0;
      return {.kind = Kind::again};
    }
    if (!in_payload_) {
      if (auto event = take_head(input)) return *std::move(event);
      if (!in_payload_) return {};
    }
    if (auto event = take_payload(input)) return *std::move(event);
    if (left_ > 0) {
      if (input.empty()) return {};
    } else {
      in_payload_ = false;
      head_size_ = 0, head_wanted_ = 2;
      if (auto event = end_of_frame()) return *std::move(event);
    }
  }
  input = {};
  return {};
}

std::optional<WebSocketEvent> WebSocketReader::take_head(std::string_view& input) {
  while (!input.empty()) {
    head_[head_size_++] = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    if (head_size_ == 2)
      if (auto event = check_start()) return event;
    if (head_size_ < head_wanted_) continue;
    if (auto event = check_length()) return event;
    in_payload_ = true;
    mask_at_ = 0;
    return std::nullopt;
  }
  return std::nullopt;
}

/// The first two bytes.
std::optional<WebSocketEvent> WebSocketReader::check_start() {
  const bool last = (head_[0] & 0x80) != 0;
  const bool compressed = (head_[0] & 0x40) != 0;
  const unsigned opcode = head_[0] & 0x0FU;
  const bool masked = (head_[1] & 0x80) != 0;
  const unsigned size = head_[1] & 0x7FU;
  if ((head_[0] & 0x30) != 0) return fail(1002, "a reserved bit is set");
  if (compressed && (!inflater_ || (opcode != 1 && opcode != 2)))
    return fail(1002, inflater_ ? "the bit for compression is set on a frame that cannot have it"
                                : "a reserved bit is set");
  if (opcode > 10 || (opcode > 2 && opcode < 8)) return fail(1002, "an unknown kind of frame");
  if (masked != masked_)
    return fail(1002, masked_ ? "a frame of a client is not masked" : "a frame of a server is masked");
  if (is_control(opcode)) {
    if (!last) return fail(1002, "a control frame is fragmented");
    if (size > kMostControlPayload) return fail(1002, "a control frame is longer than 125 bytes");
  } else if (opcode == 0) {
    if (!in_message_) return fail(1002, "a continuation of nothing");
  } else {
    if (in_message_) return fail(1002, "a new message begins inside another");
    in_message_ = true;
    text_ = opcode == 1;
    compressed_ = compressed;
    wire_bytes_ = 0;
    utf8_.reset();
  }
  head_wanted_ = 2U + (size == 126 ? 2U : size == 127 ? 8U : 0U) + (masked ? 4U : 0U);
  return std::nullopt;
}

/// All of the head.
std::optional<WebSocketEvent> WebSocketReader::check_length() {
  length_ = head_[1] & 0x7FU;
  if (length_ >= 126) {
    const std::size_t bytes = length_ == 126 ? 2 : 8;
    length_ = 0;
    for (std::size_t i = 0; i < bytes; ++i) length_ = length_ << 8 | head_[2 + i];
    if (length_ >> 63 != 0) return fail(1002, "a length has its highest bit set");
    if (length_ < (bytes == 2 ? 126U : 65536U)) return fail(1002, "a length is not in its shortest form");
  }
  left_ = length_;
  if (is_control(head_[0] & 0x0FU)) {
    control_.clear();
    return std::nullopt;
  }
  if (dropping_) return std::nullopt;
  // DEFLATE adds 5 bytes per block at worst; blocks of one byte, or empty ones, are nobody's honest output.
  const std::uint64_t spare = compressed_ ? message_bytes_ / 8 + 1024 : 0;
  const std::uint64_t limit = message_bytes_;
  const std::uint64_t most = limit > UINT64_MAX - spare ? UINT64_MAX : limit + spare;
  if (length_ > most || wire_bytes_ > most - length_) return fail(1009, "a message is too large");
  wire_bytes_ += length_;
  return std::nullopt;
}

void WebSocketReader::unmask(char* data, std::size_t size) noexcept {
  if (!masked_) return;
  const std::array<unsigned char, 4> mask{head_[head_wanted_ - 4], head_[head_wanted_ - 3],
                                          head_[head_wanted_ - 2], head_[head_wanted_ - 1]};
  apply_mask(data, size, mask, mask_at_);
  mask_at_ += size;
}

std::optional<WebSocketEvent> WebSocketReader::take_payload(std::string_view& input) {
  const bool control = is_control(head_[0] & 0x0FU);
  const bool inflating = !control && compressed_ && !dropping_;
  const std::size_t most = inflating ? kInflateStep : input.size();
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({left_, input.size(), most}));
  if (size == 0) return std::nullopt;
  const std::string_view taken = input.substr(0, size);
  input.remove_prefix(size);
  left_ -= size;
  if (!control && dropping_) return std::nullopt;
  if (inflating) {
    std::array<char, kInflateStep> piece;
    std::memcpy(piece.data(), taken.data(), size);
    unmask(piece.data(), size);
    const std::string_view clear(piece.data(), size);
    return inflate(&clear);
  }
  std::string& target = control ? control_ : message_;
  const std::size_t before = target.size();
  target.append(taken);
  unmask(target.data() + before, size);
  if (!control && text_ && !utf8_.feed(std::string_view(target).substr(before)))
    return fail(1007, "text is not UTF-8");
  return std::nullopt;
}

/// The next piece of a compressed message; null: there are no more.
std::optional<WebSocketEvent> WebSocketReader::inflate(const std::string_view* piece) {
  const std::size_t before = message_.size();
  const auto result = piece != nullptr ? inflater_->add(*piece, message_, message_bytes_)
                                       : inflater_->finish(message_, message_bytes_);
  work_ += inflater_->take_work();
  if (result == WebSocketInflater::Result::too_large) return fail(1009, "a message is too large");
  if (result == WebSocketInflater::Result::corrupt) return fail(1007, "compressed data is broken");
  if (text_ && !utf8_.feed(std::string_view(message_).substr(before))) return fail(1007, "text is not UTF-8");
  return std::nullopt;
}

std::optional<WebSocketEvent> WebSocketReader::end_of_frame() {
  if (is_control(head_[0] & 0x0FU)) return end_of_control();
  if ((head_[0] & 0x80) == 0) return std::nullopt;
  if (dropping_) {
    in_message_ = false;
    return std::nullopt;
  }
  if (compressed_)
    if (auto event = inflate(nullptr)) return event;
  if (text_ && !utf8_.complete()) return fail(1007, "text is not UTF-8");
  in_message_ = false;
  return WebSocketEvent{.kind = Kind::message, .binary = !text_, .data = std::exchange(message_, {})};
}

WebSocketEvent WebSocketReader::end_of_control() {
  switch (static_cast<WebSocketOpcode>(head_[0] & 0x0FU)) {
    case WebSocketOpcode::ping:
      return {.kind = Kind::ping, .data = std::move(control_)};
    case WebSocketOpcode::pong:
      return {.kind = Kind::pong, .data = std::move(control_)};
    default:
      break;
  }
  if (control_.size() == 1) return fail(1002, "a close frame has half a code");
  WebSocketEvent close{.kind = Kind::close, .code = 1005};
  if (!control_.empty()) {
    close.code = static_cast<std::uint16_t>(static_cast<unsigned char>(control_[0]) << 8 |
                                            static_cast<unsigned char>(control_[1]));
    if (!is_websocket_close_code(close.code)) return fail(1002, "a close code that may not be sent");
    close.data = control_.substr(2);
    if (!is_valid_utf8(close.data)) return fail(1007, "the reason of a close frame is not UTF-8");
  }
  over_ = true;
  return close;
}

std::array<unsigned char, 4> random_mask() {
  // OpenSSL's generator is seeded by the system and belongs to the thread.
  std::array<unsigned char, 4> mask{};
  if (::RAND_bytes(mask.data(), static_cast<int>(mask.size())) != 1)
    throw Error(ErrorCode::internal, "WebSocket: the system gives no random bytes for a mask");
  return mask;
}

void apply_mask(char* data, std::size_t size, const std::array<unsigned char, 4>& mask,
                std::size_t position) noexcept {
  std::array<unsigned char, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(position + i) % 4];
  std::uint64_t wide = 0;
  std::memcpy(&wide, turned.data(), sizeof(wide));
  std::size_t i = 0;
  for (; size - i >= 8; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    word ^= wide;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i) data[i] = static_cast<char>(static_cast<unsigned char>(data[i]) ^ turned[i % 8]);
}

std::string frame_head(WebSocketOpcode opcode, bool last, bool compressed, std::size_t size,
                       const std::optional<std::array<unsigned char, 4>>& mask) {
  std::string out;
  out.push_back(static_cast<char>((last ? 0x80 : 0) | (compressed ? 0x40 : 0) | static_cast<int>(opcode)));
  const int mask_bit = mask ? 0x80 : 0;
  if (size < 126) {
    out.push_back(static_cast<char>(mask_bit | static_cast<int>(size)));
  } else {
    const bool wide = size > 0xFFFF;
    out.push_back(static_cast<char>(mask_bit | (wide ? 127 : 126)));
    for (int shift = wide ? 56 : 8; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>(std::uint64_t{size} >> shift & 0xFF));
  }
  if (mask) out.append(reinterpret_cast<const char*>(mask->data()), mask->size());
  return out;
}

}  // namespace beluga::detail
