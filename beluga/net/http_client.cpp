#include "beluga/net/http_client.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "beluga/base/base64.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/net/internal/body_decoder.hpp"
#include "beluga/net/internal/curl_loop.hpp"
#include "beluga/net/internal/http_transfer.hpp"
#include "beluga/net/internal/proxy_choice.hpp"
#include "beluga/net/internal/resolver.hpp"

namespace beluga {

using detail::BodyDecoder;
using detail::CurlLoop;
using detail::HttpTransfer;
using detail::TransferRequest;

namespace {

/// The loops of one worker, by client.
struct WorkerLoops {
  std::unordered_map<std::uint64_t, std::shared_ptr<CurlLoop>> loops;
  WorkerLoops() = default;
  WorkerLoops(const WorkerLoops&) = delete;
  WorkerLoops& operator=(const WorkerLoops&) = delete;
  ~WorkerLoops() {
    for (const auto& [client, loop] : loops) loop->worker_ends();
  }
  static WorkerLoops& here() {
    static const unsigned slot = detail::per_worker_slot();
    return *static_cast<WorkerLoops*>(detail::per_worker(slot, []() -> std::shared_ptr<void> {
                                        return std::make_shared<WorkerLoops>();
                                      }).get());
  }
};

/// Runs `f` on a worker: in place on a fiber.
template <class F>
std::invoke_result_t<F&> on_a_worker(F f) {
  if (Runtime::on_fiber()) return f();
  std::optional<Result<std::invoke_result_t<F&>>> outcome;
  detail::on_worker([&] { outcome.emplace(attempt(f)); });
  return *std::move(outcome).value();
}

bool is_idempotent(std::string_view method) {
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  return std::ranges::find(kMethods, method) != std::end(kMethods);
}

/// A redirect that `max_redirects` follows.
bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// What may go to another origin. Everything else may be a credential.
bool survives_change_of_origin(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "Accept",           "Accept-Encoding",  "Accept-Language", "Cache-Control",     "Content-Type",
      "Content-Language", "Content-Encoding", "If-None-Match",   "If-Modified-Since", "Range",
      "User-Agent"};
  return std::ranges::any_of(kNames, [&](std::string_view each) { return http_names_equal(each, name); });
}

void check_request(const HttpRequest& request) {
  if (!is_http_token(request.method)) {
    raise(Error(ErrorCode::invalid_argument, "the HTTP method is not a token; use GET, POST, ..."));
  }
  if (request.method == "CONNECT") {
    raise(Error(ErrorCode::invalid_argument, "CONNECT is for proxies; set HttpClientOptions::proxy instead"));
  }
  for (const auto& field : request.headers) {
    if (http_names_equal(field.name, "Content-Length") || http_names_equal(field.name, "Transfer-Encoding")) {
      raise(Error(ErrorCode::invalid_argument,
                  "leave the header '" + field.name + "' to the client: it follows from the body"));
    }
  }
}

/// Reads the rest of an answer that nobody wants, if it is short, so that its connection can be kept.
bool drain_transfer(HttpTransfer& transfer, Duration limit) noexcept {
  static constexpr std::size_t kMost = 64U << 10U;
  const auto outcome = attempt([&] {
    const ContextScope scope(Context::current().with_timeout(limit));
    std::string bytes;
    std::size_t total = 0;
    do {
      transfer.read(bytes);
      total += bytes.size();
    } while (!bytes.empty() && total <= kMost);
  });
  if (outcome.ok() && transfer.ended_well()) return true;
  transfer.abort(Error(ErrorCode::cancelled, "the rest of the body was not wanted"));
  return false;
}

std::string body_limit_text(std::size_t limit) {
  return "response body over the limit of " + std::to_string(limit) + " bytes";
}

std::string decode_all(BodyDecoder& decoder, std::string_view coded, const TransferRequest& request) {
  const std::string name = detail::request_name(request.method, request.url);
  std::string body;
  std::vector<char> piece(16U << 10U);
  for (;;) {
    const auto count = attempt([&] { return decoder.decode(coded, piece); });
    if (!count.ok()) raise(count.error().with_context(name));
    if (*count == 0) break;
    if (*count > request.limits.body_bytes - std::min(request.limits.body_bytes, body.size())) {
      raise(Error(ErrorCode::resource_exhausted,
                  name + ": " + body_limit_text(request.limits.body_bytes) +
                      " once decompressed; raise HttpLimits::body_bytes if that is right"));
    }
    body.append(piece.data(), *count);
  }
  if (!decoder.complete()) raise(Error(ErrorCode::data_loss, name + ": the compressed body was cut off"));
  return body;
}

}  // namespace

