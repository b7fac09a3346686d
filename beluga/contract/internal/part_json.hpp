#pragma once
// The members of a tool call and of its result, the same in stored messages and in events.
#include "beluga/base/json.hpp"
#include "beluga/contract/message.hpp"

namespace beluga::detail {

void put_tool_call(Json& json, const ToolCall& call);
void put_tool_result(Json& json, const ToolResult& result);

}  // namespace beluga::detail
