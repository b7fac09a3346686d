#include "beluga/llm/providers/openai/openai.hpp"

#include <algorithm>
#include <cstdlib>

#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/llm/providers/openai/internal/chat_request.hpp"
#include "beluga/llm/providers/openai/internal/chat_stream.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/sse.hpp"
#include "beluga/net/url.hpp"
#include "beluga/observe/propagation.hpp"

namespace beluga::llm::openai {
namespace {

constexpr const char* kDefaultBaseUrl = "https://api.openai.com/v1";
constexpr const char* kKeyVariable = "OPENAI_API_KEY";
constexpr const char* kBaseUrlVariable = "OPENAI_BASE_URL";
constexpr std::size_t kMostErrorBody = 256U << 10U;

[[noreturn]] void refuse(const Options& options, std::string_view what) {
  throw Error(ErrorCode::invalid_argument, options.provider + "/" + options.model + ": " + std::string(what));
}

std::string without_trailing_slashes(std::string text) {
  while (!text.empty() && text.back() == '/') text.pop_back();
  return text;
}

/// Everything a call needs, shared by the model and its streams.
struct Endpoint {
  Options options;
  std::string url;
  ErrorMapper errors;
  HttpHeaders headers;
  HttpClient client;
};

class Call {
  /// Runs `f`, and gives the errors that come out of it their provider and request id.
  template <class F>
  auto guard(F f) {
    try {
      return f();
    } catch (const Error& error) {
      throw decorated(error);
    }
  }

 public:
  Call(const Endpoint& endpoint, Yield<ChatChunk>& yield)
      : endpoint_(endpoint), yield_(yield), parser_(endpoint.errors) {}

  void run(const ChatRequest& request) {
    HttpRequest http{.method = "POST", .url = endpoint_.url, .headers = endpoint_.headers};
    http.body = chat_request_body(request, endpoint_.options.model, endpoint_.options.compat);
    observe::propagate(http.headers);
    HttpExchange exchange = guard([&] {
      const Timeouts& limits = endpoint_.options.timeouts;
      return endpoint_.client.open(std::move(http), {.timeouts = HttpTimeouts{.connect = limits.connect,
                                                                              .first_byte = limits.first_byte,
                                                                              .idle = limits.idle}});
    });
    request_id_ = exchange.headers().get_or("x-request-id", exchange.headers().get_or("request-id", ""));
    if (exchange.status() < 200 || exchange.status() > 299) throw failed(exchange);
    const std::string_view type = exchange.headers().get_or("content-type", "");
    if (type.starts_with("application/json")) return whole(exchange);
    if (type.starts_with("text/html")) throw failed(exchange);
    stream(exchange);
  }

 private:
  Error decorated(Error error) const {
    if (error.code() == ErrorCode::cancelled) return error;
    // A limit of the transfer, not the caller's deadline: another attempt may do better.
    const auto deadline = Context::current().deadline();
    const bool ours =
        error.code() == ErrorCode::deadline_exceeded && !(deadline && Clock::current().now() >= *deadline);
    if (ours || error.code() == ErrorCode::data_loss) error = error.with_retryable(true);
    if (error.provider().empty()) error = error.with_provider(endpoint_.options.provider);
    if (error.request_id().empty() && !request_id_.empty())
      error = error.with_request_id(endpoint_.errors.clean(request_id_));
    return error;
  }

  Error failed(HttpExchange& exchange) {
    std::string body;
    // Half a body says more than the reason why it is only a half.
    try {
      while (body.size() < kMostErrorBody) {
        const std::string_view piece = exchange.read();
        if (piece.empty()) break;
        body += piece;
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::deadline_exceeded) throw;
    }
    const HttpHeaders& headers = exchange.headers();
    return endpoint_.errors.from_response({.status = exchange.status(),
                                           .body = body,
                                           .content_type = headers.get_or("content-type", ""),
                                           .request_id = request_id_,
                                           .retry_after = headers.get_or("retry-after", ""),
                                           .retry_after_ms = headers.get_or("retry-after-ms", ""),
                                           .should_retry = headers.get_or("x-should-retry", "")},
                                          Clock::current().wall());
  }