// ---- the client ----

struct HttpClient::Impl {
  explicit Impl(HttpClientOptions o)
      : options(std::make_shared<const HttpClientOptions>(std::move(o))),
        resolver(options->resolve, options->resolve_cache_age),
        counters(std::make_shared<detail::HttpCounters>()),
        id(next_id()) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    // Connections belong to their workers: each closes its own.
    for (const auto& weak : loops) {
      if (auto loop = weak.lock()) {
        try {
          loop->post([loop] { loop->close(); });
        } catch (...) {  // out of memory: they are closed when the worker ends
        }
      }
    }
  }

  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  std::shared_ptr<CurlLoop> loop() {
    auto& here = WorkerLoops::here().loops;
    if (const auto found = here.find(id); found != here.end()) return found->second;
    std::erase_if(here, [](const auto& entry) { return entry.second->closed(); });
    auto loop = std::make_shared<CurlLoop>(detail::worker_io(), options, counters);
    here.emplace(id, loop);
    const std::lock_guard lock(mutex);
    std::erase_if(loops, [](const auto& weak) { return weak.expired(); });
    loops.push_back(loop);
    return loop;
  }

  struct Call {
    HttpTimeouts timeouts;
    HttpLimits limits;
    int max_redirects;
    bool collect;
    TimePoint begun;
    std::optional<TimePoint> total_end;
  };
  struct Answer {
    std::shared_ptr<HttpTransfer> transfer;
    std::unique_ptr<BodyDecoder> decoder = nullptr;  ///< null: as received
    std::string url = {};
    std::string body = {};  ///< as received, when collected
  };

  Answer exchange(HttpRequest request, const HttpCallOptions& call_options, bool collect);
  std::shared_ptr<HttpTransfer> start(const HttpRequest& request, const Url& url, const Call& call);
  std::vector<std::string> resolve(const Url& url, const HttpRequest& request, const Call& call,
                                   TimePoint begun);
  static void follow(HttpRequest& request, Url& url, int status, std::string_view location);

  const std::shared_ptr<const HttpClientOptions> options;
  detail::Resolver resolver;
  const std::shared_ptr<detail::HttpCounters> counters;
  const std::uint64_t id;
  std::mutex mutex;
  std::vector<std::weak_ptr<CurlLoop>> loops;
};

