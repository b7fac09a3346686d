#include <algorithm>
#include <optional>
#include <string_view>

#include "beluga/base/ascii.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/internal/html_text.hpp"
#include "beluga/tool/internal/root_folder.hpp"
#include "beluga/tool/typed.hpp"

namespace beluga::tool::builtin {
namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kHtmlPerText = 16;  // bytes of markup that are read for one byte of text, at most

[[noreturn]] void refuse(const std::string& why) {
  raise(Error(ErrorCode::permission_denied, why));
}

/// One entry of the list of allowed hosts.
class HostRule {
 public:
  /// "example.org", "*.example.org", "[::1]:8080".
  explicit HostRule(const std::string& text) {
    const auto bad = [&] {
      raise(Error(ErrorCode::invalid_argument,
                  "allowed_hosts: '" + sanitize_utf8(shorten(text, 100)) +
                      "' is no host; write 'example.org', '*.example.org' or 'example.org:8080'"));
    };
    std::string_view rest = text;
    if (rest.starts_with("*.")) {
      subdomains_ = true;
      rest.remove_prefix(2);
    }
    if (rest.empty() || rest.find_first_of("/?#@*\\% \t\r\n") != std::string_view::npos) bad();
    const auto url = attempt([&] { return Url::parse("http://" + std::string(rest) + "/"); });
    if (!url.ok() || url->host().empty()) bad();
    host_ = url->host();
    const std::size_t colon = rest.rfind(':');
    if (colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos)
      port_ = url->port();
    if (subdomains_ && IpAddress::parse(host_)) bad();
  }

  bool allows(const Url& url) const {
    const bool host = subdomains_ ? url.host().size() > host_.size() + 1 && url.host().ends_with(host_) &&
                                        url.host()[url.host().size() - host_.size() - 1] == '.'
                                  : url.host() == host_;
    return host && url.port() == port_.value_or(url.secure() ? 443 : 80);
  }

 private:
  bool subdomains_ = false;
  std::string host_;
  std::optional<std::uint16_t> port_;  // none: that of the scheme
};

void check(const std::vector<HostRule>& rules, const Url& url) {
  if (url.scheme() != "http" && url.scheme() != "https")
    refuse("only http and https URLs can be read, not " + url.scheme());
  if (!url.user().empty() || !url.password().empty())
    refuse("a URL with a user name or password is refused; leave them out");
  if (std::ranges::none_of(rules, [&](const HostRule& rule) { return rule.allows(url); }))
    refuse(url.origin() + " is not among the allowed hosts");
}

struct ContentType {
  bool text = false;
  bool html = false;
  std::string name;
};

ContentType content_type(const HttpHeaders& headers) {
  std::string name(headers.get_or("Content-Type", ""));
  name = ascii_lower(trim_ascii(std::string_view(name).substr(0, name.find(';'))));
  const bool html = name == "text/html" || name == "application/xhtml+xml";
  const bool text = html || name.empty() || name.starts_with("text/") || name.ends_with("+json") ||
                    name.ends_with("+xml") || name == "application/json" || name == "application/xml" ||
                    name == "application/x-ndjson" || name == "application/yaml" ||
                    name == "application/javascript";
  return {.text = text, .html = html, .name = shorten(sanitize_utf8(name), 100)};
}

ErrorCode code_of(int status) {
  switch (status) {
    case 401:
    case 403:
    case 407:
      return ErrorCode::permission_denied;
    case 404:
    case 410:
      return ErrorCode::not_found;
    case 429:
      return ErrorCode::resource_exhausted;
    default:
      return status >= 500 ? ErrorCode::unavailable : ErrorCode::failed_precondition;
  }
}

/// At most `limit` bytes of the body, and whether that was all of it. What is left is not fetched.
std::pair<std::string, bool> read_up_to(HttpExchange& exchange, std::size_t limit) {
  std::string body;
  for (;;) {
    const std::string_view piece = exchange.read();
    if (piece.empty()) return {std::move(body), true};
    const std::size_t room = limit - body.size();
    body += piece.substr(0, room);
    if (piece.size() > room) return {std::move(body), false};
  }
}

struct GetArgs {
  Field<std::string, "Absolute http or https URL", Limits{.min_length = 1, .max_length = 4096}> url;
  Field<bool, "Whether to return HTML as it is instead of its text"> raw = false;
};

class Getter {
 public:
  explicit Getter(const HttpGetOptions& options)
      : limit_(std::max<std::size_t>(options.max_bytes, 1)), client_(client_options(options)) {}

