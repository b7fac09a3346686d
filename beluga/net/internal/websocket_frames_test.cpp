#include "beluga/net/internal/websocket_frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "beluga/net/internal/websocket_handshake.hpp"

namespace beluga::detail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = WebSocketEvent::Kind;

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

WebSocketReader reader(bool compress = false, std::size_t limit = 1 << 20, bool takeover = true) {
  return {false, limit, compress ? std::make_unique<WebSocketInflater>(takeover) : nullptr};
}

/// What comes out of `wire` in pieces of `step` bytes, as text.
std::vector<std::string> read(WebSocketReader& from, std::string_view wire, std::size_t step) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    std::string_view input = wire.substr(at, step);
    while (!input.empty()) {
      const WebSocketEvent event = from.next(input);
      switch (event.kind) {
        case Kind::none:
        case Kind::again:
          break;
        case Kind::message:
          out.push_back((event.binary ? "binary " : "text ") + event.data);
          break;
        case Kind::ping:
          out.push_back("ping " + event.data);
          break;
        case Kind::pong:
          out.push_back("pong " + event.data);
          break;
        case Kind::close:
          out.push_back("close " + std::to_string(event.code) + " " + event.data);
          break;
        case Kind::failed:
          out.push_back("failed " + std::to_string(event.code));
          break;
      }
    }
  }
  return out;
}

std::string message(WebSocketOpcode opcode, std::string_view payload, bool last = true,
                    bool compressed = false) {
  return frame_head(opcode, last, compressed, payload.size(), std::nullopt) + std::string(payload);
}

