#include "beluga/net/websocket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "beluga/fiber/context.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/net/http_server.hpp"
#include "beluga/net/internal/http_server_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::RawPeer;

HttpServer::Handler echo(WebSocketLimits limits = {}) {
  return [limits](HttpServerRequest&, HttpServerResponse& response) {
    WebSocket socket = response.upgrade({.subprotocols = {"b", "a"}, .limits = limits});
    while (auto message = socket.receive()) {
      if (message->binary)
        socket.send_binary(message->data);
      else
        socket.send_text(message->data);
    }
  };
}

std::string url(const HttpServer& server, std::string_view path = "/") {
  return "ws://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
}

// ---- frames by hand (RFC 6455 section 5.2)

enum Op : unsigned { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

std::string frame(unsigned first_byte, std::string_view payload, bool masked = true) {
  std::string out(1, static_cast<char>(first_byte));
  const auto size = payload.size();
  const unsigned mask_bit = masked ? 0x80 : 0;
  if (size < 126) {
    out.push_back(static_cast<char>(mask_bit | size));
  } else if (size < 65536) {
    out.push_back(static_cast<char>(mask_bit | 126));
    for (int shift = 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  }
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  if (masked) out += kMask;
  for (std::size_t i = 0; i < size; ++i)
    out.push_back(masked ? static_cast<char>(payload[i] ^ kMask[i % 4]) : payload[i]);
  return out;
}

std::string final_frame(unsigned op, std::string_view payload) {
  return frame(0x80 | op, payload);
}
std::string part(unsigned op, std::string_view payload) {
  return frame(op, payload);
}
std::string close_payload(unsigned code, std::string_view reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

struct Received {
  unsigned op = 0;
  std::string payload;
  unsigned close_code() const {
    return payload.size() < 2 ? 1005U
                              : static_cast<unsigned>(static_cast<unsigned char>(payload[0]) << 8 |
                                                      static_cast<unsigned char>(payload[1]));
  }
};

/// The next frame of the server; op 0 at the end of the connection. Server frames are not masked and here not
/// fragmented.
Received next_frame(RawPeer& peer) {
  const std::string head = peer.exactly(2);
  if (head.size() < 2) return {};
  EXPECT_EQ(static_cast<unsigned char>(head[0]) & 0xF0, 0x80);
  EXPECT_EQ(static_cast<unsigned char>(head[1]) & 0x80, 0) << "a server must not mask";
  std::size_t size = static_cast<unsigned char>(head[1]);
  if (size >= 126) {
    const std::string more = peer.exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : more) size = size << 8 | static_cast<unsigned char>(c);
  }
  return {static_cast<unsigned char>(head[0]) & 0x0FU, peer.exactly(size)};
}

constexpr std::string_view kHandshake =
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

RawPeer open_raw(const HttpServer& server) {
  RawPeer peer(server.port());
  peer.send(std::string(kHandshake) + "\r\n");
  const std::string head = peer.until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  // The example of RFC 6455 section 1.3.
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_THAT(head, Not(HasSubstr("Server:")));
  return peer;
}

// ---- hostile peers: what they send, and the code we must close with

struct Hostile {
  const char* name;
  std::string bytes;
  unsigned code;
};

std::vector<Hostile> hostile() {
  const std::string text = "hi";
  std::vector<Hostile> all{
      {"Rsv1WithoutExtension", frame(0xC1, text), 1002},
      {"Rsv2", frame(0xA1, text), 1002},
      {"Rsv3", frame(0x91, text), 1002},
      {"Rsv1OnPing", frame(0xC9, ""), 1002},
      {"UnmaskedText", frame(0x81, text, false), 1002},
      {"UnmaskedPing", frame(0x89, "", false), 1002},
      {"FragmentedPing", part(kPing, "x"), 1002},
      {"FragmentedClose", part(kClose, close_payload(1000)), 1002},
      {"PingOf126", final_frame(kPing, std::string(126, 'x')), 1002},
      {"CloseOf126", final_frame(kClose, close_payload(1000, std::string(124, 'x'))), 1002},
      {"ContinuationOfNothing", final_frame(kContinuation, text), 1002},
      {"ContinuationAfterFinal", final_frame(kText, text) + final_frame(kContinuation, text), 1002},
      {"TextInsideFragments", part(kText, "a") + final_frame(kText, "b"), 1002},
      {"BinaryInsideFragments", part(kText, "a") + part(kBinary, "b"), 1002},
      {"LengthWithHighBit", std::string("\x82\xFF\x80\0\0\0\0\0\0\0\x12\x34\x56\x78", 14), 1002},
      {"LengthNotMinimal16", std::string("\x82\xFE\0\x01\x12\x34\x56\x78", 8) + "x", 1002},
      {"LengthNotMinimal64", std::string("\x82\xFF\0\0\0\0\0\0\0\x01\x12\x34\x56\x78", 14) + "x", 1002},
      {"LengthOfTheUniverse", std::string("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x12\x34\x56\x78", 14),
       1009},
      {"OverTheLimit", final_frame(kBinary, std::string(70000, 'x')), 1009},
      {"OverTheLimitInFragments",
       part(kBinary, std::string(40000, 'x')) + final_frame(kContinuation, std::string(40000, 'x')), 1009},
      {"CloseOfOneByte", final_frame(kClose, "\x03"), 1002},
      {"CloseReasonNotUtf8", final_frame(kClose, close_payload(1000, "\xC0\xAF")), 1007},
  };
  for (const unsigned op : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U})
    all.push_back({"ReservedOpcode", final_frame(op, ""), 1002});
  for (const unsigned code : {0U, 1U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U})
    all.push_back({"ForbiddenCloseCode", final_frame(kClose, close_payload(code)), 1002});
  // Kuhn's UTF-8 stress test, the parts that matter: overlong, surrogates, beyond U+10FFFF, cut, lone
  // continuation.
  for (const char* bytes :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFE", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "ok\xE2\x28\xA1"}) {
    all.push_back({"NotUtf8", final_frame(kText, bytes), 1007});
    const std::string_view rest(bytes);
    all.push_back({"NotUtf8OverFragments",
                   part(kText, rest.substr(0, 1)) + final_frame(kContinuation, rest.substr(1)), 1007});
  }
  return all;
}

TEST(WebSocketServer, ClosesHostilePeersWithTheRightCodeHoweverTheirBytesArrive) {
  HttpServer server({}, echo({.message_bytes = 65536}));
  for (const Hostile& attack : hostile()) {
    for (const std::size_t step : {std::size_t{1} << 20, std::size_t{1}}) {
      if (step == 1 && attack.bytes.size() > 1000) continue;
      RawPeer peer = open_raw(server);
      for (std::size_t i = 0; i < attack.bytes.size(); i += step)
        peer.send(std::string_view(attack.bytes).substr(i, step));
      Received last = next_frame(peer);
      while (last.op == kText || last.op == kBinary)
        last = next_frame(peer);  // what was valid before is echoed
      EXPECT_EQ(last.op, kClose) << attack.name << " " << step;
      EXPECT_EQ(last.close_code(), attack.code) << attack.name << " " << step;
      peer.finish_sending();
      EXPECT_EQ(peer.rest(), "") << attack.name;
    }
  }
}

TEST(WebSocketServer, FailsBadUtf8BeforeTheMessageIsComplete) {
  HttpServer server({}, echo());
  RawPeer peer = open_raw(server);
  peer.send(part(kText, "\xCE\xBA\xED\xA0"));  // the rest never comes
  EXPECT_EQ(next_frame(peer).close_code(), 1007U);
}

TEST(WebSocketServer, EchoesEveryLengthClass) {
  HttpServer server({}, echo());
  RawPeer peer = open_raw(server);
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 65535U, 65536U, 200000U}) {
    const std::string data(size, '\xFE');
    peer.send(final_frame(kBinary, data));
    const Received back = next_frame(peer);
    EXPECT_EQ(back.op, kBinary);
    EXPECT_TRUE(back.payload == data) << size;
  }
}

