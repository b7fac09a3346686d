#pragma once
// From ChatRequest to the body of POST {base}/chat/completions.
#include <string>
#include <string_view>

#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/providers/openai/openai.hpp"

namespace beluga::llm::openai {

/// The request body. The same request gives the same bytes, and a request that continues another begins its
/// messages with the same bytes, so that prompt caches hit. Throws Error{invalid_argument} before anything is
/// sent: see check_request(); also for parts that Chat Completions has no form for.
std::string chat_request_body(const ChatRequest& request, std::string_view model, const Compat& compat);

}  // namespace beluga::llm::openai
