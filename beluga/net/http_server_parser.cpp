#include "beluga/net/internal/http_server_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>
#include <utility>

namespace beluga::detail {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

bool is_host_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~!$&'()*+,;=:[]%").find(c) != std::string_view::npos;
}

/// Bytes of chunk extensions and trailers that one request may carry.
constexpr std::size_t kMostChunkOverhead = 8192;

bool is_text_char(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

/// "HTTP/" and a version, at the end of a line of three words.
bool names_a_version(std::string_view request_line) {
  if (std::count(request_line.begin(), request_line.end(), ' ') != 2) return false;
  const std::string_view version = request_line.substr(request_line.rfind(' ') + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.size() == 8 && version.starts_with("HTTP/") && digit(version[5]) && version[6] == '.' &&
         digit(version[7]);
}

struct HeadGrammar final : http::basic_parser<true> {
  explicit HeadGrammar(const HttpServerLimits& own_limits, RequestHead& own_head)
      : limits(own_limits), head(own_head) {
    header_limit(std::numeric_limits<std::uint32_t>::max());  // checked before, with better answers
    body_limit(boost::none);                                  // checked here, against bytes that have arrived
  }

  const HttpServerLimits& limits;
  RequestHead& head;
  Rejection rejection;
  unsigned content_lengths = 0, transfer_encodings = 0, hosts = 0;

  error_code refuse(int status, std::string message) {
    rejection = {status, std::move(message)};
    return http::error::bad_field;
  }

  void on_request_impl(http::verb, boost::beast::string_view method, boost::beast::string_view target,
                       int version, error_code&) override {
    head.method = view(method);
    head.target = view(target);
    head.minor_version = version % 10;
  }
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
  void on_field_impl(http::field field, boost::beast::string_view name, boost::beast::string_view raw,
                     error_code& ec) override {
    const std::string_view value = view(raw);
    switch (field) {
      case http::field::content_length:
        // A list or a repetition is legal to merge when all are equal; refusing it removes the doubt
        // (section 6.3).
        if (++content_lengths > 1 || value.empty() || value.size() > 18 ||
            !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
          ec = refuse(400, "Content-Length must be one decimal number, given once");
          return;
        }
        break;
      case http::field::transfer_encoding:
        if (++transfer_encodings > 1) {
          ec = refuse(400, "Transfer-Encoding is repeated");
          return;
        }
        if (!http_names_equal(value, "chunked")) {
          ec = refuse(501, "Transfer-Encoding: only chunked is understood");
          return;
        }
        break;
      case http::field::host:
        if (++hosts > 1 || !std::all_of(value.begin(), value.end(), is_host_char)) {
          ec = refuse(400, "Host must be given once and name a host");
          return;
        }
        break;
      case http::field::expect:
        if (!http_names_equal(value, "100-continue")) {
          ec = refuse(417, "Expect: only 100-continue is understood");
          return;
        }
        head.expects_continue = true;
        break;
      default:
        break;
    }
    if (!is_http_token(view(name)) || !is_http_field_value(value)) {
      ec = refuse(400, "a header field has characters that are not allowed");
      return;
    }
    head.headers.add(view(name), value);
  }
  void on_header_impl(error_code& ec) override {
    if (content_lengths > 0 && transfer_encodings > 0) {
      ec = refuse(400, "Content-Length together with Transfer-Encoding");
      return;
    }
    if (head.minor_version == 0 && transfer_encodings > 0) {
      ec = refuse(400, "Transfer-Encoding in an HTTP/1.0 request");
      return;
    }
    if (head.minor_version > 0 && hosts == 0) {
      ec = refuse(400, "Host is missing");
      return;
    }
    head.keep_alive = keep_alive() && !head.headers.has_token("Connection", "close");
    head.chunked = chunked();
    head.upgrade = upgrade();
    if (head.minor_version == 0) head.expects_continue = false;  // RFC 9110 section 10.1.1
    if (const auto length = content_length()) head.content_length = *length;
    if (head.content_length > limits.body_bytes)
      ec = refuse(413, fmt::format("the body is larger than {} bytes", limits.body_bytes));
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  // The body never gets here: this parser is given the head only.
  std::size_t on_body_impl(boost::beast::string_view data, error_code&) override { return data.size(); }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view data, error_code&) override {
    return data.size();
  }
  void on_finish_impl(error_code&) override {}
};

}  // namespace

std::size_t ChunkedDecoder::feed(std::string_view input, std::string& body, std::size_t room,
                                 std::uint64_t limit) {
  std::size_t i = 0;
  const auto fail = [&](State state) {
    state_ = state;
    return i;
  };
  const auto spend = [&] { return ++overhead_ <= kMostChunkOverhead; };
  while (i < input.size() && state_ == State::more) {
    const char c = input[i];
    switch (at_) {
      case At::size_first:
      case At::size: {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit >= 0) {
          if (size_ >> 60 != 0) return fail(State::malformed);
          if (at_ == At::size && size_ == 0 && !spend()) return fail(State::malformed);  // zeros without end
          size_ = size_ * 16 + static_cast<std::uint64_t>(digit);
          at_ = At::size;
          break;
        }
        if (at_ == At::size_first) return fail(State::malformed);
        if (c == '\r')
          at_ = At::size_lf;
        else if (c == ';')
          at_ = At::extension;
        else if (c == ' ' || c == '\t')
          at_ = At::space;
        else
          return fail(State::malformed);
        break;
      }
      case At::space:
        if (!spend() || (c != ' ' && c != '\t' && c != ';')) return fail(State::malformed);
        if (c == ';') at_ = At::extension;
        break;
      case At::extension:
        if (c == '\r')
          at_ = At::size_lf;
        else if (!is_text_char(c) || !spend())
          return fail(State::malformed);
        break;
      case At::size_lf:
        if (c != '\n') return fail(State::malformed);
        if (size_ > limit - std::min(limit, total_)) return fail(State::too_large);
        total_ += size_;
        at_ = size_ == 0 ? At::trailer_first : At::data;
        break;
      case At::data: {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>({input.size() - i, size_, room}));
        if (n == 0) return i;  // no room
        body.append(input.substr(i, n));
        room -= n;
        size_ -= n;
        i += n;
        if (size_ == 0) at_ = At::data_cr;
        continue;
      }
      case At::data_cr:
        if (c != '\r') return fail(State::malformed);
        at_ = At::data_lf;
        break;
      case At::data_lf:
        if (c != '\n') return fail(State::malformed);
        at_ = At::size_first;
        break;
      case At::trailer_first:
        if (c == '\r') {
          at_ = At::end_lf;
          break;
        }
        if (!is_http_token({&c, 1}) || !spend()) return fail(State::malformed);
        at_ = At::trailer_name;
        break;
      case At::trailer_name:
        if (!spend()) return fail(State::malformed);
        if (c == ':')
          at_ = At::trailer_value;
        else if (!is_http_token({&c, 1}))
          return fail(State::malformed);
        break;
      case At::trailer_value:
        if (c == '\r')
          at_ = At::trailer_lf;
        else if (!is_text_char(c) || !spend())
          return fail(State::malformed);
        break;
      case At::trailer_lf:
        if (c != '\n') return fail(State::malformed);
        at_ = At::trailer_first;
        break;
      case At::end_lf:
        if (c != '\n') return fail(State::malformed);
        state_ = State::complete;
        break;
    }
    ++i;
  }
  return i;
}

