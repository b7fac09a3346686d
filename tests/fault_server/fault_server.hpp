#pragma once
/// A TCP peer for tests that does exactly what it is told, byte by byte: plain sockets and threads, nothing
/// of Beluga.
///
///     FaultServer server([](FaultConnection& peer) {
///       peer.read_request();
///       peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
///       peer.reset();                                     // RST in the middle of the body
///     });
///     client.send({.url = server.url("/path")});          // what came in is in server.requests()
///
/// The handler runs on a thread of its own for each connection. Every call of FaultConnection returns to the
/// handler only while the peer and the server live; otherwise the handler is unwound. When it returns, the
/// connection is closed in order (FIN). Nothing sleeps: steps wait for bytes, for a Gate, for the peer to go,
/// or for the server's end. Loopback only.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace beluga::testing {

/// Opened once by the test; a handler waits for it with FaultConnection::wait_for.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open() noexcept;

 private:
  friend class FaultConnection;
  int fd_;
};

/// A request as it stood on the wire.
struct ReceivedRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;            ///< chunked coding undone
  std::string head;            ///< request line and headers, byte for byte
  std::size_t connection = 0;  ///< 0 for the first one accepted
  /// The first value, ignoring case; empty when absent.
  std::string header(std::string_view name) const;
  bool has_header(std::string_view name) const;
};

class FaultServer;

/// One accepted connection, in the hands of the handler.
class FaultConnection {
 public:
  FaultConnection(const FaultConnection&) = delete;
  FaultConnection& operator=(const FaultConnection&) = delete;

  /// 0 for the first connection that the server accepted.
  std::size_t index() const noexcept { return index_; }
  /// Reads one request with its body (Content-Length or chunked), records it and returns it. Ends the handler
  /// when the peer closes first.
  const ReceivedRequest& read_request();
  /// Reads exactly what comes next, at least one byte; "" when the peer has closed its side.
  std::string read_some();
  void send(std::string_view bytes);
  /// Each byte in a segment of its own, `gap` apart.
  void send_apart(std::string_view bytes, std::chrono::milliseconds gap = std::chrono::milliseconds(0));
  /// Waits until the peer has received (acknowledged) all that was sent.
  void flush();
  void wait_for(Gate& gate);
  /// Says nothing more, and holds the connection until the peer closes it or the server ends.
  [[noreturn]] void stall();
  /// As stall(), but gives the thread back: for thousands of silent connections. See
  /// FaultServer::send_to_held.
  [[noreturn]] void hold();
  [[noreturn]] void close();  ///< FIN
  [[noreturn]] void reset();  ///< RST, also with data unread
  void shutdown_send();       ///< FIN for our side only
  /// Acts as an HTTP proxy for the requests that follow: CONNECT becomes a tunnel and an absolute target is
  /// forwarded, in both cases to 127.0.0.1 and the named port, whatever the host. The requests are recorded.
  [[noreturn]] void act_as_proxy();
  int fd() const noexcept { return fd_; }

 private:
  friend class FaultServer;
  FaultConnection(FaultServer& server, int fd, std::size_t index) : server_(server), fd_(fd), index_(index) {}
  bool fill();  ///< false when the peer has closed its side
  void wait(int fd, short events);
  void relay(int other);
  FaultServer& server_;
  int fd_;
  std::size_t index_;
  std::string buffer_;
  ReceivedRequest request_;
};

class FaultServer {
 public:
  using Handler = std::function<void(FaultConnection&)>;
  enum class End : std::uint8_t { close, reset, stall };

  explicit FaultServer(Handler handler);
  /// Ends all connections (RST) and joins their threads.
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  /// For each request on a connection, sends `response` as it is, and keeps the connection.
  static Handler always(std::string response);
  /// Reads a request, sends the first `bytes` bytes of `response`, then ends the connection so.
  static Handler cut(std::string response, std::size_t bytes, End end = End::close);

  std::uint16_t port() const noexcept { return port_; }
  /// "http://127.0.0.1:port" + path
  std::string url(std::string_view path = "/") const;
  /// "127.0.0.1:port"
  std::string authority() const;

  std::vector<ReceivedRequest> requests() const;
  std::size_t connections() const;  ///< accepted so far
  std::size_t open() const;         ///< not yet ended by either side
  /// Each waits until the count is reached; false after `limit`.
  bool wait_for_requests(std::size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
  bool wait_for_connections(std::size_t count,
                            std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
  bool wait_until_open_at_most(std::size_t count,
                               std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
  bool wait_for_held(std::size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
  /// When the last connection ended, on the steady clock.
  std::chrono::steady_clock::time_point last_end() const;
  /// Writes to every held connection.
  void send_to_held(std::string_view bytes);

 private:
  friend class FaultConnection;
  void accept_loop();
  void serve(int fd, std::size_t index);
  void watch_held();
  void record(const ReceivedRequest& request);
  void ended();
  bool wait(std::chrono::milliseconds limit, const std::function<bool()>& reached) const;

  Handler handler_;
  int listener_ = -1;
  int stop_ = -1;  ///< eventfd: readable once the server ends
  int held_epoll_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<ReceivedRequest> requests_;
  std::size_t accepted_ = 0;
  std::size_t ended_ = 0;
  std::vector<int> held_;
  std::chrono::steady_clock::time_point last_end_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
  std::thread held_watcher_;
};

/// "HTTP/1.1 <status>\r\n<headers, each ended by CRLF>Content-Length: ...\r\n\r\n<body>". `status` is "200
/// OK".
std::string http_response(std::string_view status, std::string_view headers, std::string_view body);
/// A text/event-stream response in chunked coding: one chunk for each element of `chunks`, then the last
/// chunk.
std::string sse_response(const std::vector<std::string>& chunks);
/// One chunk of the chunked coding.
std::string http_chunk(std::string_view data);

/// A port on 127.0.0.1 where nobody listens: connections are refused.
std::uint16_t refused_port();

/// A port where connection attempts are neither accepted nor refused: a listener whose queue is full. They
/// are refused once it is destroyed; a pending one when its SYN is sent again (Linux: a second after the
/// first).
class UnresponsivePort {
 public:
  /// Of 127.0.0.<host>; `port` 0: any that is free.
  explicit UnresponsivePort(unsigned char host = 1, std::uint16_t port = 0);
  ~UnresponsivePort();
  UnresponsivePort(const UnresponsivePort&) = delete;
  UnresponsivePort& operator=(const UnresponsivePort&) = delete;
  std::uint16_t port() const noexcept { return port_; }
  /// Whether somebody is trying to connect.
  bool attempted() const { return attempts() > own_attempts_; }
  /// Makes room in the queue: attempts succeed from now on, pending ones when their SYN is sent again. Nobody
  /// says anything on these connections.
  void let_in();

 private:
  std::size_t attempts() const;
  std::vector<int> fds_;
  std::string address_;
  std::uint16_t port_ = 0;
  std::size_t own_attempts_ = 0;
};

}  // namespace beluga::testing