TEST(WebSocketServer, JoinsFragmentsAndAnswersPingsBetweenThem) {
  HttpServer server({}, echo());
  RawPeer peer = open_raw(server);
  const std::string text = "\xCE\xBA\xE1\xBD\xB9\xF0\x9F\x98\x80";  // cut inside characters below
  std::string all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    all += part(i == 0 ? kText : kContinuation, std::string_view(text).substr(i, 1));
    all += final_frame(kPing, std::to_string(i));
  }
  all += final_frame(kPong, "unasked") + final_frame(kContinuation, "");
  peer.send(all);
  // Pongs may skip pings that a later ping has overtaken (RFC 6455 section 5.5.3), but come before the echo.
  Received got = next_frame(peer);
  std::string last_pong;
  while (got.op == kPong) {
    last_pong = got.payload;
    got = next_frame(peer);
  }
  EXPECT_EQ(last_pong, std::to_string(text.size() - 1));
  EXPECT_EQ(got.op, kText);
  EXPECT_EQ(got.payload, text);
}

TEST(WebSocketServer, ReturnsTheCloseAndEndsTheConnection) {
  HttpServer server({}, echo());
  for (const unsigned code :
       {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U, 3000U, 3999U, 4000U, 4999U}) {
    RawPeer peer = open_raw(server);
    peer.send(final_frame(kClose, close_payload(code, std::string(123, 'r'))) +
              final_frame(kText, "after the end"));
    const Received back = next_frame(peer);
    EXPECT_EQ(back.op, kClose);
    EXPECT_EQ(back.close_code(), code);
    EXPECT_EQ(peer.rest(), "");
  }
  RawPeer peer = open_raw(server);
  peer.send(final_frame(kClose, ""));
  EXPECT_EQ(next_frame(peer).op, kClose);
  EXPECT_EQ(peer.rest(), "");
}

