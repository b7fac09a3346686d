#include "beluga/net/internal/websocket_deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "beluga/net/http.hpp"

namespace beluga::detail {

namespace {

constexpr std::string_view kTail("\0\0\xFF\xFF", 4);  // section 7.2.1: cut from the end of each message
constexpr std::size_t kOutputStep = 16 * 1024;
constexpr std::size_t kFirstStep = 256;
// Final DEFLATE blocks in one message. Legal (section 7.2.3.5), seen only at its end, and costly to us: the
// window is copied out and back in.
constexpr int kMostEnds = 16;
constexpr std::size_t kWindow = 32 * 1024;
constexpr std::size_t kPieceWork = 256;  // of a call that inflates nothing

struct Extension {
  std::string_view name;
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> parameters;
};

/// Sec-WebSocket-Extensions (RFC 6455 section 9.1); nullopt when it is malformed. A quoted value must be a
/// token once its quotes are gone, so that it has no escapes worth undoing.
std::optional<std::vector<Extension>> parse_extensions(std::string_view text) {
  const auto skip_space = [&] {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  };
  const auto take = [&](char c) {
    skip_space();
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto token = [&]() -> std::optional<std::string_view> {
    skip_space();
    const std::size_t end = std::min(text.find_first_of(" \t,;=\""), text.size());
    const std::string_view out = text.substr(0, end);
    if (!is_http_token(out)) return std::nullopt;
    text.remove_prefix(end);
    return out;
  };
  std::vector<Extension> out;
  for (;;) {
    skip_space();
    if (text.empty()) return out;
    if (take(',')) continue;  // RFC 9110 section 5.6.1: empty elements are ignored
    const auto name = token();
    if (!name) return std::nullopt;
    Extension extension{.name = *name, .parameters = {}};
    while (take(';')) {
      const auto key = token();
      if (!key) return std::nullopt;
      std::optional<std::string_view> value;
      if (take('=')) {
        const bool quoted = take('"');
        value = token();
        if (!value || (quoted && !take('"'))) return std::nullopt;
      }
      extension.parameters.emplace_back(*key, value);
    }
    out.push_back(std::move(extension));
    skip_space();
    if (!text.empty() && text.front() != ',') return std::nullopt;
  }
}

/// 8 to 15 without leading zeros; nullopt for anything else.
std::optional<int> window_bits(const std::optional<std::string_view>& value) {
  if (!value) return std::nullopt;
  if (*value == "8" || *value == "9") return value->front() - '0';
  if (value->size() == 2 && value->front() == '1' && (*value)[1] >= '0' && (*value)[1] <= '5')
    return 10 + ((*value)[1] - '0');
  return std::nullopt;
}

struct Parameters {
  DeflateAgreement agreement;
  bool server_bits = false;
  bool client_bits = false;
};

/// nullopt for what section 7.1 does not allow: unknown, repeated or ill-valued parameters.
std::optional<Parameters> parameters_of(const Extension& extension, bool is_offer) {
  Parameters out;
  for (auto entry = extension.parameters.begin(); entry != extension.parameters.end(); ++entry) {
    const auto& [key, value] = *entry;
    if (std::any_of(extension.parameters.begin(), entry,
                    [&](const auto& earlier) { return http_names_equal(earlier.first, key); }))
      return std::nullopt;
    if (http_names_equal(key, "server_no_context_takeover") && !value) {
      out.agreement.server_takeover = false;
    } else if (http_names_equal(key, "client_no_context_takeover") && !value) {
      out.agreement.client_takeover = false;
    } else if (http_names_equal(key, "server_max_window_bits")) {
      const auto bits = window_bits(value);
      if (!bits) return std::nullopt;
      out.agreement.server_window_bits = *bits;
      out.server_bits = true;
    } else if (http_names_equal(key, "client_max_window_bits")) {
      const auto bits = window_bits(value);
      if (!bits && (value || !is_offer)) return std::nullopt;
      out.agreement.client_window_bits = bits.value_or(15);
      out.client_bits = true;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::optional<DeflateAnswer> accept_deflate(std::string_view offers) {
  const auto extensions = parse_extensions(offers);
  if (!extensions) return std::nullopt;
  for (const Extension& extension : *extensions) {
    if (!http_names_equal(extension.name, "permessage-deflate")) continue;
    const auto wanted = parameters_of(extension, true);
    // zlib has no raw DEFLATE with a window of 256 bytes.
    if (!wanted || wanted->agreement.server_window_bits == 8) continue;
    DeflateAnswer answer{.agreement = wanted->agreement, .header = "permessage-deflate"};
    if (!answer.agreement.server_takeover) answer.header += "; server_no_context_takeover";
    if (!answer.agreement.client_takeover) answer.header += "; client_no_context_takeover";
    if (wanted->server_bits)
      answer.header += "; server_max_window_bits=" + std::to_string(answer.agreement.server_window_bits);
    answer.agreement.client_window_bits = 15;  // the offer is a hint, and we do not bind the client to it
    return answer;
  }
  return std::nullopt;
}

std::optional<DeflateAgreement> read_deflate_answer(std::string_view answer) {
  const auto extensions = parse_extensions(answer);
  if (!extensions || extensions->size() != 1) return std::nullopt;
  if (!http_names_equal(extensions->front().name, "permessage-deflate")) return std::nullopt;
  const auto agreed = parameters_of(extensions->front(), false);
  if (!agreed || agreed->client_bits) return std::nullopt;
  return agreed->agreement;
}

// ---- compressing

struct WebSocketDeflater::State {
  explicit State(int bits) {
    if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~State() { ::deflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  z_stream stream{};
};

WebSocketDeflater::WebSocketDeflater(int window_bits, bool takeover)
    : window_bits_(window_bits), takeover_(takeover) {}
WebSocketDeflater::~WebSocketDeflater() = default;

void WebSocketDeflater::add(std::string_view data, bool last, std::string& out) {
  if (!state_) state_ = std::make_unique<State>(window_bits_);
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));  // zlib reads only
  stream.avail_in = static_cast<uInt>(data.size());
  const std::size_t before = out.size();
  std::size_t end = before;
  do {
    out.resize(end + kOutputStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + end);
    stream.avail_out = static_cast<uInt>(kOutputStep);
    // Z_BUF_ERROR only says that there was nothing left to do.
    (void)::deflate(&stream, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    end += kOutputStep - stream.avail_out;
  } while (stream.avail_out == 0);
  out.resize(end);
  if (!last) return;
  if (out.size() - before >= kTail.size() && out.ends_with(kTail)) out.resize(out.size() - kTail.size());
  // Nothing since the last flush: the head of an empty block, which the tail completes (section 7.2.3.6).
  if (out.size() == before && data.empty()) out.push_back('\0');
  if (!takeover_) ::deflateReset(&stream);
}

// ---- inflating

struct WebSocketInflater::State {
  State() {
    if (::inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();
  }
  ~State() { ::inflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  z_stream stream{};
};

WebSocketInflater::WebSocketInflater(bool takeover) : takeover_(takeover) {}
WebSocketInflater::~WebSocketInflater() = default;

WebSocketInflater::Result WebSocketInflater::add(std::string_view data, std::string& out, std::size_t limit) {
  if (!state_) state_ = std::make_unique<State>();
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));  // zlib reads only
  stream.avail_in = static_cast<uInt>(data.size());
  work_ += kPieceWork + data.size();
  // Small at first: room is cleared before it is filled, and a peer may send its bytes one by one.
  for (std::size_t step = kFirstStep;; step = std::min(step * 4, kOutputStep)) {
    const std::size_t before = out.size();
    // One byte more than allowed, to tell "just full" from "too large".
    const std::size_t left = limit - std::min(limit, before);
    const std::size_t room = left < step ? left + 1 : step;
    out.resize(before + room);
    work_ += room;
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&stream, Z_SYNC_FLUSH);
    out.resize(before + room - stream.avail_out);
    if (out.size() > limit) return Result::too_large;
    if (result == Z_STREAM_END) {
      // A final block ends zlib's stream, not the message: what follows may refer back into its window.
      if (++ends_ > kMostEnds) return Result::corrupt;
      work_ += 2 * kWindow;
      const auto window = std::make_unique_for_overwrite<Bytef[]>(kWindow);
      uInt size = 0;
      ::inflateGetDictionary(&stream, window.get(), &size);
      ::inflateReset(&stream);
      ::inflateSetDictionary(&stream, window.get(), size);
      if (stream.avail_in == 0) return Result::ok;
      continue;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) return Result::corrupt;
    if (stream.avail_out > 0) return Result::ok;  // all input is in
  }
}

WebSocketInflater::Result WebSocketInflater::finish(std::string& out, std::size_t limit) {
  Result result = add(kTail, out, limit);
  // The tail is an empty block. If it did not end where a block ends, the data was cut (zlib.h, data_type:
  // 128 says that a block has just ended, the low bits how much of a byte is left over).
  if (result == Result::ok && (state_->stream.data_type & (128 | 63)) != 128) result = Result::corrupt;
  ends_ = 0;
  if (!takeover_) ::inflateReset(&state_->stream);
  return result;
}

}  // namespace beluga::detail
