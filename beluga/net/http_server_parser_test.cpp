#include "beluga/net/internal/http_server_parser.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace beluga::detail {
namespace {

struct Parsed {
  RequestParser::State state;
  int status = 0;
  std::string method, target, body;
  std::size_t taken = 0;
  std::size_t headers = 0;
};

/// Feeds `text` in pieces of `step` bytes the way a connection does: what is not taken is offered again.
Parsed parse(std::string_view text, std::size_t step, const HttpServerLimits& limits = {}) {
  RequestParser parser(limits);
  Parsed out;
  std::string pending;
  std::size_t offered = 0;
  while (true) {
    const std::size_t before = pending.size();
    const std::size_t n = parser.feed(pending, out.body, 1 << 20);
    EXPECT_LE(n, pending.size());
    pending.erase(0, n);
    out.taken += n;
    if (parser.state() == RequestParser::State::complete || parser.state() == RequestParser::State::rejected)
      break;
    if (n > 0 && n < before) continue;
    if (offered == text.size()) break;
    pending.append(text.substr(offered, step));
    offered += std::min(step, text.size() - offered);
  }
  out.state = parser.state();
  out.status = parser.state() == RequestParser::State::rejected ? parser.rejection().status : 0;
  out.method = parser.head().method;
  out.target = parser.head().target;
  out.headers = parser.head().headers.size();
  return out;
}

constexpr std::string_view kPost =
    "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello";

TEST(RequestParser, TakesARequestWhole) {
  const Parsed parsed = parse(kPost, kPost.size());
  EXPECT_EQ(parsed.state, RequestParser::State::complete);
  EXPECT_EQ(parsed.method, "POST");
  EXPECT_EQ(parsed.target, "/a?b=c");
  EXPECT_EQ(parsed.body, "hello");
  EXPECT_EQ(parsed.headers, 3U);
  EXPECT_EQ(parsed.taken, kPost.size());
}

TEST(RequestParser, ReadsTheSameFromAnyChunking) {
  const std::string chunked =
      "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=\"a;b\"\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
  for (const std::string& text : {std::string(kPost), chunked}) {
    const Parsed whole = parse(text, text.size());
    ASSERT_EQ(whole.state, RequestParser::State::complete) << text;
    for (std::size_t step = 1; step < text.size(); ++step) {
      const Parsed parsed = parse(text, step);
      ASSERT_EQ(parsed.state, RequestParser::State::complete) << step;
      EXPECT_EQ(parsed.body, whole.body) << step;
      EXPECT_EQ(parsed.taken, whole.taken) << step;
    }
  }
}

TEST(RequestParser, WaitsForMoreWhenCutAtAnyByte) {
  for (std::size_t cut = 0; cut < kPost.size(); ++cut) {
    const Parsed parsed = parse(kPost.substr(0, cut), 7);
    EXPECT_TRUE(parsed.state == RequestParser::State::head || parsed.state == RequestParser::State::body)
        << cut;
  }
}

TEST(RequestParser, LeavesThePipelinedRequestBehind) {
  const std::string two = std::string(kPost) + "GET /2 HTTP/1.1\r\n";
  EXPECT_EQ(parse(two, two.size()).taken, kPost.size());
}

TEST(RequestParser, IgnoresTwoBlankLinesBeforeTheRequestButNotEndlessOnes) {
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 3).state, RequestParser::State::complete);
  EXPECT_EQ(parse("\r\n\r\n\r\n\r\n", 1).status, 400);
}

TEST(RequestParser, BoundsRequestLineHeadersAndBody) {
  HttpServerLimits limits;
  limits.request_line_bytes = 100;
  limits.header_bytes = 400;
  limits.header_count = 5;
  limits.body_bytes = 10;
  const std::string fill(500, 'a');
  EXPECT_EQ(parse("GET /" + fill, 10, limits).status, 414);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\nX: " + fill, 10, limits).status, 431);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n\r\n", 10, limits).status, 431);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", 10, limits).status, 413);
  EXPECT_EQ(
      parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n",
            10, limits)
          .status,
      413);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 10,
                  limits)
                .status,
            413);
  EXPECT_EQ(
      parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20000, 'x'),
            1000, limits)
          .status,
      400);
}

TEST(RequestParser, TakesWhatOnlyLooksOdd) {
  const auto body = [](std::string_view head, std::string_view rest) {
    const std::string text =
        "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(head) + "\r\n" + std::string(rest);
    const Parsed parsed = parse(text, 1);
    EXPECT_EQ(parsed.state, RequestParser::State::complete) << text;
    EXPECT_EQ(parsed.taken, text.size()) << text;
    return parsed.body;
  };
  EXPECT_EQ(body("Content-Length: 005\r\n", "hello"), "hello");
  EXPECT_EQ(body("content-LENGTH:\t5 \t\r\n", "hello"), "hello");
  EXPECT_EQ(body("transfer-encoding:\tCHUNKED \r\n", "0005\r\nhello\r\n000\r\n\r\n"), "hello");
  EXPECT_EQ(body("Transfer-Encoding: chunked\r\n", "A\r\n0123456789\r\na;x\r\n0123456789\r\n0\r\n\r\n"),
            "01234567890123456789");
  // RFC 9112 section 7.1.2: trailers frame nothing, whatever they are called.
  EXPECT_EQ(body("Transfer-Encoding: chunked\r\n",
                 "1\r\na\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\n\r\n"),
            "a");
  EXPECT_EQ(body("Content-Length: 0\r\nX: \x80\xFF\r\nEmpty:\r\n", ""), "");
}

