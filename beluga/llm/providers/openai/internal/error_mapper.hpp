#pragma once
// From a provider's failure to an Error with place and remedy.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga::llm::openai {

/// What an HTTP answer says about its failure.
struct FailedResponse {
  int status = 0;
  std::string_view body{};
  std::string_view content_type{};
  std::string_view request_id{};
  std::string_view retry_after{};     ///< Retry-After: seconds or HTTP date
  std::string_view retry_after_ms{};  ///< retry-after-ms, as OpenAI sends it
  std::string_view should_retry{};    ///< x-should-retry: "true" or "false"
};

/// Thread-safety: immutable.
class ErrorMapper {
 public:
  struct Place {
    std::string provider{};
    std::string model{};
    std::string base_url{};
    std::string key_variable{};          ///< environment variable that the remedy names
    std::vector<std::string> secrets{};  ///< removed from every text
  };
  explicit ErrorMapper(Place place);

  /// For an answer whose status is not 2xx. `now` resolves dates in Retry-After.
  Error from_response(const FailedResponse& response, WallTime now) const;
  /// For an error object inside a stream of status 200.
  Error from_stream(const Json& error) const;
  /// Error{data_loss}: "openai: the stream of gpt-4o ...".
  Error broken_stream(std::string_view what) const;
  const Place& place() const noexcept { return place_; }
  /// `text` without secrets and control characters, cut to a length fit for a message.
  std::string clean(std::string_view text) const;

 private:
  struct Detail;
  Error map(int status, const Detail& detail) const;
  Place place_;
};

/// Retry-After (RFC 9110 section 10.2.3): seconds, whole or not, or an IMF-fixdate; nullopt when it is
/// neither or lies in the past by more than a day.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, WallTime now);

}  // namespace beluga::llm::openai
