#include "beluga/net/sse.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

namespace beluga {
namespace {

const char* find(const char* from, const char* end, char c) noexcept {
  if (from == end) return end;
  const void* hit = std::memchr(from, c, static_cast<std::size_t>(end - from));
  return hit != nullptr ? static_cast<const char*>(hit) : end;
}

}  // namespace

void SseParser::push(std::string_view bytes) noexcept {
  at_ = bytes.data();
  end_ = at_ + bytes.size();
  next_lf_ = next_cr_ = nullptr;
}

void SseParser::reset() noexcept {
  at_ = end_ = next_lf_ = next_cr_ = nullptr;
  start_ = Start::fresh;
  data_state_ = Data::none;
  skip_lf_ = in_comment_ = dispatched_ = failed_ = false;
  event_bytes_ = 0;
  gathered_.clear();
  line_.clear();
  type_.clear();
  id_ = last_id_;
}

const SseEvent* SseParser::next() {
  if (failed_) count(std::numeric_limits<std::size_t>::max());
  if (dispatched_) {
    dispatched_ = false;
    data_state_ = Data::none;
    gathered_.clear();
    type_.clear();
  }
  if (at_ == end_) return nullptr;
  if (start_ != Start::over && !skip_byte_order_mark()) return nullptr;
  if (skip_lf_) {
    skip_lf_ = false;
    if (at_ != end_ && *at_ == '\n') ++at_;
  }
  while (at_ != end_) {
    if (next_lf_ == nullptr || next_lf_ < at_) next_lf_ = find(at_, end_, '\n');
    if (next_cr_ == nullptr || next_cr_ < at_) next_cr_ = find(at_, end_, '\r');
    const char* stop = std::min(next_lf_, next_cr_);
    const std::string_view piece(at_, static_cast<std::size_t>(stop - at_));
    if (stop == end_) {
      at_ = end_;
      keep_rest(piece);
      break;
    }
    at_ = stop + 1;
    if (*stop == '\r') {
      if (at_ == end_)
        skip_lf_ = true;
      else if (*at_ == '\n')
        ++at_;
    }
    bool blank = false;
    if (in_comment_) {
      in_comment_ = false;
    } else if (line_.empty()) {
      blank = take_line(piece, true);
    } else {
      count(line_.size() + piece.size());
      line_.append(piece);
      take_line(line_, false);
      line_.clear();
    }
    if (blank) {
      if (const SseEvent* event = dispatch()) return event;
    }
  }
  gather();
  return nullptr;
}

/// Returns false when the chunk ended before it is known whether there is a mark.
bool SseParser::skip_byte_order_mark() {
  static constexpr char kMark[] = "\xEF\xBB\xBF";
  while (start_ != Start::over) {
    if (at_ == end_) return false;
    const auto matched = static_cast<std::size_t>(start_);
    if (*at_ != kMark[matched]) {
      // No mark after all: what looked like its beginning belongs to the first line.
      start_ = Start::over;
      line_.assign(kMark, matched);
      return true;
    }
    ++at_;
    start_ = static_cast<Start>(matched + 1);
  }
  return at_ != end_;
}

/// Returns whether the line was blank: the end of an event.
bool SseParser::take_line(std::string_view line, bool in_chunk) {
  if (line.empty()) return true;
  if (line.front() == ':') return false;
  count(line.size());
  event_bytes_ += line.size();
  if (line.starts_with("data:")) {
    line.remove_prefix(5);
    if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    add_data(line, in_chunk);
    return false;
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  }
  take_field(name, value);
  return false;
}

void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    add_data({}, false);
  } else if (name == "event") {
    type_.assign(value);
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) id_.assign(value);
  } else if (name == "retry") {
    const bool digits =
        !value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return;
    constexpr std::int64_t kMost = std::int64_t{1} << 40U;  // 34 years; keeps the sum below from overflowing
    std::int64_t milliseconds = 0;
    for (char c : value) milliseconds = std::min(kMost, milliseconds * 10 + (c - '0'));
    retry_ = std::chrono::milliseconds(milliseconds);
  }
}

void SseParser::add_data(std::string_view value, bool in_chunk) {
  if (data_state_ == Data::none && in_chunk) {
    data_ = value;
    data_state_ = Data::in_chunk;
    return;
  }
  gather();
  if (data_state_ == Data::gathered) gathered_.push_back('\n');
  gathered_.append(value);
  data_state_ = Data::gathered;
}

const SseEvent* SseParser::dispatch() {
  event_bytes_ = 0;
  if (last_id_ != id_) last_id_.assign(id_);
  if (data_state_ == Data::none) {
    type_.clear();
    return nullptr;
  }
  event_.type = type_.empty() ? std::string_view("message") : std::string_view(type_);
  event_.data = data_state_ == Data::in_chunk ? data_ : std::string_view(gathered_);
  event_.id = last_id_;
  dispatched_ = true;
  return &event_;
}

/// The chunk ends inside a line. A comment is not kept: its length is without limit.
void SseParser::keep_rest(std::string_view rest) {
  if (in_comment_) return;
  if (line_.empty() && rest.front() == ':') {
    in_comment_ = true;
    return;
  }
  count(line_.size() + rest.size());
  line_.append(rest);
}

/// Copies data out of the chunk, which is about to go.
void SseParser::gather() {
  if (data_state_ != Data::in_chunk) return;
  gathered_.assign(data_);
  data_state_ = Data::gathered;
}

void SseParser::count(std::size_t bytes) {
  if (!failed_ && bytes <= limits_.event_bytes && event_bytes_ <= limits_.event_bytes - bytes) return;
  failed_ = true;
  at_ = end_;
  raise(Error(ErrorCode::resource_exhausted,
              "server-sent event over the limit of " + std::to_string(limits_.event_bytes) +
                  " bytes; raise SseLimits::event_bytes if the server is trusted"));
}

}  // namespace beluga
