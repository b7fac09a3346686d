#include "beluga/llm/offline.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "beluga/fiber/blocking.hpp"
#include "beluga/llm/providers/offline/internal/plan.hpp"
#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm {
namespace {

// Deltas of about a few words, so that a terminal shows the answer as it grows.
constexpr std::size_t kDeltaBytes = 24;
// Work over a millisecond leaves the event loop; measured at about 40 MB/s of evidence.
constexpr std::size_t kInlineBytes = 16 * 1024;

/// Tokens are counted as words and marks: there is no vocabulary that would give another figure.
std::int64_t count(std::string_view text) {
  std::int64_t n = 0;
  bool in_word = false;
  for (char c : text) {
    bool word = offline_model::is_word_char(c);
    if (!offline_model::is_blank(c) && (!word || !in_word)) ++n;
    in_word = word;
  }
  return n;
}

std::size_t size_of(const ChatRequest& request) {
  std::size_t n = 0;
  for (const Message& message : request.messages)
    for (const Part& part : message.parts) {
      if (const Text* text = std::get_if<Text>(&part))
        n += text->text.size();
      else if (const ToolResult* result = std::get_if<ToolResult>(&part))
        n += result->content.size();
      else if (const File* file = std::get_if<File>(&part); file != nullptr && file->data.data)
        n += file->data.data->size();
    }
  return n;
}

std::int64_t count(const ChatRequest& request) {
  std::int64_t n = 0;
  for (const Message& message : request.messages)
    for (const Part& part : message.parts) {
      if (const Text* text = std::get_if<Text>(&part))
        n += count(text->text);
      else if (const ToolResult* result = std::get_if<ToolResult>(&part))
        n += count(result->content);
      else if (const ToolCall* call = std::get_if<ToolCall>(&part))
        n += count(call->arguments) + 1;
    }
  return n;
}

/// The end of the delta that starts at `at`: after a blank where possible, never inside a UTF-8 character.
std::size_t delta_end(std::string_view text, std::size_t at) {
  std::size_t end = at + kDeltaBytes;
  if (end >= text.size()) return text.size();
  std::size_t blank = text.rfind(' ', end);
  if (blank != std::string_view::npos && blank > at) return blank + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end;
}

class Chunks {
 public:
  Chunks(ChatRequest request, std::string model) : request_(std::move(request)), model_(std::move(model)) {}

  ChatChunk* next() {
    if (state_ == State::done) return nullptr;
    if (state_ == State::fresh) start();
    if (at_ < turn_.text.size()) {
      std::size_t end = delta_end(turn_.text, at_);
      chunk_ = TextDelta{turn_.text.substr(at_, end - at_)};
      at_ = end;
      return &chunk_;
    }
    if (call_ < turn_.calls.size()) {
      ToolCall& call = turn_.calls[call_];
      chunk_ = ToolCallDelta{static_cast<std::uint32_t>(call_), call.id, call.name, call.arguments};
      ++call_;
      return &chunk_;
    }
    state_ = State::done;
    ResponseEnd end;
    end.reason = turn_.calls.empty() ? reason_ : StopReason::tool_calls;
    end.usage.input = input_;
    end.usage.output = output_;
    end.model = model_;
    chunk_ = std::move(end);
    return &chunk_;
  }

 private:
  enum class State { fresh, running, done };

  void start() {
    state_ = State::running;
    auto work = [this] {
      input_ = count(request_);
      turn_ = offline_model::next_turn(request_);
    };
    if (size_of(request_) <= kInlineBytes)
      work();
    else
      blocking(work);
    for (const std::string& stop : request_.stop)
      if (!stop.empty())
        if (std::size_t at = turn_.text.find(stop); at != std::string::npos) {
          turn_.text.resize(at);
          reason_ = StopReason::stop_sequence;
        }
    if (request_.max_output_tokens && turn_.calls.empty()) shorten(*request_.max_output_tokens);
    output_ = count(turn_.text);
    for (const ToolCall& call : turn_.calls) output_ += count(call.arguments) + 1;
    request_ = {};
  }
  void shorten(std::int64_t most) {
    if (count(turn_.text) <= most) return;
    std::size_t end = 0;
    for (std::int64_t n = 0; end < turn_.text.size(); ++end) {
      bool word = offline_model::is_word_char(turn_.text[end]);
      bool begins = !offline_model::is_blank(turn_.text[end]) &&
                    (!word || end == 0 || !offline_model::is_word_char(turn_.text[end - 1]));
      if (begins && ++n > most) break;
    }
    turn_.text.resize(end);
    reason_ = StopReason::max_tokens;
  }

  ChatRequest request_;
  std::string model_;
  State state_ = State::fresh;
  offline_model::Turn turn_;
  StopReason reason_ = StopReason::end;
  std::int64_t input_ = 0, output_ = 0;
  std::size_t at_ = 0, call_ = 0;
  ChatChunk chunk_;
};

class OfflineModel final : public ChatModel {
 public:
  explicit OfflineModel(OfflineOptions options)
      : info_{.provider = "offline",
              .model = std::move(options.model),
              .tools = true,
              .images = false,
              .structured_output = true,
              .context_tokens = 0} {}

  Stream<ChatChunk> stream(ChatRequest request) override {
    auto chunks = std::make_shared<Chunks>(std::move(request), info_.model);
    return Stream<ChatChunk>::from([chunks] { return chunks->next(); });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  ModelInfo info_;
};

}  // namespace

ChatModelPtr offline(OfflineOptions options) {
  return std::make_shared<OfflineModel>(std::move(options));
}

}  // namespace beluga::llm