/// On a fiber. Returns once the final answer's headers are there, or all of it (`collect`).
HttpClient::Impl::Answer HttpClient::Impl::exchange(HttpRequest request, const HttpCallOptions& call_options,
                                                    bool collect) {
  check_request(request);
  Context::current().check();
  Call call{.timeouts = call_options.timeouts.value_or(options->timeouts),
            .limits = call_options.limits.value_or(options->limits),
            .max_redirects = call_options.max_redirects.value_or(options->max_redirects),
            .collect = collect,
            .begun = Clock::current().now(),
            .total_end = std::nullopt};
  if (call.timeouts.total > Duration::zero()) call.total_end = call.begun + call.timeouts.total;

  Url url = Url::parse(request.url);
  bool decode = options->decompress && !request.headers.contains("Accept-Encoding");
  if (decode) request.headers.add("Accept-Encoding", BodyDecoder::accepted());
  if (!options->user_agent.empty() && !request.headers.contains("User-Agent")) {
    request.headers.add("User-Agent", options->user_agent);
  }
  for (int hop = 0;; ++hop) {
    auto transfer = start(request, url, call);
    if (!collect || call.max_redirects > 0) transfer->wait_for_headers();
    if (call.max_redirects > 0 && is_redirect(transfer->status())) {
      if (const auto location = transfer->headers().get("Location")) {
        if (hop >= call.max_redirects) {
          transfer->abort(Error(ErrorCode::cancelled, "too many redirects"));
          raise(Error(ErrorCode::resource_exhausted, detail::request_name(request.method, url) +
                                                         ": more than " + std::to_string(call.max_redirects) +
                                                         " redirects; raise max_redirects if that is right"));
        }
        const std::string target(*location);
        const int status = transfer->status();
        drain_transfer(*transfer, std::chrono::milliseconds(50));
        follow(request, url, status, target);
        continue;
      }
    }
    Answer answer{.transfer = std::move(transfer), .url = url.str()};
    if (collect) answer.body = answer.transfer->wait_for_body();
    // An answer without a body by definition describes the one that a GET would bring (RFC 9110 section 8.4).
    const int status = answer.transfer->status();
    if (decode && request.method != "HEAD" && status != 204 && status != 304) {
      if (const auto coding = answer.transfer->headers().get("Content-Encoding"))
        answer.decoder = BodyDecoder::make(*coding);
      if (answer.decoder) {
        // What is handed out is no longer what these describe.
        answer.transfer->headers().remove("Content-Encoding");
        answer.transfer->headers().remove("Content-Length");
      }
    }
    return answer;
  }
}

/// Changes the request into the one that a redirect asks for (RFC 9110 section 15.4).
void HttpClient::Impl::follow(HttpRequest& request, Url& url, int status, std::string_view location) {
  Url next = url.resolve(location);
  if (next.scheme() != "http" && next.scheme() != "https") {
    raise(Error(ErrorCode::permission_denied, detail::request_name(request.method, url) +
                                                  ": redirected to scheme '" + next.scheme() +
                                                  "', which is not followed"));
  }
  if (url.secure() && !next.secure()) {
    raise(Error(ErrorCode::permission_denied, detail::request_name(request.method, url) +
                                                  ": redirected from https to " + next.origin() +
                                                  ", which is not followed: it would give up encryption"));
  }
  const bool to_get = (status == 303 && request.method != "HEAD") ||
                      ((status == 301 || status == 302) && request.method == "POST");
  if (to_get) {
    request.method = "GET";
    request.body.clear();
    for (std::string_view name :
         {"Content-Type", "Content-Language", "Content-Encoding", "Content-Location"}) {
      request.headers.remove(name);
    }
  }
  if (!next.same_origin(url)) {
    HttpHeaders kept;
    for (const auto& field : request.headers) {
      if (survives_change_of_origin(field.name)) kept.add(field.name, field.value);
    }
    request.headers = std::move(kept);
  }
  url = std::move(next);
}

std::vector<std::string> HttpClient::Impl::resolve(const Url& url, const HttpRequest& request,
                                                   const Call& call, TimePoint begun) {
  if (!options->address_filter && IpAddress::parse(url.host())) return {};  // libcurl reads it just as well
  const auto name = [&] { return detail::request_name(request.method, url) + ": resolving the host: "; };
  std::optional<TimePoint> limit = call.total_end;
  if (call.timeouts.connect > Duration::zero()) {
    const TimePoint end = begun + call.timeouts.connect;
    limit = limit ? std::min(*limit, end) : end;
  }
  const auto addresses = attempt([&] {
    if (!limit) return resolver.resolve(url.host());
    const ContextScope scope(Context::current().with_deadline(*limit));
    return resolver.resolve(url.host());
  });
  if (!addresses.ok()) {
    const Error& error = addresses.error();
    if (error.code() == ErrorCode::deadline_exceeded && limit && Clock::current().now() >= *limit) {
      const auto& outer = Context::current();
      outer.check();  // the caller's own deadline comes first
      raise(Error(ErrorCode::deadline_exceeded, name() + "no answer within HttpTimeouts::" +
                                                    (limit == call.total_end ? "total" : "connect")));
    }
    raise(error.with_context(detail::request_name(request.method, url)));
  }
  std::string entry = "+" + url.host() + ":" + std::to_string(url.port()) + ":";
  std::size_t count = 0;
  for (const IpAddress& address : *addresses) {
    // The socket is checked again when it is opened; here, refused addresses are not even tried.
    if (options->address_filter && !options->address_filter(address)) continue;
    if (count++ != 0) entry += ',';
    entry += address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  }
  if (count == 0) {
    raise(Error(ErrorCode::permission_denied, detail::request_name(request.method, url) +
                                                  ": its address is refused by the client's address_filter"));
  }
  if (IpAddress::parse(url.host())) return {};
  return {std::move(entry)};
}

