#include "beluga/llm/providers/openai/internal/error_mapper.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "beluga/base/redact.hpp"
#include "beluga/base/result.hpp"

namespace beluga::llm::openai {
namespace {

constexpr std::size_t kMostText = 500;

bool contains(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

bool key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '*';
}

/// Providers quote the key they refuse, whole or masked: "sk-proj-ab***yz". None of it belongs into a log.
void mask_keys(std::string& text) {
  std::size_t at = 0;
  while ((at = text.find("sk-", at)) != std::string::npos) {
    if (at > 0 && key_character(text[at - 1])) {
      at += 3;
      continue;
    }
    std::size_t end = at + 3;
    while (end < text.size() && key_character(text[end])) ++end;
    if (end - at < 8) {
      at = end;
      continue;
    }
    text.replace(at, end - at, "[redacted]");
  }
}

std::string_view title_of(std::string_view html) {
  const std::size_t begin = html.find("<title>");
  const std::size_t end = html.find("</title>");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 7) return {};
  return html.substr(begin + 7, end - begin - 7);
}

bool looks_like_html(std::string_view body) {
  const std::size_t start = body.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos &&
         (contains(body.substr(start, 14), "<!doctype html") || contains(body.substr(start, 5), "<html"));
}

std::string scalar(const Json* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return value->as_string();
  if (value->is_number()) return std::string(value->number_text());
  return {};
}

}  // namespace

struct ErrorMapper::Detail {
  std::string message;
  std::string code;
  std::string type;
  std::string param;

  /// Reads the shapes that are in use: {"error": {...}}, {"error": "..."}, {"message": ...}, {"detail": ...},
  /// [{...}].
  void read(const Json& json) {
    if (json.is_array() && !json.empty()) return read(json.items()[0]);
    if (json.is_string()) {
      message = json.as_string();
      return;
    }
    if (const Json* error = json.find("error");
        error != nullptr && (error->is_object() || error->is_string()))
      return read(*error);
    message = scalar(json.find("message"));
    if (message.empty()) message = scalar(json.find("detail"));
    if (message.empty() && json.contains("detail")) message = json.at("detail").dump();
    code = scalar(json.find("code"));
    type = scalar(json.find("type"));
    if (type.empty()) type = scalar(json.find("status"));
    param = scalar(json.find("param"));
  }
  bool is(std::string_view word) const { return code == word || type == word; }
  bool context_overflow() const {
    return is("context_length_exceeded") || is("exceed_context_size_error") ||
           contains(message, "maximum context length") || contains(message, "context length") ||
           contains(message, "context window") || contains(message, "available context size") ||
           contains(message, "prompt is too long");
  }
  bool quota() const {
    return is("insufficient_quota") || is("billing_hard_limit_reached") || is("billing_not_active") ||
           contains(message, "exceeded your current quota") || contains(message, "insufficient balance");
  }
};

ErrorMapper::ErrorMapper(Place place) : place_(std::move(place)) {
  std::erase_if(place_.secrets, [](const std::string& secret) { return secret.size() < 4; });
}

std::string ErrorMapper::clean(std::string_view text) const {
  std::string out;
  out.reserve(std::min(text.size(), std::size_t{4096}));
  // Secrets are removed before the cut, so that none survives by half; texts beyond 64 KiB are cut first.
  out = std::string(text.substr(0, 65536));
  for (const std::string& secret : place_.secrets)
    for (std::size_t at = 0; (at = out.find(secret, at)) != std::string::npos;)
      out.replace(at, secret.size(), "[redacted]");
  mask_keys(out);
  out = redact(out);
  bool space = true;
  std::size_t kept = 0;
  for (const char c : out) {
    const bool blank = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
    if (blank && space) continue;
    out[kept++] = blank ? ' ' : c;
    space = blank;
  }
  out.resize(kept);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (out.size() > kMostText) {
    std::size_t cut = kMostText;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0) == 0x80) --cut;  // not inside a character
    out.resize(cut);
    out += "...";
  }
  return out;
}

