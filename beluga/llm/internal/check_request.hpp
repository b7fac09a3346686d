#pragma once
// What must hold of a request before any provider sees it.
#include "beluga/contract/chat_model.hpp"

namespace beluga::llm {

/// Throws Error{invalid_argument} naming the message ("messages[3]") unless
///  - there is at least one message, and each holds only parts that its role can have;
///  - the calls of an assistant message are answered by the tool messages right after it: each exactly once,
///  in call order;
///  - tools have unique, well-formed names and object schemas, and tool_choice fits them.
void check_request(const ChatRequest& request);

}  // namespace beluga::llm
