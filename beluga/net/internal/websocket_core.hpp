#pragma once
/// One WebSocket behind its public object: what is read, what waits to be written, how it ends. Not
/// installed.

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/net/internal/connection_places.hpp"
#include "beluga/net/internal/tls_socket.hpp"
#include "beluga/net/internal/websocket_frames.hpp"
#include "beluga/net/websocket.hpp"

namespace beluga {

/// Lives on its worker, kept alive by the handlers that wait for its socket: everything but the inbox, the
/// count of receivers and the state under `mutex` is touched there only.
struct WebSocket::Core : std::enable_shared_from_this<Core> {
  enum class Kind : std::uint8_t { text, binary, ping, close };
  enum class Side : std::uint8_t { client, server };

  /// `socket` has the handshake behind it; `input` was read after it. Made on its worker.
  Core(Side own_side, boost::asio::io_context& own_io, std::unique_ptr<detail::Socket> own_socket,
       std::string own_input, const WebSocketLimits& own_limits,
       const std::optional<detail::DeflateAgreement>& deflate, detail::ConnectionPlace own_place = {});

  // On the worker.
  void start();
  void pump();
  void say_goodbye();
  void cut();

  // From anywhere.
  std::optional<WebSocketMessage> receive();
  /// Waits until it is written, for a ping until its pong is there.
  void send(Kind kind, std::string data);
  void close(std::uint16_t code, std::string reason);
  bool has_ended() const;
  template <class F>
  void on_worker_do(F f);

  boost::asio::io_context& io;
  const WebSocketLimits limits;
  std::string subprotocol;
  Function<void()> gone;  ///< told once that the connection is over, unless its user knows by himself

  std::atomic<int> receivers{0};
  mutable std::mutex mutex;  ///< leaf: ended
  std::optional<WebSocketClose> ended;

 private:
  static constexpr std::size_t kReadAhead = 4;
  static constexpr std::size_t kReadAheadBytes = 256 * 1024;
  using Abandoned = std::shared_ptr<std::atomic<bool>>;  ///< whether the sender waits no more
  struct Outgoing {
    Kind kind;
    std::string data;
    std::uint16_t code = 0;
    Promise<void> done;
    Abandoned abandoned;
    std::size_t position = 0;  ///< of `data`, while it goes out in fragments
    bool started = false;
  };
  struct Ping {
    std::uint64_t number;
    Promise<void> done;
    Abandoned abandoned;
  };

  Future<void> submit(Outgoing out);
  void enqueue(Outgoing out);
  void fail_message(Outgoing& out);
  void forget_abandoned();

  void arm_reader();
  bool read_some();
  bool inbox_full() const;
  bool digest();
  void go_on_later();
  void on_pong(std::string_view payload);
  void on_close(detail::WebSocketEvent event);
  void on_failure(detail::WebSocketEvent event);

  void flush();
  bool next_frame();
  void frame(detail::WebSocketOpcode opcode, bool last, bool compressed, std::string payload);
  void frame_written();

  void on_idle();
  void on_write_idle();
  void begin_closing();
  void cut_after(Duration patience);
  void heard();
  void lose(std::string why);
  void finish(WebSocketClose how, std::optional<Error> error);
  void linger();
  void linger_step();
  void close_socket();
  void abort_socket();
  void show_waiting();

  const Side side_;
  detail::ConnectionPlace place_;  ///< goes with the socket
  std::unique_ptr<detail::Socket> socket_;
  Channel<WebSocketMessage> inbox_{kReadAhead + 1};
  std::atomic<std::size_t> inbox_bytes_{0};

  // Reading.
  std::string input_;
  std::size_t input_position_ = 0;
  detail::WebSocketReader reader_;
  bool reading_ = false;  ///< waits for the socket
  bool digest_posted_ = false, read_blocked_on_write_ = false;
  TimePoint last_heard_{};
  bool idle_ping_sent_ = false;
  detail::WorkerTimer idle_timer_, write_timer_, close_timer_;

  // Writing.
  std::unique_ptr<detail::WebSocketDeflater> deflater_;
  std::deque<Outgoing> outbox_;
  std::optional<std::string> pong_;  ///< owed; a later ping overtakes it (RFC 6455 section 5.5.3)
  bool idle_ping_ = false;
  std::string head_, payload_;  ///< of the frame under way
  std::size_t written_ = 0;
  enum class UnderWay : std::uint8_t {
    nothing,
    control,
    fragment,
    last,
    close
  } under_way_ = UnderWay::nothing;
  bool write_armed_ = false;
  bool write_progressed_ = false;
  std::uint64_t pings_sent_ = 0;
  std::vector<Ping> awaiting_pong_;  ///< in the order in which they were sent

  // Ending.
  bool closing_ = false;  ///< we want to end: nothing more is taken, and what comes is dropped
  bool close_sent_ = false;
  bool goodbye_ = false;  ///< nobody waits for the end
  std::optional<WebSocketClose> peer_close_;
  std::optional<WebSocketClose> close_now_;  ///< the close frame that goes before everything else
  std::optional<Error> failure_;             ///< why, when the peer broke the protocol
  std::vector<Promise<void>> closers_;
  bool lingering_ = false;
  std::size_t discarded_ = 0;
  std::optional<detail::IoPending> waiting_;
};

}  // namespace beluga
