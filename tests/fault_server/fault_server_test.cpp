#include "tests/fault_server/fault_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace beluga::testing {
namespace {

/// A bare client.
class Peer {
 public:
  explicit Peer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Peer() { ::close(fd_); }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), 0), std::ssize(bytes));
  }
  /// Reads to the end; the errno of a failed read is left in error.
  std::string drain() {
    std::string out;
    std::array<char, 4096> bytes;
    for (;;) {
      const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (n < 0) error = errno;
      if (n <= 0) return out;
      out.append(bytes.data(), static_cast<std::size_t>(n));
    }
  }
  bool connected() const { return connected_; }
  int error = 0;

 private:
  int fd_;
  bool connected_ = false;
};

constexpr std::string_view kGet = "GET /a?b HTTP/1.1\r\nHost: x\r\nX-One: 1\r\n\r\n";

TEST(FaultServer, RecordsWhatItReceived) {
  FaultServer server(FaultServer::cut("hi", 2));
  Peer peer(server.port());
  peer.send("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(peer.drain(), "hi");
  ASSERT_TRUE(server.wait_for_requests(1));
  const ReceivedRequest request = server.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a?b");
  EXPECT_EQ(request.header("host"), "x");
  EXPECT_EQ(request.body, "abc");
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(FaultServer, CutsAtEachByte) {
  const std::string response = http_response("200 OK", "", "hello");
  for (std::size_t bytes = 0; bytes <= response.size(); ++bytes) {
    FaultServer server(FaultServer::cut(response, bytes));
    Peer peer(server.port());
    peer.send(kGet);
    EXPECT_EQ(peer.drain(), response.substr(0, bytes));
    EXPECT_EQ(peer.error, 0);
  }
}

TEST(FaultServer, ResetsAfterTheBytes) {
  FaultServer server(FaultServer::cut("hello", 3, FaultServer::End::reset));
  Peer peer(server.port());
  peer.send(kGet);
  peer.drain();
  EXPECT_EQ(peer.error, ECONNRESET);
}

TEST(FaultServer, WaitsForAGateAndHoldsWithoutAThread) {
  Gate gate;
  FaultServer server([&](FaultConnection& connection) {
    connection.read_request();
    connection.wait_for(gate);
    connection.send("a");
    connection.hold();
  });
  {
    Peer peer(server.port());
    peer.send(kGet);
    ASSERT_TRUE(server.wait_for_requests(1));
    gate.open();
    ASSERT_TRUE(server.wait_for_held(1));
    server.send_to_held("b");
    EXPECT_EQ(server.open(), 1U);
  }
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(FaultServer, ProxiesTunnelsAndAbsoluteTargets) {
  FaultServer origin(FaultServer::cut("answer", 6));
  FaultServer proxy([](FaultConnection& connection) { connection.act_as_proxy(); });
  Peer tunnel(proxy.port());
  tunnel.send("CONNECT name.invalid:" + std::to_string(origin.port()) + " HTTP/1.1\r\n\r\n" +
              std::string(kGet));
  EXPECT_EQ(tunnel.drain(), "HTTP/1.1 200 Connection established\r\n\r\nanswer");
  Peer forward(proxy.port());
  forward.send("GET http://name.invalid:" + std::to_string(origin.port()) +
               "/p HTTP/1.1\r\nHost: name.invalid\r\n\r\n");
  EXPECT_EQ(forward.drain(), "answer");
  ASSERT_EQ(origin.requests().size(), 2U);
  EXPECT_EQ(origin.requests()[1].target, "/p");
}

TEST(FaultServer, EndsStalledConnectionsWhenItIsDestroyed) {
  Gate gate;
  std::unique_ptr<Peer> peer;
  {
    FaultServer server([](FaultConnection& connection) { connection.stall(); });
    peer = std::make_unique<Peer>(server.port());
    ASSERT_TRUE(server.wait_for_connections(1));
  }
  EXPECT_EQ(peer->drain(), "");
}

TEST(FaultServer, OffersPortsThatRefuseAndPortsThatDoNotAnswer) {
  EXPECT_FALSE(Peer(refused_port()).connected());
  UnresponsivePort silent;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(silent.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  pollfd event{fd, POLLOUT, 0};
  EXPECT_EQ(::poll(&event, 1, 50), 0) << "nothing may happen";
  ::close(fd);
}

}  // namespace
}  // namespace beluga::testing
