#include "beluga/net/internal/body_decoder.hpp"

#include <brotli/decode.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "beluga/base/error.hpp"
#include "beluga/net/http.hpp"

namespace beluga::detail {
namespace {

constexpr unsigned kMost = std::numeric_limits<unsigned>::max();

[[noreturn]] void corrupt(std::string_view coding, const char* why) {
  raise(Error(ErrorCode::data_loss, "the body is not valid " + std::string(coding) + " data" +
                                        (why != nullptr ? std::string(" (") + why + ")" : std::string())));
}

class Zlib final : public BodyDecoder {
 public:
  explicit Zlib(bool gzip) : gzip_(gzip) {
    if (gzip_) begin(15 + 16);
  }
  ~Zlib() override {
    if (begun_) ::inflateEnd(&stream_);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

  std::size_t decode(std::string_view& in, std::span<char> out) override {
    std::size_t written = 0;
    while (written == 0 && !in.empty()) {
      if (!begun_) {
        // "deflate" means the zlib format, but some servers send the bare one (RFC 9110 section 8.4.1.2).
        // Only a first byte with compression method 8 and a window of at most 32 KiB begins a zlib header; in
        // a bare stream it would mean a stored block whose type bits are those of no encoder's first block.
        const auto first = static_cast<unsigned char>(in.front());
        begin((first & 0x0fU) == 8 && (first >> 4U) <= 7 ? 15 : -15);
      }
      if (ended_) {
        // A gzip body may have several members (RFC 1952 section 2.2). Anything else after the end is
        // ignored.
        if (!gzip_ || static_cast<unsigned char>(in.front()) != 0x1f) {
          in = {};
          break;
        }
        if (::inflateReset(&stream_) != Z_OK) throw std::bad_alloc();
        ended_ = false;
      }
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
      stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(in.size(), kMost));
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), kMost));
      const uInt had_in = stream_.avail_in;
      const uInt had_out = stream_.avail_out;
      const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
      in.remove_prefix(had_in - stream_.avail_in);
      written = had_out - stream_.avail_out;
      started_ = true;
      if (result == Z_STREAM_END)
        ended_ = true;
      else if (result == Z_MEM_ERROR)
        throw std::bad_alloc();
      else if (result != Z_OK && result != Z_BUF_ERROR)
        corrupt(gzip_ ? "gzip" : "deflate", stream_.msg);
      // All input may have gone into zlib while output is still inside: then `out` is full and written is not
      // 0.
    }
    if (in.empty() && written == 0 && begun_ && !ended_) {
      stream_.avail_in = 0;
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), kMost));
      const uInt had_out = stream_.avail_out;
      const int result = ::inflate(&stream_, Z_SYNC_FLUSH);
      if (result == Z_STREAM_END) ended_ = true;
      written = had_out - stream_.avail_out;
    }
    return written;
  }
  bool complete() const noexcept override { return !started_ || ended_; }

 private:
  void begin(int window_bits) {
    if (::inflateInit2(&stream_, window_bits) != Z_OK) throw std::bad_alloc();
    begun_ = true;
  }
  z_stream stream_{};
  bool gzip_;
  bool begun_ = false;
  bool started_ = false;
  bool ended_ = false;
};

class Brotli final : public BodyDecoder {
 public:
  Brotli() : state_(::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
    if (state_ == nullptr) throw std::bad_alloc();
  }
  ~Brotli() override { ::BrotliDecoderDestroyInstance(state_); }
  Brotli(const Brotli&) = delete;
  Brotli& operator=(const Brotli&) = delete;

  std::size_t decode(std::string_view& in, std::span<char> out) override {
    if (::BrotliDecoderIsFinished(state_) != BROTLI_FALSE) {
      in = {};
      return 0;
    }
    if (!in.empty())
      started_ = true;
    else if (!started_)
      return 0;
    std::size_t available_in = in.size();
    std::size_t available_out = out.size();
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
    const auto result =
        ::BrotliDecoderDecompressStream(state_, &available_in, &next_in, &available_out, &next_out, nullptr);
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      corrupt("br", ::BrotliDecoderErrorString(::BrotliDecoderGetErrorCode(state_)));
    }
    in.remove_prefix(in.size() - available_in);
    return out.size() - available_out;
  }
  bool complete() const noexcept override {
    return !started_ || ::BrotliDecoderIsFinished(state_) != BROTLI_FALSE;
  }

 private:
  BrotliDecoderState* state_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<BodyDecoder> BodyDecoder::make(std::string_view coding) {
  if (http_names_equal(coding, "gzip") || http_names_equal(coding, "x-gzip"))
    return std::make_unique<Zlib>(true);
  if (http_names_equal(coding, "deflate")) return std::make_unique<Zlib>(false);
  if (http_names_equal(coding, "br")) return std::make_unique<Brotli>();
  return nullptr;
}

std::string_view BodyDecoder::accepted() noexcept {
  return "gzip, deflate, br";
}

}  // namespace beluga::detail