TEST(WebSocketServer, SurvivesAConnectionCutAtEveryByte) {
  HttpServer server({}, echo());
  const std::string bytes = part(kText, "hel") + final_frame(kPing, "p") + final_frame(kContinuation, "lo") +
                            final_frame(kClose, close_payload(1000, "bye"));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    RawPeer peer = open_raw(server);
    peer.send(bytes.substr(0, cut));
    if (cut % 2 == 0) peer.reset();
  }
  EXPECT_TRUE(server.drain(20s).clean());  // every handler has come to its end
}

TEST(WebSocketServer, TakesFramesThatFollowTheHandshakeAtOnce) {
  HttpServer server({}, echo());
  RawPeer peer(server.port());
  peer.send(std::string(kHandshake) + "\r\n" + final_frame(kText, "early"));
  peer.until("\r\n\r\n");
  EXPECT_EQ(next_frame(peer).payload, "early");
}

TEST(WebSocketServer, RefusesWhatIsNoHandshake) {
  HttpServer server({}, echo());
  const auto status = [&](std::string request) {
    RawPeer peer(server.port());
    peer.send(request + "Connection: close\r\n\r\n");
    return peer.rest().substr(9, 3);
  };
  const std::string good(kHandshake);
  const auto without = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\n"), "400");
  EXPECT_EQ(status(without("GET", "POST")), "400");
  EXPECT_EQ(status(without("dGhlIHNhbXBsZSBub25jZQ==", "short")), "400");
  EXPECT_EQ(status(without("dGhlIHNhbXBsZSBub25jZQ==", "!!!!IHNhbXBsZSBub25jZQ==")), "400");
  EXPECT_EQ(status(without("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=a")), "400");
  EXPECT_EQ(status(good + "Origin: http://h\r\nOrigin: http://evil.example\r\n"), "400");
  EXPECT_EQ(status(without("Upgrade: WebSocket", "Upgrade: h2c")), "400");
  EXPECT_EQ(status(without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "")), "400");
  EXPECT_EQ(status(without("HTTP/1.1", "HTTP/1.0")), "400");
}

