#pragma once
/// An incremental parser for server-sent events (`text/event-stream`), after the WHATWG HTML standard,
/// section 9.2.6.
///
///     SseParser parser;
///     while (const SseEvent* event = parser.next_from(exchange)) use(event->data);
///
/// or, pushing bytes as they come, cut anywhere:
///
///     parser.push(chunk);                                     // `chunk` stays valid ...
///     while (const SseEvent* event = parser.next()) use(*event);   // ... until next() has returned null
///
/// Line ends are LF, CR or CRLF; a byte order mark at the start is skipped; bytes are passed through as they
/// are (the format is UTF-8; a character cut between two chunks arrives whole). An event that lies in one
/// chunk and has one data line is not copied; otherwise its parts are gathered in buffers that are kept: no
/// allocation per event after the first few, and memory is bounded by the largest event, however long the
/// stream. Thread-safety: one user at a time.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/base/error.hpp"

namespace beluga {

struct SseEvent {
  std::string_view type{};  ///< the `event` field; "message" when there was none
  std::string_view data{};  ///< the `data` fields, joined by LF
  std::string_view id{};    ///< the last `id` seen in the stream, also from an earlier event
};

struct SseLimits {
  /// Most bytes of one event: its lines with their field names, without line ends and comments.
  std::size_t event_bytes = 16U << 20U;
};

class SseParser {
 public:
  explicit SseParser(SseLimits limits = {}) noexcept : limits_(limits) {}

  /// Takes the next bytes of the stream. Precondition: next() has returned null since the last push().
  void push(std::string_view bytes) noexcept;
  /// The next event, valid until next() or push() is called again; null when all bytes are used up.
  /// Throws Error{resource_exhausted} for an event over the limit; the stream cannot be continued then.
  const SseEvent* next();
  /// The next event of `source`, whose `read()` gives the next bytes, valid until its next call, and none at
  /// the end. (An HttpExchange is such a source.) Null at the end of the stream.
  template <class Source>
  const SseEvent* next_from(Source& source) {
    for (;;) {
      if (const SseEvent* event = next()) return event;
      const std::string_view bytes = source.read();
      if (bytes.empty()) return nullptr;
      push(bytes);
    }
  }

  /// Whether the bytes so far end inside an event. At the end of the stream this means that it was cut off:
  /// by the standard such an event is dropped.
  bool mid_event() const noexcept { return event_bytes_ != 0 || !line_.empty(); }
  /// What the server last set by `retry`: how long to wait before connecting again.
  std::optional<std::chrono::milliseconds> retry() const noexcept { return retry_; }
  /// What to send as `Last-Event-ID` when connecting again; empty when the server never set one.
  const std::string& last_event_id() const noexcept { return last_id_; }
  /// Starts over for a new stream, keeping buffers, retry() and last_event_id().
  void reset() noexcept;

 private:
  enum class Data : unsigned char { none, in_chunk, gathered };
  enum class Start : unsigned char { fresh, bom1, bom2, over };

  bool skip_byte_order_mark();
  bool take_line(std::string_view line, bool in_chunk);
  void take_field(std::string_view name, std::string_view value);
  void add_data(std::string_view value, bool in_chunk);
  const SseEvent* dispatch();
  void keep_rest(std::string_view rest);
  void gather();
  void count(std::size_t bytes);

  SseLimits limits_;
  const char* at_ = nullptr;  ///< the unread part of the chunk is [at_, end_)
  const char* end_ = nullptr;
  const char* next_lf_ = nullptr;  ///< the first LF at or after at_, or end_; each byte is looked at once
  const char* next_cr_ = nullptr;
  Start start_ = Start::fresh;
  Data data_state_ = Data::none;
  bool skip_lf_ = false;     ///< the last byte was a CR that ended a line
  bool in_comment_ = false;  ///< inside a comment line that began in an earlier chunk
  bool dispatched_ = false;  ///< event_ was handed out: clear it on the next call
  bool failed_ = false;
  std::size_t event_bytes_ = 0;
  std::string_view data_;  ///< Data::in_chunk
  std::string gathered_;   ///< Data::gathered
  std::string line_;       ///< the beginning of a line whose end has not come yet
  std::string type_;
  std::string id_;
  std::string last_id_;
  std::optional<std::chrono::milliseconds> retry_;
  SseEvent event_;
};

}  // namespace beluga
