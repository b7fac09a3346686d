#pragma once
/// OpenAI's Chat Completions, and every server that speaks it (vLLM, llama.cpp, Ollama, LM Studio, Groq,
/// OpenRouter, ...).
///
/// Most programs say `llm::open("openai/gpt-4o")`; this is the door with all the switches:
///
///     auto model = llm::openai::chat_model({
///         .model = "qwen3",
///         .base_url = "http://127.0.0.1:8080/v1",
///         .compat = {.max_tokens = llm::openai::Compat::MaxTokens::max_tokens},
///     });
///
/// Errors of a call, besides those of HttpClient: invalid_argument (400, 413, 422, and what can be seen
/// before sending; see is_context_overflow), unauthenticated (401), permission_denied (403), not_found (404),
/// resource_exhausted (429; see is_quota_exhausted), unavailable (5xx, 408), data_loss (the stream was cut or
/// is not the protocol). They carry status, request id and Retry-After, and never a key.

#include <cstdint>
#include <optional>
#include <string>

#include "beluga/base/secret.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/net/http.hpp"

namespace beluga {
class HttpClient;
}

namespace beluga::llm::openai {

/// Where servers that imitate the API differ from it.
struct Compat {
  enum class MaxTokens : std::uint8_t { max_completion_tokens, max_tokens };
  MaxTokens max_tokens = MaxTokens::max_completion_tokens;  ///< the member that limits the output
  bool stream_usage = true;                                 ///< send stream_options.include_usage
  bool developer_role = false;                              ///< call the system role "developer"
  bool replay_reasoning = false;  ///< send earlier reasoning back as reasoning_content
};

struct Options {
  std::string provider = "openai";  ///< as errors and ModelInfo name it
  std::string model{};              ///< required
  Secret api_key{};                 ///< empty: no Authorization header
  std::string base_url = "https://api.openai.com/v1";
  std::string organization{};
  std::string project{};
  HttpHeaders headers{};
  Timeouts timeouts{};
  Compat compat{};
  std::string key_variable = "OPENAI_API_KEY";  ///< what an error about the key tells people to set
  std::shared_ptr<const HttpClient> client{};   ///< null: one of its own
};

/// Throws Error{invalid_argument} for a missing model or a bad URL, key or header. Does not touch the
/// network.
ChatModelPtr chat_model(Options options);

/// For the registry: key and base URL come from OPENAI_API_KEY and OPENAI_BASE_URL unless given. Another base
/// URL than OpenAI's needs no key, and gets max_tokens. OpenOptions::settings: {"max_tokens_member":
/// "max_tokens" | "max_completion_tokens", "stream_usage", "developer_role", "replay_reasoning": true |
/// false}.
ProviderInfo provider_info();
ChatModelPtr open(std::string_view model, const OpenOptions& options);

}  // namespace beluga::llm::openai
