/// WebSocket against an independent implementation, the npm package "ws", in both roles. A missing peer is a
/// failure, never a skip.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "beluga/net/http_server.hpp"
#include "beluga/net/websocket.hpp"
#include "tests/interop/node.hpp"

namespace beluga {
namespace {

using testing::HasSubstr;
using testing_support::Node;

TEST(WebSocketServerWithWs, IsUnderstoodInEveryWayToCompress) {
  HttpServer server({}, [](HttpServerRequest&, HttpServerResponse& response) {
    WebSocket socket = response.upgrade({.subprotocols = {"a", "b"}, .limits = {.compress = true}});
    while (auto message = socket.receive()) {
      if (message->binary)
        socket.send_binary(message->data);
      else
        socket.send_text(message->data);
    }
  });
  Node client("ws_client.mjs", {"ws://127.0.0.1:" + std::to_string(server.port()) + "/"});
  // 9 ways of 14 sizes in 3 kinds, 3 fragmentations and a close; the single checks; 1000 echoes at once.
  EXPECT_EQ(client.read_line(), "ok " + std::to_string(9 * (14 * 3 + 3 + 1) + 1 + 2 + 1000));
}

class WebSocketWithWs : public testing::Test {
 protected:
  static std::string url(std::string_view path) {
    static Node node("ws_server.mjs");
    static const std::string port = node.read_line();
    return "ws://127.0.0.1:" + port + std::string(path);
  }
};

void expect_echo(WebSocket& socket, const std::string& data, bool binary) {
  const auto back = socket.receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->binary, binary);
  EXPECT_TRUE(back->data == data) << data.size();
}

TEST_F(WebSocketWithWs, CarriesEverySizeInEveryWayToCompress) {
  std::minstd_rand random(7);
  for (const char* path : {"/plain", "/deflate", "/server-forgets", "/client-forgets", "/both-forget",
                           "/stored", "/fixed", "/small-chunks"}) {
    for (const bool compress : {false, true}) {
      SCOPED_TRACE(std::string(path) + (compress ? " compressed" : ""));
      WebSocket socket = WebSocket::connect(url(path), {.limits = {.compress = compress}});
      for (const std::size_t size : {0U, 1U, 2U, 31U, 32U, 125U, 126U, 127U, 1000U, 16384U, 65535U, 65536U,
                                     65537U, 300'000U, 1'000'000U}) {
        std::string data(size, 'x');
        socket.send_text(data);
        expect_echo(socket, data, false);
        for (char& c : data) c = static_cast<char>(random());
        socket.send_binary(data);  // what does not compress comes in stored blocks
        expect_echo(socket, data, true);
        for (char& c : data) c = static_cast<char>('a' + random() % 4);
        socket.send_binary(data);
        expect_echo(socket, data, true);
        if (testing::Test::HasFailure()) return;
      }
      for (const int piece : {1, 10, 5000}) {
        std::string text;
        while (text.size() < static_cast<std::size_t>(piece) * 20) text += "fragment \xC3\x9F ";
        socket.send_text("pieces " + std::to_string(piece));
        socket.send_text(text + std::string(100, '.'));
        expect_echo(socket, text + std::string(100, '.'), false);
      }
      EXPECT_GT(socket.ping(), Duration::zero());
      socket.send_text("ping");
      EXPECT_EQ(socket.receive()->data, "pong from ws");
      socket.send_text("close 4001 for a reason");
      EXPECT_FALSE(socket.receive());
      ASSERT_TRUE(socket.closed());
      EXPECT_EQ(socket.closed()->code, 4001);
      EXPECT_EQ(socket.closed()->reason, "for a reason");
    }
  }
}

TEST_F(WebSocketWithWs, AgreesOnASubprotocolOrRefusesAnUnaskedOne) {
  WebSocket socket = WebSocket::connect(url("/plain"), {.subprotocols = {"other", "chosen"}});
  EXPECT_EQ(socket.subprotocol(), "chosen");
  socket.close(1000, "done");
  EXPECT_EQ(socket.closed()->code, 1000);
  try {
    (void)WebSocket::connect(url("/plain"), {.subprotocols = {"other"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
    EXPECT_THAT(error.message(), HasSubstr("subprotocol"));
  }
}

TEST_F(WebSocketWithWs, SaysThatTheConnectionWasLost) {
  WebSocket socket = WebSocket::connect(url("/plain"));
  socket.send_text("terminate");
  try {
    (void)socket.receive();
    ADD_FAILURE() << "a lost connection is not an orderly end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data_loss);
  }
}

}  // namespace
}  // namespace beluga