// RFC 7692 section 7.2.3.
TEST(WebSocketDeflate, ReadsTheExamplesOfTheStandard) {
  const std::string hello = bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});
  const auto both = [](WebSocketReader from, const std::string& wire) { return read(from, wire, 1); };
  EXPECT_THAT(both(reader(true), bytes({0xc1, 0x07}) + hello), ElementsAre("text Hello"));
  EXPECT_THAT(
      both(reader(true), bytes({0x41, 0x03}) + hello.substr(0, 3) + bytes({0x80, 0x04}) + hello.substr(3)),
      ElementsAre("text Hello"));
  // The second message refers to the first.
  EXPECT_THAT(
      both(reader(true), bytes({0xc1, 0x07}) + hello + bytes({0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00})),
      ElementsAre("text Hello", "text Hello"));
  // Without takeover it must not.
  EXPECT_THAT(both(reader(true, 100, false),
                   bytes({0xc1, 0x07}) + hello + bytes({0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00})),
              ElementsAre("text Hello", "failed 1007"));
  EXPECT_THAT(
      both(reader(true), bytes({0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e', 'l', 'l', 'o', 0x00})),
      ElementsAre("text Hello"));
  // A final block, and one that refers back over it.
  EXPECT_THAT(both(reader(true), bytes({0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}) +
                                     bytes({0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00})),
              ElementsAre("text Hello", "text Hello"));
  EXPECT_THAT(both(reader(true), bytes({0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca,
                                        0xc9, 0xc9, 0x07, 0x00})),
              ElementsAre("text Hello"));
  EXPECT_THAT(both(reader(true), bytes({0xc1, 0x01, 0x00})), ElementsAre("text "));
}

TEST(WebSocketDeflate, RefusesWhatIsBrokenCutOrExplodes) {
  const auto all = [](WebSocketReader from, const std::string& wire) {
    return read(from, wire, wire.size());
  };
  EXPECT_THAT(all(reader(true), bytes({0xc1, 0x02, 0xff, 0xff})), ElementsAre("failed 1007"));
  // "Hello" without its end, whose bytes the tail must not complete.
  EXPECT_THAT(all(reader(true), bytes({0xc1, 0x04, 0xf2, 0x48, 0xcd, 0xc9})), ElementsAre("failed 1007"));
  EXPECT_THAT(all(reader(true), bytes({0xc1, 0x03, 0x00, 0x05, 0x00})), ElementsAre("failed 1007"));
  std::string finals;  // final blocks without end
  for (int i = 0; i < 1000; ++i) finals += bytes({0x03, 0x00});
  EXPECT_THAT(all(reader(true), message(WebSocketOpcode::binary, finals, true, true)),
              ElementsAre("failed 1007"));
  WebSocketDeflater deflater(15, true);
  std::string bomb;
  deflater.add(std::string(4'000'000, 'x'), true, bomb);
  EXPECT_LT(bomb.size(), 10'000U);
  EXPECT_THAT(all(reader(true, 3'999'999), message(WebSocketOpcode::binary, bomb, true, true)),
              ElementsAre("failed 1009"));
  EXPECT_EQ(all(reader(true, 4'000'000), message(WebSocketOpcode::binary, bomb, true, true)).size(), 1U);
  // Empty blocks that inflate to nothing are not for free.
  EXPECT_THAT(
      all(reader(true, 1000), frame_head(WebSocketOpcode::binary, true, true, 1'000'000, std::nullopt)),
      ElementsAre("failed 1009"));
  EXPECT_THAT(all(reader(true), message(WebSocketOpcode::continuation, "x", true, true)),
              ElementsAre("failed 1002"));
  EXPECT_THAT(all(reader(true), message(WebSocketOpcode::ping, "x", true, true)), ElementsAre("failed 1002"));
  EXPECT_THAT(all(reader(true), message(WebSocketOpcode::text, "a", false, false) +
                                    message(WebSocketOpcode::continuation, "b", true, true)),
              ElementsAre("failed 1002"));
}

TEST(WebSocketDeflate, GivesOthersATurnWhileAMessageInflates) {
  WebSocketDeflater deflater(15, true);
  std::string wire;
  deflater.add(std::string(3'000'000, 'x'), true, wire);
  wire = message(WebSocketOpcode::binary, wire, true, true);
  WebSocketReader from = reader(true, 4'000'000);
  std::string_view input = wire;
  int turns = 0;
  WebSocketEvent event;
  while ((event = from.next(input)).kind == Kind::again) ++turns;
  EXPECT_EQ(event.kind, Kind::message);
  EXPECT_EQ(event.data.size(), 3'000'000U);
  EXPECT_GE(turns, 2);
}

/// How often others get a turn while `wire` is read.
int turns_in(WebSocketReader& from, std::string_view wire) {
  int turns = 0;
  while (!wire.empty())
    if (from.next(wire).kind == Kind::again) ++turns;
  return turns;
}

TEST(WebSocketDeflate, GivesOthersATurnWhateverThePeerMakesOfItsBytes) {
  WebSocketReader from = reader(true, 1 << 20);
  std::string window;  // 32 KiB that DEFLATE can refer back to
  WebSocketDeflater(15, true).add(std::string(40'000, 'x'), true, window);
  EXPECT_EQ(turns_in(from, message(WebSocketOpcode::binary, window, true, true)), 0);
  // Final blocks: two bytes each that inflate to nothing, and cost a copy of the window.
  std::string finals;
  for (int i = 0; i < 8; ++i) finals += bytes({0x03, 0x00});
  std::string messages;
  for (int i = 0; i < 50; ++i)
    messages += message(WebSocketOpcode::binary, finals + bytes({0x00}), true, true);
  EXPECT_GE(turns_in(from, messages), 40);
  // Fragments of one byte, with something to say between them.
  std::minstd_rand random(1);
  std::string noise(4'000, '\0'), compressed, fragments;
  for (char& c : noise) c = static_cast<char>(random());
  WebSocketDeflater(15, true).add(noise, true, compressed);
  for (std::size_t i = 0; i < compressed.size(); ++i)
    fragments += message(i == 0 ? WebSocketOpcode::binary : WebSocketOpcode::continuation,
                         compressed.substr(i, 1), i + 1 == compressed.size(), i == 0) +
                 message(WebSocketOpcode::ping, "");
  EXPECT_GE(turns_in(from, fragments), 5);
}

TEST(WebSocketDeflate, CostsNothingOnceMessagesAreDropped) {
  WebSocketDeflater deflater(15, true);
  std::string bomb;
  deflater.add(std::string(8'000'000, 'x'), true, bomb);
  const std::string wire = message(WebSocketOpcode::binary, bomb, true, true);
  WebSocketReader from = reader(true, 16 << 20);
  EXPECT_GE(turns_in(from, wire), 5);
  for (const std::size_t before : {std::size_t{0}, std::size_t{1}, wire.size() / 2}) {
    WebSocketReader other = reader(true, 16 << 20);
    (void)read(other, wire.substr(0, before), 100'000);
    other.drop_messages();
    EXPECT_LE(turns_in(other, wire.substr(before)), 1);
    // Frames are still told apart, and what is no message still counts.
    EXPECT_THAT(read(other,
                     message(WebSocketOpcode::text, "\xFF", false) + message(WebSocketOpcode::ping, "p") +
                         message(WebSocketOpcode::continuation, std::string(20 << 20, 'x')) +
                         message(WebSocketOpcode::close, bytes({0x03, 0xe8})),
                     100'000),
                ElementsAre("ping p", "close 1000 "));
  }
}

TEST(WebSocketDeflate, TakesALimitThatIsNone) {
  for (const std::size_t limit : {SIZE_MAX, SIZE_MAX / 9 * 8 + 1}) {
    WebSocketDeflater deflater(15, true);
    std::string wire;
    deflater.add("hello", true, wire);
    WebSocketReader from = reader(true, limit);
    EXPECT_THAT(read(from, message(WebSocketOpcode::binary, wire, true, true), 100),
                ElementsAre("binary hello"));
  }
}

TEST(WebSocketDeflate, ComesBackAsItWasHoweverItIsCut) {
  std::minstd_rand random(1);
  for (const bool takeover : {false, true}) {
    for (const int bits : {9, 12, 15}) {
      WebSocketDeflater deflater(bits, takeover);
      WebSocketReader from = reader(true, 1 << 20, takeover);
      for (int i = 0; i < 60; ++i) {
        std::string data(random() % 3 == 0 ? random() % 5 : random() % 70'000, '\0');
        const int alphabet = i % 3 == 0 ? 256 : 3;
        for (char& c : data) c = static_cast<char>(static_cast<int>(random()) % alphabet);
        std::string wire;
        const std::size_t piece = 1 + random() % 40'000;
        for (std::size_t at = 0; at == 0 || at < data.size(); at += piece) {
          std::string out;
          const bool last = at + piece >= data.size();
          deflater.add(std::string_view(data).substr(at, piece), last, out);
          wire +=
              message(at == 0 ? WebSocketOpcode::binary : WebSocketOpcode::continuation, out, last, at == 0);
        }
        const auto got = read(from, wire, 1 + random() % 5000);
        ASSERT_EQ(got.size(), 1U);
        ASSERT_TRUE(got[0] == "binary " + data) << i;
      }
    }
  }
}

TEST(WebSocketDeflate, AgreesAsTheStandardSays) {
  const auto answer = [](std::string_view offers) {
    const auto accepted = accept_deflate(offers);
    return accepted ? accepted->header : "";
  };
  EXPECT_EQ(answer("permessage-deflate"), "permessage-deflate");
  EXPECT_EQ(answer("permessage-deflate; client_max_window_bits"), "permessage-deflate");
  EXPECT_EQ(answer("x-other, permessage-deflate;client_max_window_bits=\"10\" , x"), "permessage-deflate");
  EXPECT_EQ(answer("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
  EXPECT_EQ(answer("Permessage-Deflate; server_max_window_bits=10"),
            "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=8, permessage-deflate"), "permessage-deflate");
  for (const char* refused :
       {"", "deflate-frame", "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010", "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits=7", "permessage-deflate;", "permessage-deflate x", "; a",
        "\"", "permessage-deflate; client_max_window_bits=\"10",
        "permessage-deflate; client_max_window_bits="})
    EXPECT_EQ(answer(refused), "") << refused;

  EXPECT_TRUE(read_deflate_answer("permessage-deflate"));
  EXPECT_FALSE(read_deflate_answer("permessage-deflate; client_no_context_takeover")->client_takeover);
  EXPECT_EQ(read_deflate_answer("permessage-deflate; server_max_window_bits=8")->server_window_bits, 8);
  for (const char* wrong :
       {"", "x", "permessage-deflate; client_max_window_bits=10", "permessage-deflate; x",
        "permessage-deflate, permessage-deflate", "permessage-deflate; client_max_window_bits"})
    EXPECT_FALSE(read_deflate_answer(wrong)) << wrong;
}

TEST(WebSocketFrames, SayTheSameHoweverTheBytesArrive) {
  const std::string wire =
      message(WebSocketOpcode::text, "one ", false) + message(WebSocketOpcode::ping, "p") +
      message(WebSocketOpcode::continuation, "", false) + message(WebSocketOpcode::continuation, "\xC3\xA4") +
      message(WebSocketOpcode::pong, "") + message(WebSocketOpcode::binary, std::string(70'000, 'b')) +
      message(WebSocketOpcode::close, bytes({0x03, 0xe8, 'o', 'k'})) +
      message(WebSocketOpcode::text, "after the end");
  for (const std::size_t step : {1U, 2U, 3U, 1000U, 1'000'000U}) {
    WebSocketReader from = reader();
    EXPECT_THAT(read(from, wire, step), ElementsAre("ping p", "text one \xC3\xA4", "pong ",
                                                    "binary " + std::string(70'000, 'b'), "close 1000 ok"));
  }
}

TEST(WebSocketFrames, RefuseALengthBeforeItsBytesCome) {
  WebSocketReader from = reader(false, 1000);
  EXPECT_THAT(read(from, frame_head(WebSocketOpcode::binary, false, false, 1001, std::nullopt), 1),
              ElementsAre("failed 1009"));
  WebSocketReader joined = reader(false, 1000);
  EXPECT_THAT(read(joined,
                   message(WebSocketOpcode::binary, std::string(999, 'x'), false) +
                       frame_head(WebSocketOpcode::continuation, true, false, 2, std::nullopt),
                   7),
              ElementsAre("failed 1009"));
}

TEST(WebSocketFrames, UnmaskAtEveryOffset) {
  const std::array<unsigned char, 4> mask{0x12, 0x34, 0x56, 0x78};
  std::string data;
  for (int i = 0; i < 300; ++i) data.push_back(static_cast<char>(i));
  for (std::size_t cut = 0; cut <= 40; ++cut) {
    std::string whole = data, parts = data;
    apply_mask(whole.data(), whole.size(), mask, 0);
    apply_mask(parts.data(), cut, mask, 0);
    apply_mask(parts.data() + cut, parts.size() - cut, mask, cut);
    EXPECT_EQ(whole, parts);
    for (std::size_t i = 0; i < data.size(); ++i)
      ASSERT_EQ(static_cast<unsigned char>(whole[i]), static_cast<unsigned char>(data[i]) ^ mask[i % 4]);
  }
}

// RFC 6455 section 1.3.
TEST(WebSocketHandshake, AnswersTheKeyOfTheStandard) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, ReadsAServersAnswerStrictly) {
  std::string input = "HTTP/1.1 101 Switching\r\nUpgrade:  websocket \r\nX:\r\n\r\nrest";
  const auto answer = take_answer(input);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 101);
  EXPECT_EQ(answer->headers.get_or("upgrade", ""), "websocket");
  EXPECT_EQ(input, "rest");
  std::string half = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n";
  EXPECT_FALSE(take_answer(half));
  for (const char* wrong :
       {"HTTP/1.0 101 x\r\n\r\n", "HTTP/1.1 1x1 x\r\n\r\n", "HTTP/1.1 101x\r\n\r\n", "HTTP/1.1 1\r\n\r\n",
        "junk\r\n\r\n", "\r\n\r\n", "HTTP/1.1 101 x\r\nno colon\r\n\r\n", "HTTP/1.1 101 x\r\n : a\r\n\r\n",
        "HTTP/1.1 101 x\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 101 x\r\nA : b\r\n\r\n",
        "HTTP/1.1 101 x\r\nA: b\nB: c\r\n\r\n", "HTTP/1.1 101 x\r\nA: \x01\r\n\r\n"}) {
    std::string text = wrong;
    EXPECT_THROW((void)take_answer(text), Error) << wrong;
  }
  std::string endless(40'000, 'x');
  EXPECT_THROW((void)take_answer(endless), Error);
}

}  // namespace
}  // namespace beluga::detail
