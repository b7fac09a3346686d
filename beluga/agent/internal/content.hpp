#pragma once
/// Messages in the form that the GenAI conventions give them in spans (gen-ai-input-messages.json, v1.41).

#include <span>
#include <string_view>

#include "beluga/base/json.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/message.hpp"

namespace beluga::detail {

/// Media appear by type and size only.
Json content_json(std::span<const Message> messages);
/// The conventions' word: "stop", "length", "tool_call", "content_filter", "error".
std::string_view finish_reason(StopReason reason) noexcept;

}  // namespace beluga::detail
