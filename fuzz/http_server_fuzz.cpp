// The request path of the HTTP server, without sockets: no input may crash it, and how the network cuts the
// bytes into pieces must not change what is read (a difference would be a request-smuggling hole of our own).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "beluga/net/internal/http_server_parser.hpp"
#include "beluga/net/internal/http_server_text.hpp"

namespace {

using beluga::detail::RequestParser;

struct Seen {
  RequestParser::State state{};
  int status = 0;
  std::string text;
  std::size_t taken = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void check(bool holds) {
  if (!holds) std::abort();
}

/// What gets through leaves no doubt where it ends and whom it is for (RFC 9112 sections 3.2 and 6.3).
void check_head(const beluga::detail::RequestHead& head) {
  const auto count = [&](std::string_view name) { return head.headers.get_all(name).size(); };
  check(beluga::is_http_token(head.method));
  check(!head.target.empty() && head.target.find_first_of(" \t\r\n") == std::string::npos);
  for (const auto& field : head.headers)
    check(beluga::is_http_token(field.name) && beluga::is_http_field_value(field.value));
  check(count("Content-Length") + count("Transfer-Encoding") <= 1);
  check(count("Host") == 1 || (head.minor_version == 0 && count("Host") == 0));
  check(head.chunked == (count("Transfer-Encoding") == 1));
  if (count("Content-Length") == 1)
    check(std::stoull(std::string(head.headers.get_or("Content-Length", ""))) == head.content_length);
  else
    check(head.content_length == 0);
  (void)beluga::detail::path_of(head);
}

Seen parse(std::string_view input, std::size_t step) {
  static const beluga::HttpServerLimits kLimits{
      .request_line_bytes = 256, .header_bytes = 1024, .header_count = 8, .body_bytes = 512};
  RequestParser parser(kLimits);
  Seen seen;
  std::string body, pending;
  for (std::size_t offered = 0;;) {
    const std::size_t before = pending.size();
    const std::size_t n = parser.feed(pending, body, 1 << 20);
    if (n > before) std::abort();
    pending.erase(0, n);
    seen.taken += n;
    if (parser.state() == RequestParser::State::complete || parser.state() == RequestParser::State::rejected)
      break;
    if (n > 0 && n < before) continue;
    if (offered == input.size()) break;
    const std::size_t more = std::min(step, input.size() - offered);
    pending.append(input.substr(offered, more));
    offered += more;
  }
  seen.state = parser.state();
  if (seen.state == RequestParser::State::rejected) {
    seen.status = parser.rejection().status;
    seen.taken = 0;  // the connection is over
    return seen;
  }
  if (body.size() > kLimits.body_bytes) std::abort();
  if (seen.state == RequestParser::State::head) return seen;
  check_head(parser.head());
  seen.text = parser.head().method + ' ' + parser.head().target + '\n';
  for (const auto& field : parser.head().headers) seen.text += field.name + ':' + field.value + '\n';
  seen.text += '\n' + body;
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::size_t step = 1 + data[0] % 37;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Seen whole = parse(input, 4096);
  if (!(whole == parse(input, step)) || !(whole == parse(input, 1))) std::abort();
  return 0;
}