  ToolOutput get(const GetArgs& args) const {
    HttpExchange exchange = client_.open(
        {.url = *args.url,
         .headers = {{"Accept", "text/html, text/plain, application/json, text/*;q=0.9, */*;q=0.1"}}});
    const ContentType type = content_type(exchange.headers());
    if (exchange.status() < 200 || exchange.status() > 299) fail(exchange, type);
    if (!type.text)
      raise(Error(ErrorCode::failed_precondition,
                  "the page is '" + type.name + "'; only text, HTML, JSON and XML can be read"));

    const bool reduce = type.html && !*args.raw;
    auto [body, whole] = read_up_to(exchange, reduce ? limit_ * kHtmlPerText : limit_ + 1);
    if (beluga::detail::looks_binary(body))
      raise(Error(ErrorCode::failed_precondition, "the page is binary, although it is declared as text"));
    // Up to a megabyte of markup: too long for a worker.
    if (reduce) body = blocking([&] { return beluga::detail::html_text(body); });

    ToolOutput out{.content = sanitize_utf8(truncate_utf8(body, limit_)), .sources = {exchange.url()}};
    if (!whole || body.size() > limit_)
      out.content += "\n[cut: these are the first " + std::to_string(out.content.size()) +
                     " bytes of text; the page is longer]";
    if (out.content.empty()) out.content = "(the page has no text)";
    return out;
  }

 private:
  static HttpClientOptions client_options(const HttpGetOptions& options) {
    if (options.allowed_hosts.empty())
      raise(Error(ErrorCode::invalid_argument, "http_get needs at least one host in allowed_hosts"));
    HttpClientOptions client;
    client.timeouts.total = options.timeout;
    client.max_redirects = kMaxRedirects;
    client.url_filter = [rules = std::vector<HostRule>(options.allowed_hosts.begin(),
                                                       options.allowed_hosts.end())](const Url& url) {
      check(rules, url);
    };
    if (!options.allow_private)
      client.address_filter = [](const IpAddress& address) { return address.is_global(); };
    client.resolve = options.resolve;
    return client;
  }

  [[noreturn]] static void fail(HttpExchange& exchange, const ContentType& type) {
    std::string message = "the server answered " + std::to_string(exchange.status());
    if (const auto reason = http_reason(exchange.status()); !reason.empty())
      message += " " + std::string(reason);
    // What an API says about the failure is what the model can act on.
    constexpr std::size_t kExcerpt = 300;
    if (type.text) {
      std::string body = attempt([&] { return read_up_to(exchange, 8 * kExcerpt).first; }).value_or("");
      if (type.html) body = beluga::detail::html_text(body);
      while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.pop_back();
      if (!body.empty() && !beluga::detail::looks_binary(body))
        message += ": " + shorten(sanitize_utf8(body), kExcerpt);
    }
    raise(Error(code_of(exchange.status()), message).with_http_status(exchange.status()));
  }

  std::size_t limit_;
  HttpClient client_;
};

}  // namespace

ToolPtr http_get(const HttpGetOptions& options) {
  return make(
      "http_get", "Reads a page or document from the web (HTTP GET) and returns its text.",
      [getter = std::make_shared<const Getter>(options)](const GetArgs& args) { return getter->get(args); },
      // It waits for the network only: on the caller's fiber, no thread is held.
      {.inline_call = true, .read_only = true, .idempotent = true, .timeout = options.timeout});
}

}  // namespace beluga::tool::builtin