  /// The server ignored "stream" and answered with one document.
  void whole(HttpExchange& exchange) {
    const std::string body = guard([&] { return exchange.read_all(); });
    give(guard([&] { return parser_.event("message", body); }));
    give(guard([&] { return parser_.finish(); }));
  }

  void stream(HttpExchange& exchange) {
    SseParser events;
    for (;;) {
      const SseEvent* event = guard([&] { return events.next_from(exchange); });
      if (event == nullptr) break;
      const auto chunks = guard([&] { return parser_.event(event->type, event->data); });
      // Nothing of interest follows [DONE]; read it away before the last chunk is given out, so that the
      // connection serves again even if nobody pulls after the ResponseEnd.
      if (parser_.done()) exchange.drain(std::chrono::milliseconds(20));
      give(chunks);
      if (parser_.done()) return;
    }
    give(guard([&] { return parser_.finish(); }));
  }

  void give(std::span<ChatChunk* const> chunks) {
    for (ChatChunk* chunk : chunks) yield_(std::move(*chunk));
  }

  const Endpoint& endpoint_;
  Yield<ChatChunk>& yield_;
  ChatStreamParser parser_;
  std::string request_id_;
};

class ChatCompletions final : public ChatModel {
 public:
  explicit ChatCompletions(std::shared_ptr<const Endpoint> endpoint)
      : endpoint_(std::move(endpoint)),
        info_{.provider = endpoint_->options.provider,
              .model = endpoint_->options.model,
              .images = true,
              .structured_output = true} {}

