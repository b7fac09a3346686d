#pragma once
/// Bytes to requests, without sockets: what the server and the fuzzer share. Not installed.
///
/// Stricter than RFC 9112 asks a recipient to be: whatever two parsers could read differently is refused
/// (bare LF, obs-fold, space before the colon, repeated or odd Content-Length, Content-Length together with
/// Transfer-Encoding, codings other than a single "chunked", control characters). The grammar of the head is
/// Boost.Beast's parser; the chunked coding is read here, because Beast 1.81 fails an assertion when the last
/// chunk arrives in pieces.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/net/http.hpp"
#include "beluga/net/http_server.hpp"

namespace beluga::detail {

/// Why a request is refused. The connection is closed after the answer: where the next request starts is
/// unknown.
struct Rejection {
  int status = 400;
  std::string message;
};

struct RequestHead {
  std::string method;
  std::string target;
  HttpHeaders headers;
  int minor_version = 1;
  bool keep_alive = false;
  bool expects_continue = false;
  bool chunked = false;
  bool upgrade = false;  ///< Connection: upgrade is present
  std::uint64_t content_length = 0;
  bool has_body() const noexcept { return chunked || content_length > 0; }
};

/// The chunked coding (RFC 9112 section 7.1), in any pieces, holding nothing. Extensions and trailers are
/// checked and dropped.
class ChunkedDecoder {
 public:
  enum class State : std::uint8_t { more, complete, malformed, too_large };
  /// Takes from the front of `input`, appends data to `body` (at most `room` bytes) and returns how much was
  /// taken.
  std::size_t feed(std::string_view input, std::string& body, std::size_t room, std::uint64_t limit);
  State state() const noexcept { return state_; }

 private:
  enum class At : std::uint8_t {
    size_first,
    size,
    space,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf
  };
  State state_ = State::more;
  At at_ = At::size_first;
  std::uint64_t size_ = 0;    ///< left of the chunk
  std::uint64_t total_ = 0;   ///< announced so far
  std::size_t overhead_ = 0;  ///< bytes of extensions and trailers
};

/// One request. Feed it the connection's input from the front; it says how much it took.
class RequestParser {
 public:
  explicit RequestParser(const HttpServerLimits& limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  enum class State : std::uint8_t {
    head,      ///< needs more bytes of the head
    body,      ///< head() is complete, the body is not
    complete,  ///< ends with what was taken
    rejected,  ///< see rejection()
  };
  State state() const noexcept { return state_; }
  /// Takes bytes from the front of `input` and returns how many. In State::head it takes all of the head at
  /// once or nothing (except blank lines before it). Body bytes are appended to `body`, at most about
  /// `body_room` of them.
  std::size_t feed(std::string_view input, std::string& body, std::size_t body_room);
  /// Whether any byte of the request has been seen, blank lines apart.
  bool started() const noexcept { return started_; }
  const RequestHead& head() const noexcept { return head_; }
  RequestHead& head() noexcept { return head_; }
  const Rejection& rejection() const noexcept { return rejection_; }
  /// Body bytes delivered so far.
  std::uint64_t body_bytes() const noexcept { return body_bytes_; }

 private:
  std::size_t reject(int status, std::string message);
  std::size_t feed_head(std::string_view input);

  const HttpServerLimits* limits_;
  ChunkedDecoder chunks_;
  RequestHead head_;
  Rejection rejection_;
  State state_ = State::head;
  bool started_ = false;
  std::size_t scanned_ = 0;  ///< of the head, up to the last whole line
  std::size_t lines_ = 0;
  std::size_t line_start_ = 0;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace beluga::detail