std::shared_ptr<HttpTransfer> HttpClient::Impl::start(const HttpRequest& request, const Url& url,
                                                      const Call& call) {
  if (url.scheme() != "http" && url.scheme() != "https") {
    raise(Error(ErrorCode::invalid_argument,
                "scheme '" + url.scheme() + "' is not for HTTP requests; use http or https"));
  }
  if (options->url_filter) options->url_filter(url);
  TransferRequest out;
  out.begun = Clock::current().now();
  out.proxy = detail::choose_proxy(options->proxy, url);
  if (out.proxy.empty()) {
    out.resolve = resolve(url, request, call, out.begun);
  } else {
    if (options->address_filter && !options->filter_trusts_proxy) {
      raise(Error(ErrorCode::permission_denied,
                  detail::request_name(request.method, url) +
                      ": an address_filter cannot see the addresses behind a proxy; set filter_trusts_proxy "
                      "if the proxy "
                      "refuses them itself, or reach the host directly (no_proxy)"));
    }
    if (out.proxy.starts_with("http://") || out.proxy.starts_with("https://")) {
      const auto proxy = attempt([&] { return Url::parse(out.proxy); });
      if (!proxy.ok()) raise(proxy.error().with_context("HttpClientOptions::proxy"));
      // libcurl's default port of a proxy is 1080.
      const bool has_port =
          out.proxy.find(':', out.proxy.find_last_of("@/", out.proxy.find_last_not_of('/')) + 1) !=
          std::string::npos;
      if (!IpAddress::parse(proxy->host())) {
        const auto addresses = resolver.resolve(proxy->host());
        std::string entry = "+" + proxy->host() + ":" + std::to_string(has_port ? proxy->port() : 1080) + ":";
        for (const IpAddress& address : addresses) {
          if (entry.back() != ':') entry += ',';
          entry += address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
        }
        out.resolve = {std::move(entry)};
      }
    }
  }
  out.method = request.method;
  out.url = url;
  out.headers = request.headers;
  if (!url.user().empty() && !out.headers.contains("Authorization")) {
    out.headers.add("Authorization", "Basic " + base64_encode(url.user() + ":" + url.password()));
  }
  out.body = request.body;
  out.timeouts = call.timeouts;
  out.limits = call.limits;
  out.collect = call.collect;
  out.stop_at_headers = !call.collect || call.max_redirects > 0;
  out.repeatable = is_idempotent(request.method) || request.headers.contains("Idempotency-Key");
  out.total_end = call.total_end;
  if (!detail::curl_is_loaded()) blocking({.name = "load libcurl"}, [] { detail::load_curl(); });
  auto transfer = std::make_shared<HttpTransfer>(std::move(out), loop());
  transfer->start();
  return transfer;
}