Error ErrorMapper::map(int status, const Detail& detail) const {
  const std::string said = clean(detail.message);
  const std::string quoted = said.empty() ? std::string() : ": " + said;
  std::string tag = clean(detail.code.empty() ? detail.type : detail.code);
  std::string marks;
  const auto finish = [&](ErrorCode code, std::string text, bool retryable) {
    if (!tag.empty())
      marks += " [" + tag + (detail.param.empty() ? "" : ", param " + clean(detail.param)) + "]";
    else if (!detail.param.empty())
      marks += " [param " + clean(detail.param) + "]";
    Error error =
        Error(code, std::move(text) + marks).with_provider(place_.provider).with_retryable(retryable);
    return status == 0 ? error : error.with_http_status(status);
  };

  if (detail.context_overflow() && (status == 0 || status == 400 || status == 413 || status == 422)) {
    tag = "context_length_exceeded";
    return finish(ErrorCode::invalid_argument,
                  "the conversation does not fit into the context window of " + place_.model + quoted +
                      "; shorten it or choose a model with a larger one",
                  false);
  }
  if (detail.quota() && (status == 0 || status == 402 || status == 429 || status == 403)) {
    tag = "insufficient_quota";
    return finish(
        ErrorCode::resource_exhausted,
        "the account's quota is used up" + quoted + "; waiting does not help: check plan and billing", false);
  }
  switch (status) {
    case 400:
    case 413:
    case 422:
      return finish(ErrorCode::invalid_argument, "the request was refused" + quoted, false);
    case 401:
      return finish(ErrorCode::unauthenticated,
                    "the API key was refused" + quoted +
                        (place_.key_variable.empty() ? "; pass a valid api_key"
                                                     : "; set " + place_.key_variable + " to a valid key") +
                        " for " + place_.base_url,
                    false);
    case 402:
      return finish(ErrorCode::resource_exhausted, "payment is required" + quoted, false);
    case 403:
      return finish(ErrorCode::permission_denied, "access to " + place_.model + " was denied" + quoted,
                    false);
    case 404:
      return finish(ErrorCode::not_found,
                    "no model '" + place_.model + "' at " + place_.base_url + quoted +
                        "; check the model's name and the base URL",
                    false);
    case 408:
      return finish(ErrorCode::unavailable, "the server gave up waiting for the request" + quoted, true);
    case 409:
      return finish(ErrorCode::aborted, "the request lost a conflict" + quoted, true);
    case 429:
      return finish(ErrorCode::resource_exhausted, "rate limit reached" + quoted, true);
    case 501:
      return finish(ErrorCode::unimplemented, "the server does not offer this" + quoted, false);
    default:
      break;
  }
  if (status >= 500) return finish(ErrorCode::unavailable, "the server failed" + quoted, true);
  if (status >= 300 && status < 400)
    return finish(ErrorCode::failed_precondition,
                  "the server redirects elsewhere" + quoted + "; check the base URL " + place_.base_url,
                  false);
  if (status != 0)
    return finish(ErrorCode::unknown, "unexpected status " + std::to_string(status) + quoted, false);

  // In a stream there is no status; the words decide.
  if (detail.is("rate_limit_exceeded") || detail.is("429") || detail.is("RESOURCE_EXHAUSTED"))
    return finish(ErrorCode::resource_exhausted, "rate limit reached" + quoted, true);
  if (detail.is("invalid_request_error") || detail.is("400"))
    return finish(ErrorCode::invalid_argument, "the request was refused" + quoted, false);
  if (detail.is("invalid_api_key") || detail.is("authentication_error") || detail.is("401"))
    return finish(ErrorCode::unauthenticated, "the API key was refused" + quoted, false);
  return finish(ErrorCode::unavailable, "the server failed within the stream" + quoted, true);
}

Error ErrorMapper::from_response(const FailedResponse& response, WallTime now) const {
  Detail detail;
  if (contains(response.content_type, "text/html") || looks_like_html(response.body)) {
    const std::string title = clean(title_of(response.body));
    detail.message = "an HTML page came back instead of JSON" + (title.empty() ? "" : " (\"" + title + "\")");
    if (response.status != 404)
      detail.message += "; is " + place_.base_url + " an API, and is there a proxy in between?";
  } else if (const auto json = attempt([&] {
               return Json::parse(response.body,
                                  {.max_depth = 32, .duplicate_keys = Json::DuplicateKeys::last_wins});
             });
             json.ok() && (json->is_object() || json->is_array() || json->is_string())) {
    detail.read(*json);
    if (detail.message.empty()) detail.message = json->dump();
  } else {
    detail.message = std::string(response.body.substr(0, 65536));
  }

  Error error = map(response.status, detail);
  if (!response.request_id.empty()) error = error.with_request_id(clean(response.request_id));
  std::optional<std::chrono::milliseconds> wait;
  if (double ms = 0; !response.retry_after_ms.empty()) {
    const auto [end, failure] = std::from_chars(
        response.retry_after_ms.data(), response.retry_after_ms.data() + response.retry_after_ms.size(), ms);
    if (failure == std::errc() && end == response.retry_after_ms.data() + response.retry_after_ms.size() &&
        ms >= 0 && ms < 1e12)
      wait = std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  }
  if (!wait) wait = parse_retry_after(response.retry_after, now);
  if (wait) error = error.with_retry_after(*wait);
  if (response.should_retry == "true" || response.should_retry == "false")
    error = error.with_retryable(response.should_retry == "true");
  return error;
}

Error ErrorMapper::from_stream(const Json& json) const {
  Detail detail;
  detail.read(json);
  if (detail.message.empty()) detail.message = json.dump();
  // Some gateways put the status of the server behind them into "code".
  int status = 0;
  const auto [end, failure] =
      std::from_chars(detail.code.data(), detail.code.data() + detail.code.size(), status);
  if (failure != std::errc() || end != detail.code.data() + detail.code.size() || status < 400 ||
      status > 599)
    return map(0, detail);
  detail.code.clear();
  return map(status, detail);
}

Error ErrorMapper::broken_stream(std::string_view what) const {
  return Error(ErrorCode::data_loss,
               "the stream of " + place_.model + " at " + place_.base_url + " " + std::string(what))
      .with_provider(place_.provider)
      .with_retryable(true);
}

namespace {

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::optional<WallTime> imf_fixdate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const auto day = digits(text, 5, 2), year = digits(text, 12, 4), hour = digits(text, 17, 2),
             minute = digits(text, 20, 2), second = digits(text, 23, 2);
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second || text[19] != ':' ||
      text[22] != ':')
    return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(month - kMonths.begin()) + 1},
      std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days{date}) + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{*second};
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, WallTime now) {
  if (value.empty()) return std::nullopt;
  double seconds = 0;
  const auto [end, failure] =
      std::from_chars(value.data(), value.data() + value.size(), seconds, std::chars_format::fixed);
  if (failure == std::errc() && end == value.data() + value.size())
    return seconds >= 0 && seconds < 1e9
               ? std::optional(std::chrono::milliseconds(std::llround(seconds * 1000)))
               : std::nullopt;
  const auto date = imf_fixdate(value);
  if (!date || *date < now - std::chrono::hours(24)) return std::nullopt;
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(*date - now));
}

}  // namespace beluga::llm::openai