  Stream<ChatChunk> stream(ChatRequest request) override {
    return Stream<ChatChunk>::generate([endpoint = endpoint_, request = std::move(request)](
                                           Yield<ChatChunk>& yield) { Call(*endpoint, yield).run(request); });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  const std::shared_ptr<const Endpoint> endpoint_;
  const ModelInfo info_;
};

/// The key without the line end that `export KEY=$(cat file)` or a file leaves at it.
std::string_view bare_key(const Secret& key) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::string_view text = key.reveal();
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

HttpHeaders request_headers(const Options& options) {
  HttpHeaders headers{{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
  if (!options.api_key.empty()) {
    const std::string_view key = bare_key(options.api_key);
    if (key.empty() || !is_http_field_value(key))
      refuse(options, "the API key" +
                          (options.key_variable.empty() ? std::string() : " (" + options.key_variable + ")") +
                          " is blank or has characters that cannot stand in a header");
    headers.set("Authorization", "Bearer " + std::string(key));
  }
  if (!options.organization.empty()) headers.set("OpenAI-Organization", options.organization);
  if (!options.project.empty()) headers.set("OpenAI-Project", options.project);
  for (const HttpHeaders::Field& field : options.headers) headers.set(field.name, field.value);
  return headers;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool flag(const Json::Member& setting) {
  if (!setting.value.is_bool())
    throw Error(ErrorCode::invalid_argument, "openai: settings: " + setting.key + " must be true or false");
  return setting.value.as_bool();
}

void apply(const Json& settings, Compat& compat) {
  if (settings.is_null()) return;
  if (!settings.is_object()) throw Error(ErrorCode::invalid_argument, "openai: settings must be an object");
  constexpr std::string_view kKnown[] = {"max_tokens_member", "stream_usage", "developer_role",
                                         "replay_reasoning"};
  for (const Json::Member& setting : settings.members()) {
    if (setting.key == "stream_usage")
      compat.stream_usage = flag(setting);
    else if (setting.key == "developer_role")
      compat.developer_role = flag(setting);
    else if (setting.key == "replay_reasoning")
      compat.replay_reasoning = flag(setting);
    else if (setting.key != "max_tokens_member")
      throw Error(ErrorCode::invalid_argument, "openai: settings: unknown switch '" + setting.key + "'" +
                                                   did_you_mean(setting.key, kKnown));
    else if (setting.value == Json("max_tokens"))
      compat.max_tokens = Compat::MaxTokens::max_tokens;
    else if (setting.value == Json("max_completion_tokens"))
      compat.max_tokens = Compat::MaxTokens::max_completion_tokens;
    else
      throw Error(ErrorCode::invalid_argument,
                  "openai: settings: max_tokens_member must be \"max_tokens\" or \"max_completion_tokens\"");
  }
}

}  // namespace

ChatModelPtr chat_model(Options options) {
  if (options.model.empty()) refuse(options, "no model is named");
  options.base_url = without_trailing_slashes(std::move(options.base_url));
  const Url url = [&] {
    const std::string_view begin = options.base_url;
    if (!begin.starts_with("http://") && !begin.starts_with("https://"))
      refuse(options,
             "the base URL (--base-url, or the variable that `beluga models` names) must begin with "
             "http:// or https://");
    return Url::parse(options.base_url);  // says itself what is wrong
  }();
  if (!url.query().empty()) refuse(options, "the base URL must not have a query");
  constexpr std::string_view kPath = "/chat/completions";
  if (url.path().ends_with(kPath))
    refuse(options, "the base URL must not contain /chat/completions: it ends before it, often with /v1");

  // Without userinfo: safe to show.
  const std::string shown = without_trailing_slashes(url.str());
  ErrorMapper::Place place{.provider = options.provider,
                           .model = options.model,
                           .base_url = shown,
                           .key_variable = options.key_variable};
  place.secrets.emplace_back(bare_key(options.api_key));
  for (const HttpHeaders::Field& field : options.headers)
    if (is_secret_name(field.name)) place.secrets.push_back(field.value);
  if (!url.password().empty()) place.secrets.push_back(url.password());

  HttpHeaders headers = request_headers(options);
  HttpClient client = options.client ? *options.client : HttpClient{};
  std::string target = options.base_url + std::string(kPath);
  return std::make_shared<ChatCompletions>(std::make_shared<const Endpoint>(
      Endpoint{std::move(options), std::move(target), ErrorMapper(std::move(place)), std::move(headers),
               std::move(client)}));
}

ProviderInfo provider_info() {
  return {.name = "openai",
          .description = "OpenAI, or any server with the same chat API (set the base URL)",
          .key_variable = kKeyVariable,
          .base_url_variable = kBaseUrlVariable,
          .base_url = kDefaultBaseUrl,
          .examples = {"gpt-4o", "gpt-4o-mini", "o4-mini"}};
}

ChatModelPtr open(std::string_view model, const OpenOptions& given) {
  Options options{
      .model = std::string(model),
      .api_key = given.api_key,
      .base_url = given.base_url.empty() ? environment(kBaseUrlVariable) : given.base_url,
      .organization = given.organization.empty() ? environment("OPENAI_ORG_ID") : given.organization,
      .project = given.project.empty() ? environment("OPENAI_PROJECT_ID") : given.project,
      .headers = given.headers,
      .timeouts = given.timeouts};
  if (options.base_url.empty()) options.base_url = kDefaultBaseUrl;
  if (options.api_key.empty())
    if (std::string key = environment(kKeyVariable); !key.empty()) options.api_key = Secret(std::move(key));
  const bool at_openai = Url::parse(options.base_url).host().ends_with("openai.com");
  if (options.api_key.empty() && at_openai)
    throw Error(ErrorCode::unauthenticated, "openai/" + options.model + ": there is no API key; set " +
                                                kKeyVariable + ", or " + kBaseUrlVariable +
                                                " to a server that needs none")
        .with_provider("openai");
  if (!at_openai) options.compat.max_tokens = Compat::MaxTokens::max_tokens;
  apply(given.settings, options.compat);
  return chat_model(std::move(options));
}

}  // namespace beluga::llm::openai