RequestParser::RequestParser(const HttpServerLimits& limits) : limits_(&limits) {}

std::size_t RequestParser::reject(int status, std::string message) {
  state_ = State::rejected;
  rejection_ = {status, std::move(message)};
  return 0;
}

std::size_t RequestParser::feed(std::string_view input, std::string& body, std::size_t body_room) {
  if (state_ == State::head) return feed_head(input);
  if (state_ != State::body || input.empty()) return 0;
  const std::size_t before = body.size();
  std::size_t taken = 0;
  if (head_.chunked) {
    taken = chunks_.feed(input, body, body_room, limits_->body_bytes);
    if (chunks_.state() == ChunkedDecoder::State::complete) state_ = State::complete;
    if (chunks_.state() == ChunkedDecoder::State::malformed)
      reject(400, "the body's chunked coding is malformed");
    if (chunks_.state() == ChunkedDecoder::State::too_large)
      reject(413, fmt::format("the body is larger than {} bytes", limits_->body_bytes));
  } else {
    taken = static_cast<std::size_t>(
        std::min<std::uint64_t>({input.size(), head_.content_length - body_bytes_, body_room}));
    body.append(input.substr(0, taken));
    if (body_bytes_ + taken == head_.content_length) state_ = State::complete;
  }
  body_bytes_ += body.size() - before;
  return taken;
}