struct Refused {
  std::string_view name;
  std::string_view text;
  int status;
};

class RequestParserRefuses : public testing::TestWithParam<Refused> {};

// RFC 9112: what a front-end and we could read differently must not pass.
TEST_P(RequestParserRefuses, InOnePieceAndByteByByte) {
  const std::string_view text = GetParam().text;
  EXPECT_EQ(parse(text, text.size()).status, GetParam().status);
  EXPECT_EQ(parse(text, 1).status, GetParam().status);
}

using std::string_view_literals::operator""sv;
INSTANTIATE_TEST_SUITE_P(
    Smuggling, RequestParserRefuses,
    testing::Values(
        Refused{
            "ClAndTe",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400},
        Refused{
            "TeAndCl",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            400},
        Refused{"TwoCl", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                400},
        Refused{"TwoEqualCl", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
                400},
        Refused{"ClList", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na", 400},
        Refused{"ClPlus", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na", 400},
        Refused{"ClMinus", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\na", 400},
        Refused{"ClHex", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\na", 400},
        Refused{"ClEmpty", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\na", 400},
        Refused{"ClHuge", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\na",
                400},
        Refused{"TeGzip", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        Refused{"TeGzipChunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                501},
        Refused{"TeXchunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
        Refused{
            "TeTwice",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            400},
        Refused{"TeChunkedIdentity",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501},
        Refused{"TeVerticalTab",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b"
                "chunked\r\n\r\n",
                400},
        Refused{"TeInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        Refused{"SpaceBeforeColon", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\na", 400},
        Refused{"SpaceBeforeName", "POST / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
        Refused{"ObsFold", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400},
        Refused{"ObsFoldTab", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", 400},
        Refused{"BareLf", "GET / HTTP/1.1\nHost: h\n\n", 400},
        Refused{"BareLfInField", "GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n", 400},
        Refused{"BareCr", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n", 400},
        Refused{"Nul", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"sv, 400},
        Refused{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Refused{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        Refused{"HostWithSpace", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        Refused{"NoColon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 400},
        Refused{"EmptyName", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400},
        Refused{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        Refused{"Http09", "GET /\r\n\r\n", 400},
        Refused{"VersionTrailing", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
        Refused{"VersionLowerCase", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"VersionOfTwoDigits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400},
        Refused{"VersionZero", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505},
        Refused{"VersionTwo", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        Refused{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"VersionSmuggledIntoTarget", "GET /a HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"TabsForSpaces", "GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"NoTarget", "GET HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"EmptyTarget", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"MethodNoToken", "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"MethodWithSlash", "G/T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"MethodWithHighByte", "GET\x80 / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"MethodWithColon", "Host: h / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"CrInRequestLine", "GET / HTTP/1.1\rHost: h\r\n\r\n", 400},
        Refused{"NulInTarget", "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"sv, 400},
        Refused{"TwoCrs", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400},
        Refused{"NulInName", "GET / HTTP/1.1\r\nHost: h\r\nX\0Y: a\r\n\r\n"sv, 400},
        Refused{"NameWithHighByte", "GET / HTTP/1.1\r\nHost: h\r\nX\x80: a\r\n\r\n", 400},
        Refused{"NameWithSpace", "GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n", 400},
        Refused{"NameQuoted", "GET / HTTP/1.1\r\nHost: h\r\n\"X\": a\r\n\r\n", 400},
        Refused{"DelInValue", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n", 400},
        Refused{"ClTwoNumbers", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 1\r\n\r\na", 400},
        Refused{"ClFolded", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n 1\r\n\r\na", 400},
        Refused{"ClWithNul", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\0\r\n\r\na"sv, 400},
        Refused{"ClFraction", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1.0\r\n\r\na", 400},
        Refused{"ClTwiceInOtherLetters",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\na", 400},
        Refused{"ClAndTeInOtherLetters",
                "POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 4\r\nTRANSFER-ENCODING: Chunked\r\n\r\n", 400},
        Refused{"ClAndTeOfHttp10",
                "POST / HTTP/1.0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Refused{"TeFolded", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 400},
        Refused{"TeEmpty", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", 501},
        Refused{"TeQuoted", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 501},
        Refused{"TeParameter", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", 501},
        Refused{"TeChunkedChunked",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 501},
        Refused{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Refused{"TlsHello", "\x16\x03\x01\x02\x01\x01", 400},
        Refused{"ExpectOther", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n",
                417},
        Refused{"ChunkSizeNotHex", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
                400},
        Refused{"ChunkSizeSigned",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
                400},
        Refused{"ChunkSizeOverflow",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400},
        Refused{"ChunkSizeEmpty", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
                400},
        Refused{"ChunkSizePrefixed",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
                400},
        Refused{"ChunkSizeAfterSpace",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
                400},
        Refused{"ChunkSizeBeforeSpace",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
                400},
        Refused{"ChunkSizeUnderscore",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n", 400},
        Refused{"ChunkSizeHuge",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff0\r\n", 413},
        Refused{"ChunkExtensionBareLf",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
                400},
        Refused{"ChunkExtensionBareCr",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n", 400},
        Refused{"ChunkExtensionNul",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\0\r\nhello\r\n"sv, 400},
        Refused{"ChunkBareLfAfterData",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400},
        Refused{"LastChunkBareLf", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
                400},
        Refused{"TrailerFolded",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n",
                400},
        Refused{"TrailerWithoutColon",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
                400},
        Refused{"TrailerNul",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: \0\r\n\r\n"sv, 400},
        Refused{"ChunkBareLf",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
        Refused{"ChunkNoCrlfAfterData",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
                400}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace beluga::detail
