#pragma once
/// `ChatModel`: the one interface in front of every language model.
///
///     auto model = llm::open("openai/gpt-4o");
///     ChatResponse response = model->generate({.messages = {Message::user("hello")}});
///
/// The primitive is stream(); generate() is its fold. A middleware is a function from model to model and
/// composes with
/// `|`, outermost last:  llm::open(...) | llm::retry()

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga {

/// What the model is told about a tool.
struct ToolSchema {
  std::string name{};  ///< [A-Za-z0-9_-]{1,64}
  std::string description{};
  Json parameters = Json::object();  ///< JSON Schema 2020-12 of the argument object
  bool strict = false;               ///< ask the provider to enforce the schema
};

struct ToolChoice {
  enum class Mode : std::uint8_t { automatic, none, required, named };
  Mode mode = Mode::automatic;
  std::string name{};  ///< for Mode::named
};

/// Ask for JSON that fits a schema.
struct OutputSchema {
  std::string name = "output";
  Json schema{};
  bool strict = true;
};

struct ChatRequest {
  std::vector<Message> messages{};
  std::vector<ToolSchema> tools{};
  ToolChoice tool_choice{};
  std::optional<bool> parallel_tool_calls{};
  std::optional<OutputSchema> output{};
  std::optional<double> temperature{};
  std::optional<double> top_p{};
  std::optional<std::int64_t> max_output_tokens{};
  std::vector<std::string> stop{};
  std::optional<std::int64_t> seed{};
  std::string reasoning_effort{};  ///< provider's word: "", "minimal", "low", "medium", "high"
  Json extra{};                    ///< object merged into the provider's request body as it is
};

// What a stream of a model is made of.
struct TextDelta {
  std::string text{};
};
struct ReasoningDelta {
  std::string text{};
  std::string signature{};  ///< complete when not empty; ends this piece of reasoning
  std::string provider{};   ///< whom the signature means something to; comes with it
};
/// A fragment of a tool call. `index` tells parallel calls apart; id and name come with the first fragment.
struct ToolCallDelta {
  std::uint32_t index = 0;
  std::string id{};
  std::string name{};
  std::string arguments{};
};
/// What was streamed of this response so far is void: it starts again (see retry).
struct ResponseRestart {
  std::string reason{};
};
enum class StopReason : std::uint8_t {
  end,
  tool_calls,
  max_tokens,
  stop_sequence,
  content_filter,
  refusal,
  unknown
};
std::string_view to_string(StopReason reason) noexcept;
/// The last chunk of every complete response: a stream that ends without one was cut (Error{data_loss}).
struct ResponseEnd {
  StopReason reason = StopReason::end;
  Usage usage{};
  std::string model{};  ///< as the provider reports it
  std::string response_id{};
  std::string refusal{};
};
using ChatChunk = std::variant<TextDelta, ReasoningDelta, ToolCallDelta, ResponseRestart, ResponseEnd>;

struct ChatResponse {
  Message message{.role = Role::assistant};
  ResponseEnd end{};
};

/// Folds chunks into a response. A ToolCall appears once its fragments are complete, that is with the
/// ResponseEnd: after the text, in the order of the indices.
class ChatFold {
 public:
  /// Throws Error{internal} for a chunk after the end.
  void add(const ChatChunk& chunk);
  bool complete() const noexcept { return complete_; }
  /// Throws Error{data_loss} unless complete(). The fold is as new afterwards.
  ChatResponse take();
  /// What has arrived, with tool calls left out: for keeping the text of an aborted response.
  Message partial() const;

 private:
  ChatResponse response_{};
  std::vector<std::pair<std::uint32_t, ToolCall>> calls_{};  // by index, ascending; indices may have gaps
  bool complete_ = false;
};

/// What a model can do, for checks before the call and for routing.
struct ModelInfo {
  std::string provider{};  ///< "openai"
  std::string model{};     ///< "gpt-4o"
  bool tools = true;
  bool images = false;
  bool structured_output = false;
  std::int64_t context_tokens = 0;  ///< 0: unknown
};

/// Thread-safety: stream(), generate() and info() from any fiber or thread, concurrently.
class ChatModel {
 public:
  virtual ~ChatModel() = default;
  /// Starts when first pulled. Ends with exactly one ResponseEnd or throws. The stream owns all that it
  /// needs, this model included. Errors: see ErrorCode; invalid requests are invalid_argument before anything
  /// is sent.
  virtual Stream<ChatChunk> stream(ChatRequest request) = 0;
  virtual const ModelInfo& info() const noexcept = 0;
  /// stream(), folded.
  ChatResponse generate(ChatRequest request);
};

using ChatModelPtr = std::shared_ptr<ChatModel>;
using ChatMiddleware = std::function<ChatModelPtr(ChatModelPtr)>;
/// model | middleware; the last one named is the outermost.
ChatModelPtr operator|(ChatModelPtr model, const ChatMiddleware& middleware);

}  // namespace beluga