HttpClient::HttpClient(HttpClientOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

const HttpClientOptions& HttpClient::options() const noexcept {
  return *impl_->options;
}

HttpClientStats HttpClient::stats() const noexcept {
  const detail::HttpCounters& counters = *impl_->counters;
  return {.requests = counters.requests.load(),
          .connections_opened = counters.connections_opened.load(),
          .connections_open = counters.connections_open.load(),
          .transfers_running = counters.transfers_running.load()};
}

// ---- the exchange ----

struct HttpExchange::State {
  State(std::shared_ptr<HttpClient::Impl> c, HttpClient::Impl::Answer a)
      : client(std::move(c)),
        transfer(std::move(a.transfer)),
        decoder(std::move(a.decoder)),
        url(std::move(a.url)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { transfer->abort(Error(ErrorCode::cancelled, "the exchange was destroyed")); }

  std::string_view read();
  std::string_view read_decoded();
  Error failure(ErrorCode code, const std::string& what) const {
    const TransferRequest& request = transfer->request();
    return {code, detail::request_name(request.method, request.url) + ": " + what};
  }

  std::shared_ptr<HttpClient::Impl> client;
  std::shared_ptr<HttpTransfer> transfer;
  std::unique_ptr<BodyDecoder> decoder;
  std::string url;
  std::string bytes;      ///< as received
  std::string_view left;  ///< of `bytes`, not yet decoded
  std::vector<char> decoded;
  std::size_t total = 0;
};

std::string_view HttpExchange::State::read() {
  std::string_view piece;
  if (decoder) {
    piece = read_decoded();
  } else {
    transfer->read(bytes);
    piece = bytes;
  }
  total += piece.size();
  const std::size_t limit = transfer->request().limits.stream_bytes;
  if (limit != 0 && total > limit) {
    const Error error = failure(ErrorCode::resource_exhausted,
                                body_limit_text(limit) + "; raise HttpLimits::stream_bytes if that is right");
    transfer->abort(error);
    raise(error);
  }
  return piece;
}

std::string_view HttpExchange::State::read_decoded() {
  decoded.resize(16U << 10U);
  for (;;) {
    const auto count = attempt([&] { return decoder->decode(left, decoded); });
    if (!count.ok()) {
      const Error error = count.error().with_context(
          detail::request_name(transfer->request().method, transfer->request().url));
      transfer->abort(error);
      raise(error);
    }
    if (*count != 0) return {decoded.data(), *count};
    transfer->read(bytes);
    left = bytes;
    if (!bytes.empty()) continue;
    if (!decoder->complete()) raise(failure(ErrorCode::data_loss, "the compressed body was cut off"));
    return {};
  }
}

HttpExchange::HttpExchange(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
HttpExchange::HttpExchange(HttpExchange&&) noexcept = default;
HttpExchange& HttpExchange::operator=(HttpExchange&&) noexcept = default;
HttpExchange::~HttpExchange() = default;

int HttpExchange::status() const noexcept {
  return state_->transfer->status();
}
const HttpHeaders& HttpExchange::headers() const noexcept {
  return state_->transfer->headers();
}
const std::string& HttpExchange::url() const noexcept {
  return state_->url;
}

std::string_view HttpExchange::read() {
  return state_->read();
}

std::string HttpExchange::read_all(std::optional<std::size_t> limit) {
  const std::size_t most = limit.value_or(state_->transfer->request().limits.body_bytes);
  std::string body;
  for (std::string_view piece = read(); !piece.empty(); piece = read()) {
    if (piece.size() > most - std::min(most, body.size())) {
      const Error error = state_->failure(ErrorCode::resource_exhausted, body_limit_text(most));
      state_->transfer->abort(error);
      raise(error);
    }
    body.append(piece);
  }
  return body;
}

bool HttpExchange::drain(Duration wait) noexcept {
  return drain_transfer(*state_->transfer, wait);
}

void HttpExchange::cancel() noexcept {
  state_->transfer->abort(Error(ErrorCode::cancelled, "the exchange was cancelled"));
}

HttpExchange HttpClient::open(HttpRequest request, const HttpCallOptions& options) const {
  return on_a_worker([&] {
    return HttpExchange(std::make_unique<HttpExchange::State>(
        impl_, impl_->exchange(std::move(request), options, /*collect=*/false)));
  });
}

HttpResponse HttpClient::send(HttpRequest request, const HttpCallOptions& options) const {
  return on_a_worker([&] {
    Impl::Answer answer = impl_->exchange(std::move(request), options, /*collect=*/true);
    HttpResponse response;
    response.body = answer.decoder ? decode_all(*answer.decoder, answer.body, answer.transfer->request())
                                   : std::move(answer.body);
    response.status = answer.transfer->status();
    response.headers = std::move(answer.transfer->headers());
    response.url = std::move(answer.url);
    return response;
  });
}

}  // namespace beluga