// RFC 6455 section 4.4, RFC 9110 section 15.5.22.
TEST(WebSocketServer, TellsAClientOfAnotherVersionWhatItSpeaks) {
  HttpServer server({}, echo());
  for (const char* version : {"Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 130\r\n", "",
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n"}) {
    RawPeer peer(server.port());
    std::string request(kHandshake);
    request.replace(request.find("Sec-WebSocket-Version: 13\r\n"), 27, version);
    peer.send(request + "\r\n");
    const std::string answer = peer.rest();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 426 ")) << version;
    EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Version: 13\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nUpgrade: websocket\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: upgrade\r\n"));
  }
}

TEST(WebSocketServer, CountsAConnectionUntilItsSocketIsClosed) {
  Signal over;
  testing_support::VirtualServer at({.limits = {.connections = 1}},
                                    [&](HttpServerRequest&, HttpServerResponse& response) {
                                      WebSocket socket = response.upgrade();
                                      while (socket.receive()) {
                                      }
                                      over.set();
                                    });
  constexpr std::size_t kAtRest = 2;  // who accepts, and who keeps event streams alive
  RawPeer peer = open_raw(*at.server);
  peer.send(final_frame(kClose, close_payload(1000)));
  EXPECT_EQ(next_frame(peer).op, kClose);
  over.wait();
  while (at.runtime.stats().fibers > kAtRest) std::this_thread::yield();  // now the handler is gone
  EXPECT_EQ(at.server->stats().connections, 1U);
  RawPeer second(at.server->port());
  EXPECT_THAT(second.rest(), StartsWith("HTTP/1.1 503 "));
  peer.close();
  while (at.server->stats().connections > 0) std::this_thread::yield();
}

TEST(WebSocketServer, LetsABrowserInFromItsOwnOriginOnly) {
  HttpServer server({}, echo());
  const auto status = [](std::uint16_t port, const std::string& more) {
    RawPeer peer(port);
    peer.send(std::string(kHandshake) + more + "\r\n");
    return peer.until("\r\n").substr(9, 3);
  };
  EXPECT_EQ(status(server.port(), "Origin: http://h\r\n"), "101");
  EXPECT_EQ(status(server.port(), "Origin: http://evil.example\r\n"), "403");
  EXPECT_EQ(status(server.port(), "Origin: null\r\n"), "403");
  EXPECT_EQ(status(server.port(), "Origin: http://h:99\r\n"), "403");
  HttpServer open({}, [](HttpServerRequest&, HttpServerResponse& response) {
    (void)response.upgrade(
        {.allow_origin = [](std::string_view origin) { return origin == "https://app.example"; }});
  });
  EXPECT_EQ(status(open.port(), "Origin: https://app.example\r\n"), "101");
  EXPECT_EQ(status(open.port(), "Origin: http://h\r\n"), "403");
}

TEST(WebSocketServer, CancelsTheHandlerWhenThePeerIsLost) {
  Promise<std::string> cause;
  auto seen = cause.future();
  HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse& response) {
    WebSocket socket = response.upgrade();
    try {
      sleep_for(1h);  // busy with something else than receiving
    } catch (const Error& error) {
      cause.set(error.message());
      throw;
    }
  });
  RawPeer peer = open_raw(server);
  peer.reset();
  EXPECT_EQ(seen.get(), "client went away");
}

// ---- our client against our server

