#pragma once
/// The names of OpenTelemetry's semantic conventions for generative AI, version 1.41 (status: development).
/// https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai

#include <cstdint>
#include <string_view>

namespace beluga::observe {

inline constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.41.0";

/// The name of an attribute. Made from literals only, so that a span need not copy it.
class Key {
 public:
  template <std::size_t N>
  consteval Key(const char (&name)[N]) : name_(name, N - 1) {}
  constexpr std::string_view name() const noexcept { return name_; }

 private:
  std::string_view name_;
};

namespace gen_ai {
inline constexpr Key kOperationName{"gen_ai.operation.name"};
inline constexpr Key kProviderName{"gen_ai.provider.name"};
inline constexpr Key kAgentName{"gen_ai.agent.name"};
inline constexpr Key kConversationId{"gen_ai.conversation.id"};
inline constexpr Key kRequestModel{"gen_ai.request.model"};
inline constexpr Key kRequestMaxTokens{"gen_ai.request.max_tokens"};
inline constexpr Key kRequestTemperature{"gen_ai.request.temperature"};
inline constexpr Key kRequestTopP{"gen_ai.request.top_p"};
inline constexpr Key kRequestSeed{"gen_ai.request.seed"};
inline constexpr Key kRequestStream{"gen_ai.request.stream"};
inline constexpr Key kResponseId{"gen_ai.response.id"};
inline constexpr Key kResponseModel{"gen_ai.response.model"};
inline constexpr Key kResponseFinishReasons{"gen_ai.response.finish_reasons"};
inline constexpr Key kResponseTimeToFirstChunk{"gen_ai.response.time_to_first_chunk"};
inline constexpr Key kUsageInputTokens{"gen_ai.usage.input_tokens"};
inline constexpr Key kUsageOutputTokens{"gen_ai.usage.output_tokens"};
inline constexpr Key kUsageCacheReadInputTokens{"gen_ai.usage.cache_read.input_tokens"};
inline constexpr Key kUsageCacheCreationInputTokens{"gen_ai.usage.cache_creation.input_tokens"};
inline constexpr Key kUsageReasoningOutputTokens{"gen_ai.usage.reasoning.output_tokens"};
inline constexpr Key kInputMessages{"gen_ai.input.messages"};
inline constexpr Key kOutputMessages{"gen_ai.output.messages"};
inline constexpr Key kToolName{"gen_ai.tool.name"};
inline constexpr Key kToolType{"gen_ai.tool.type"};
inline constexpr Key kToolCallId{"gen_ai.tool.call.id"};
inline constexpr Key kToolCallArguments{"gen_ai.tool.call.arguments"};
inline constexpr Key kToolCallResult{"gen_ai.tool.call.result"};
inline constexpr Key kTokenType{"gen_ai.token.type"};
}  // namespace gen_ai
inline constexpr Key kErrorType{"error.type"};
inline constexpr Key kRunId{"beluga.run.id"};

}  // namespace beluga::observe
