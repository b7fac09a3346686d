#pragma once
/// All that a program with an agent needs, in one include:
///
///     #include "beluga/beluga.hpp"
///
///     beluga::Agent agent{{
///         .model = beluga::llm::open("offline"),
///         .tools = beluga::tool::builtin::standard(),
///     }};
///     std::cout << agent.invoke("Which files are here?").text();
///
/// Configuration, servers, telemetry, SQLite and the interop headers are included by those who use them: each
/// belongs to one file of a program, and this header to most.

#include "beluga/agent/agent.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/field.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/event.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/contract/runnable.hpp"
#include "beluga/contract/tool.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/llm/retry.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/tool_set.hpp"
#include "beluga/tool/typed.hpp"