TEST(WebSocket, CarriesTextAndBinaryBothWays) {
  HttpServer server({}, echo());
  WebSocket socket = WebSocket::connect(url(server));
  socket.send_text("h\xC3\xA9llo");
  auto message = socket.receive();
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->binary);
  EXPECT_EQ(message->data, "h\xC3\xA9llo");
  const std::string big(3'000'000, '\0');
  socket.send_binary(big);
  message = socket.receive();
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->binary);
  EXPECT_TRUE(message->data == big);
  EXPECT_THROW(socket.send_text("\xFF"), Error);
  EXPECT_TRUE(socket.is_open());
  EXPECT_LT(socket.ping(), 10s);
  socket.close(1000, "bye");
  EXPECT_EQ(socket.closed()->code, 1000);
  EXPECT_FALSE(socket.receive());
  EXPECT_THROW(socket.send_text("late"), Error);
  socket.close();
}

TEST(WebSocket, WorksFromAFiberAndFromOtherThreads) {
  HttpServer server({}, echo());
  Runtime runtime({.workers = 2});
  runtime.run([&] {
    WebSocket socket = WebSocket::connect(url(server));
    socket.send_text("fiber");
    EXPECT_EQ(socket.receive()->data, "fiber");
    std::thread other([&] { socket.send_text("thread"); });
    EXPECT_EQ(socket.receive()->data, "thread");
    other.join();
  });
}

TEST(WebSocket, KeepsMessagesOfConcurrentSendersWhole) {
  HttpServer server({}, echo());
  WebSocket socket = WebSocket::connect(url(server));
  Scope scope;
  for (int sender = 0; sender < 8; ++sender) {
    scope.spawn("sender", [&socket, sender] {
      for (int i = 0; i < 50; ++i) socket.send_text(std::string(1000, static_cast<char>('a' + sender)));
    });
  }
  for (int i = 0; i < 400; ++i) {
    const auto message = socket.receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->data, std::string(1000, message->data[0]));
  }
  scope.join();
}

TEST(WebSocket, AgreesOnASubprotocolByTheServersPreference) {
  HttpServer server({}, echo());
  EXPECT_EQ(WebSocket::connect(url(server), {.subprotocols = {"a", "b"}}).subprotocol(), "b");
  EXPECT_EQ(WebSocket::connect(url(server), {.subprotocols = {"a"}}).subprotocol(), "a");
  EXPECT_EQ(WebSocket::connect(url(server), {.subprotocols = {"z"}}).subprotocol(), "");
}

TEST(WebSocket, CompressesWhenBothSidesWantIt) {
  HttpServer server({}, echo({.compress = true}));
  WebSocket socket = WebSocket::connect(url(server), {.limits = {.compress = true}});
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "token " + std::to_string(i % 100) + " ";
  for (int i = 0; i < 5; ++i) {
    socket.send_text(text);
    EXPECT_TRUE(socket.receive()->data == text);
  }
  WebSocket plain = WebSocket::connect(url(server));
  plain.send_text(text);
  EXPECT_TRUE(plain.receive()->data == text);
}

