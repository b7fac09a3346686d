#include "beluga/net/internal/body_decoder.hpp"

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <string>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"

namespace beluga::detail {
namespace {

std::string deflated(const std::string& text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

struct Coding {
  std::string name;
  std::string data;
};

std::string text() {
  std::string out;
  for (int i = 0; i < 3000; ++i) out += "line " + std::to_string(i * 7919 % 1000) + "\n";
  return out;
}

std::vector<Coding> codings() {
  std::vector<Coding> all{{"gzip", deflated(text(), 31)},
                          {"X-Gzip", deflated(text(), 31)},
                          {"deflate", deflated(text(), 15)},
                          {"deflate", deflated(text(), -15)}};
  std::string br(100'000, '\0');
  std::size_t size = br.size();
  EXPECT_TRUE(::BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, text().size(),
                                      reinterpret_cast<const uint8_t*>(text().data()), &size,
                                      reinterpret_cast<uint8_t*>(br.data())));
  br.resize(size);
  all.push_back({"br", br});
  return all;
}

/// Decodes `data` given in pieces of `in` bytes, with room for `out` bytes at a time.
std::string decode(BodyDecoder& decoder, std::string_view data, std::size_t in, std::size_t out) {
  std::string result;
  std::string room(out, '\0');
  while (!data.empty()) {
    std::string_view piece = data.substr(0, in);
    data.remove_prefix(piece.size());
    for (;;) {
      const std::size_t n = decoder.decode(piece, room);
      if (n == 0) break;
      result.append(room, 0, n);
    }
    EXPECT_TRUE(piece.empty());
  }
  return result;
}

TEST(BodyDecoder, UndoesEachCodingHoweverInputAndOutputAreCut) {
  for (const Coding& coding : codings()) {
    for (const auto& [in, out] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {1, 4096}, {7, 3}, {100'000, 1}, {100'000, 100'000}}) {
      const auto decoder = BodyDecoder::make(coding.name);
      ASSERT_NE(decoder, nullptr) << coding.name;
      EXPECT_TRUE(decoder->complete()) << "an empty body is allowed";
      EXPECT_EQ(decode(*decoder, coding.data, in, out), text()) << coding.name << in << "," << out;
      EXPECT_TRUE(decoder->complete()) << coding.name;
    }
  }
}

TEST(BodyDecoder, KnowsThatDataIsCutShort) {
  for (const Coding& coding : codings()) {
    for (std::size_t size : {std::size_t{1}, coding.data.size() / 2, coding.data.size() - 1}) {
      const auto decoder = BodyDecoder::make(coding.name);
      decode(*decoder, coding.data.substr(0, size), 1000, 1000);
      EXPECT_FALSE(decoder->complete()) << coding.name << " " << size;
    }
  }
}

TEST(BodyDecoder, ReadsSeveralGzipMembersAndIgnoresWhatFollows) {
  for (std::size_t in : {std::size_t{1}, std::size_t{1000}}) {
    const auto decoder = BodyDecoder::make("gzip");
    EXPECT_EQ(decode(*decoder, deflated("one,", 31) + deflated("two", 31) + "garbage", in, 100), "one,two");
    EXPECT_TRUE(decoder->complete());
  }
}

TEST(BodyDecoder, ReportsGarbageAsDataLoss) {
  for (const Coding& coding : codings()) {
    if (coding.name == "deflate") continue;
    const auto decoder = BodyDecoder::make(coding.name);
    const auto result =
        attempt([&] { decode(*decoder, "this is not compressed at all, it is plain text", 5, 100); });
    ASSERT_FALSE(result.ok()) << coding.name;
    EXPECT_EQ(result.error().code(), ErrorCode::data_loss);
  }
  const auto decoder = BodyDecoder::make("gzip");
  std::string damaged = deflated(text(), 31);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  EXPECT_FALSE(attempt([&] { decode(*decoder, damaged, 1000, 1000); }).ok());
}

TEST(BodyDecoder, KnowsOnlyItsCodings) {
  EXPECT_EQ(BodyDecoder::make("identity"), nullptr);
  EXPECT_EQ(BodyDecoder::make("zstd"), nullptr);
  EXPECT_EQ(BodyDecoder::make(""), nullptr);
}

}  // namespace
}  // namespace beluga::detail
