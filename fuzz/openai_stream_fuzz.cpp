// A Chat Completions stream of any bytes, cut anywhere: it ends in a response or in a typed error, the same
// however it is cut, and a response is well-formed.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "beluga/base/error.hpp"
#include "beluga/base/utf8.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/providers/openai/internal/chat_stream.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/net/sse.hpp"

namespace {

using namespace beluga;
using namespace beluga::llm::openai;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

struct Outcome {
  bool ok = false;
  std::string text;  // message and end, without generated ids
  ErrorCode code = ErrorCode::unknown;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome fold(std::string_view wire, std::size_t piece) {
  static const ErrorMapper kErrors(
      {.provider = "openai", .model = "m", .base_url = "http://h/v1", .secrets = {"sk-secret-key"}});
  Outcome outcome;
  try {
    SseParser events;
    ChatStreamParser parser(kErrors);
    ChatFold result;
    for (std::size_t at = 0; at < wire.size(); at += piece) {
      events.push(wire.substr(at, piece));
      while (const SseEvent* event = events.next())
        for (const ChatChunk* chunk : parser.event(event->type, event->data)) result.add(*chunk);
    }
    for (const ChatChunk* chunk : parser.finish()) result.add(*chunk);
    require(parser.done(), "a response without error is complete");
    const ChatResponse response = result.take();
    std::set<std::string> ids;
    for (const Part& part : response.message.parts) {
      if (const auto* call = std::get_if<ToolCall>(&part)) {
        require(!call->id.empty() && ids.insert(call->id).second, "calls have ids of their own");
        require(!call->arguments.empty(), "calls have arguments");
        require(is_valid_utf8(call->arguments) && is_valid_utf8(call->name), "calls are UTF-8");
        outcome.text += call->name + "(" + call->arguments + ")";
      }
      if (const auto* thought = std::get_if<Reasoning>(&part)) outcome.text += "<" + thought->text + ">";
    }
    require(is_valid_utf8(response.message.text()), "text is UTF-8");
    const Usage& usage = response.end.usage;
    require(usage.input >= 0 && usage.cache_read >= 0 && usage.output >= 0 && usage.reasoning >= 0,
            "usage is not negative");
    outcome.text += response.message.text() + response.end.refusal + std::to_string(usage.total()) +
                    std::string(to_string(response.end.reason));
    outcome.ok = true;
  } catch (const Error& error) {
    require(error.code() != ErrorCode::internal, "no error of ours");
    require(error.message().find("sk-secret-key") == std::string::npos, "no secret in errors");
    outcome.code = error.code();
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = fold(wire, wire.size() + 1);
  require(fold(wire, data[0] % 61 + 1U) == whole, "the outcome does not depend on the cuts");
  return 0;
}