TEST(WebSocket, LimitsAMessageAfterInflatingIt) {
  HttpServer server({}, echo({.message_bytes = 100'000, .compress = true}));
  WebSocket socket = WebSocket::connect(url(server), {.limits = {.compress = true}});
  try {
    socket.send_binary(std::string(5'000'000, 'x'));  // a few KB on the wire
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition);  // refused while it still went out
  }
  EXPECT_FALSE(socket.receive());
  EXPECT_EQ(socket.closed()->code, 1009);
}

TEST(WebSocket, AWaitThatEndsEarlyLeavesTheConnectionUsable) {
  HttpServer server({}, echo());
  WebSocket socket = WebSocket::connect(url(server));
  {
    ContextScope scope(Context::current().with_timeout(5ms));
    try {
      (void)socket.receive();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
    }
  }
  socket.send_text("still here");
  EXPECT_EQ(socket.receive()->data, "still here");
}

TEST(WebSocket, SaysGoodbyeWhenItIsDestroyed) {
  Promise<std::uint16_t> code;
  auto seen = code.future();
  HttpServer server({}, [&](HttpServerRequest&, HttpServerResponse& response) {
    WebSocket socket = response.upgrade();
    while (socket.receive()) {
    }
    code.set(socket.closed()->code);
  });
  (void)WebSocket::connect(url(server));
  EXPECT_EQ(seen.get(), 1001);
}

struct Ending {
  Promise<std::string> outcome;
  Future<std::string> seen = outcome.future();
};

/// A server on a clock that stands still; its handler tells how the WebSocket ended. (The server goes before what
/// its handler writes to.)
struct VirtualServer : Ending, testing_support::VirtualServer {
  VirtualServer(WebSocketLimits limits, std::function<void(WebSocket&)> use)
      : testing_support::VirtualServer(
            {}, [this, limits, use](HttpServerRequest&, HttpServerResponse& response) {
              WebSocket socket = response.upgrade({.limits = limits});
              std::string how;
              try {
                use(socket);
              } catch (const Error& error) {
                how = std::string(to_string(error.code())) + " ";
              }
              outcome.set(how + std::to_string(socket.closed().value_or(WebSocketClose{}).code));
            }) {}
};

TEST(WebSocketTimeouts, CutAPeerThatDoesNotAnswerTheClose) {
  VirtualServer at({.close_timeout = 5s}, [](WebSocket& socket) { socket.close(); });
  RawPeer peer = open_raw(*at.server);
  EXPECT_EQ(next_frame(peer).op, kClose);
  EXPECT_GE(at.advance_until([&] { return at.seen.ready(); }), 5s);
  EXPECT_EQ(at.seen.get(), "1006");
  EXPECT_EQ(peer.rest(), "");
}

TEST(WebSocketTimeouts, PingASilentPeerAndLoseIt) {
  VirtualServer at({.idle_timeout = 60s}, [](WebSocket& socket) {
    while (socket.receive()) {
    }
  });
  RawPeer peer = open_raw(*at.server);
  peer.send(final_frame(kPing, "started?"));
  EXPECT_EQ(next_frame(peer).op, kPong);
  for (int i = 0; i < 5; ++i) {  // as long as it answers it lives
    at.clock.advance(30s);
    const Received ping = next_frame(peer);
    EXPECT_EQ(ping.op, kPing);
    peer.send(final_frame(kPong, ping.payload) + final_frame(kPing, "seen?"));
    EXPECT_EQ(next_frame(peer).op, kPong);
  }
  EXPECT_FALSE(at.seen.ready());
  EXPECT_GE(at.advance_until([&] { return at.seen.ready(); }), 60s);
  EXPECT_EQ(at.seen.get(), "data_loss 1006");
}

TEST(WebSocketTimeouts, DoNotBlameThePeerForMessagesThatNobodyReceives) {
  Signal go_on;
  VirtualServer at({.idle_timeout = 60s}, [&](WebSocket& socket) {
    go_on.wait();
    while (socket.receive()) {
    }
  });
  RawPeer peer = open_raw(*at.server);
  std::string many = final_frame(kPing, "all here");
  for (int i = 0; i < 20; ++i) many += final_frame(kText, "message");
  peer.send(many);
  EXPECT_EQ(next_frame(peer).op, kPong);  // the rest is read ahead in the same step
  at.clock.advance(1h);
  go_on.set();
  peer.send(final_frame(kClose, close_payload(1000)));
  Received last = next_frame(peer);
  while (last.op == kPing) last = next_frame(peer);
  EXPECT_EQ(last.close_code(), 1000U);
  EXPECT_EQ(at.seen.get(), "1000");
}

TEST(WebSocketTimeouts, LoseAPeerThatTakesNothing) {
  VirtualServer at({.idle_timeout = 0s, .write_idle_timeout = 30s}, [](WebSocket& socket) {
    for (;;) socket.send_binary(std::string(1 << 20, 'x'));
  });
  RawPeer peer = open_raw(*at.server);
  EXPECT_GE(at.advance_until([&] { return at.seen.ready(); }), 30s);
  EXPECT_EQ(at.seen.get(), "failed_precondition 1006");
}

TEST(WebSocket, ReportsADeclinedHandshakeWithItsStatus) {
  HttpServer server(
      {}, [](HttpServerRequest&, HttpServerResponse& response) { response.send(403, "text/plain", "no"); });
  try {
    (void)WebSocket::connect(url(server));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
    EXPECT_EQ(error.http_status(), 403);
  }
}

TEST(WebSocket, SaysWhatIsWrongWithAUrlOrAPeer) {
  const auto code = [](const std::string& text) {
    try {
      (void)WebSocket::connect(text);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::unknown;
  };
  EXPECT_EQ(code("http://127.0.0.1/"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("ws://user:pw@127.0.0.1/"), ErrorCode::invalid_argument);
  EXPECT_EQ(code("nonsense"), ErrorCode::invalid_argument);
  std::uint16_t port = 0;
  {
    HttpServer gone({}, echo());
    port = gone.port();
  }
  EXPECT_EQ(code("ws://127.0.0.1:" + std::to_string(port) + "/"), ErrorCode::unavailable);
}

TEST(WebSocketTimeouts, GiveUpOnAPeerThatNeverAnswersTheHandshake) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse&) { sleep_for(1h); });
  ManualClock clock;
  Runtime runtime({.workers = 1, .clock = &clock});
  std::atomic<bool> done{false};
  std::string code;
  std::thread client([&] {
    runtime.run([&] {
      try {
        (void)WebSocket::connect(url(server), {.connect_timeout = 10s});
      } catch (const Error& error) {
        code = std::string(to_string(error.code()));
      }
    });
    done = true;
  });
  const TimePoint begin = clock.now();
  while (!done) {
    clock.advance(100ms);
    std::this_thread::yield();
  }
  client.join();
  EXPECT_EQ(code, "deadline_exceeded");
  EXPECT_GE(clock.now() - begin, 10s);
}

/// A server that answers a client's handshake with these bytes behind it.
std::optional<WebSocketClose> close_after(const std::string& bytes, ErrorCode* code = nullptr) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(listener, 1);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  // The key is random, so the forged server relays the handshake to a real one.
  HttpServer real({}, [](HttpServerRequest&, HttpServerResponse& response) {
    WebSocket socket = response.upgrade();
    sleep_for(1h);
  });
  std::thread forger([&] {
    const int client = ::accept(listener, nullptr, nullptr);
    std::string head;
    char c = 0;
    while (!head.ends_with("\r\n\r\n") && ::recv(client, &c, 1, 0) == 1) head.push_back(c);
    RawPeer upstream(real.port());
    upstream.send(head);
    const std::string answer = upstream.until("\r\n\r\n") + bytes;
    (void)::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    while (::recv(client, &c, 1, 0) == 1) {
    }
    ::close(client);
  });
  std::optional<WebSocketClose> out;
  try {
    WebSocket socket = WebSocket::connect("ws://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/");
    try {
      while (socket.receive()) {
      }
    } catch (const Error& error) {
      if (code != nullptr) *code = error.code();
    }
    out = socket.closed();
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
  forger.join();
  ::close(listener);
  return out;
}

TEST(WebSocketClient, RefusesMaskedAndBrokenFramesOfAServer) {
  ErrorCode code{};
  EXPECT_EQ(close_after(frame(0x81, "masked", true), &code)->code, 1002);
  EXPECT_EQ(code, ErrorCode::invalid_argument);
  EXPECT_EQ(close_after(frame(0x83, "", false), &code)->code, 1002);
  EXPECT_EQ(close_after(frame(0x81, "\xFF", false), &code)->code, 1007);
  EXPECT_EQ(close_after(frame(0xC1, "rsv", false), &code)->code, 1002);
  EXPECT_EQ(close_after(frame(0x88, close_payload(1001, "off"), false))->reason, "off");
}

}  // namespace
}  // namespace beluga