std::size_t RequestParser::feed_head(std::string_view input) {
  // RFC 9112 section 2.2: blank lines before the request line are ignored; a bound, since "robust" is not
  // "endless".
  std::size_t blank = 0;
  if (!started_) {
    while (blank < input.size() && (input[blank] == '\r' || input[blank] == '\n')) {
      if (input[blank] == '\n') return reject(400, "a line ends in a bare LF");
      if (blank + 1 == input.size()) return blank;
      if (input[blank + 1] != '\n') return reject(400, "a CR without LF");
      blank += 2;
      if (++lines_ > 2) return reject(400, "blank lines instead of a request");
    }
    input.remove_prefix(blank);
    if (input.empty()) return blank;
    started_ = true;
    lines_ = 0;
  }
  for (; scanned_ < input.size(); ++scanned_) {
    const char c = input[scanned_];
    const std::size_t column = scanned_ - line_start_;
    if (c == '\n') {
      if (column == 0 || input[scanned_ - 1] != '\r') return reject(400, "a line ends in a bare LF"), blank;
      ++lines_;
      line_start_ = scanned_ + 1;
      if (column == 1) {  // the empty line: the head is whole
        ++scanned_;
        HeadGrammar grammar(*limits_, head_);
        error_code ec;
        grammar.put(boost::asio::buffer(input.data(), scanned_), ec);
        if (ec && ec != http::error::need_more) {
          if (!grammar.rejection.message.empty())
            return reject(grammar.rejection.status, grammar.rejection.message), blank;
          if (ec == http::error::bad_version && names_a_version(input.substr(0, input.find('\r'))))
            return reject(505, "only HTTP/1.0 and HTTP/1.1 are understood"), blank;
          return reject(400, fmt::format("malformed head: {}", ec.message())), blank;
        }
        if (!grammar.is_header_done()) return reject(400, "malformed head"), blank;
        state_ = head_.has_body() ? State::body : State::complete;
        return blank + scanned_;
      }
      if (lines_ - 1 > limits_->header_count) return reject(431, "too many header fields"), blank;
      continue;
    }
    if (scanned_ > 0 && input[scanned_ - 1] == '\r') return reject(400, "a CR without LF"), blank;
    if (c == '\r') continue;
    if (c == '\0' || (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
      return reject(400, "a control character in the head"), blank;
    if (lines_ == 0) {
      if (column == 0 && !is_http_token({&c, 1}))
        return reject(400, "this is not an HTTP/1.1 request"), blank;
      if (column >= limits_->request_line_bytes) return reject(414, "the request line is too long"), blank;
    } else if (column == 0 && (c == ' ' || c == '\t')) {
      return reject(400, "a header field is folded over lines (obs-fold)"), blank;
    }
    if (scanned_ >= limits_->header_bytes) return reject(431, "the header fields are too large"), blank;
  }
  return blank;
}

}  // namespace beluga::detail
