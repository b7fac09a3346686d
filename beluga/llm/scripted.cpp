#include "beluga/llm/scripted.hpp"

#include <algorithm>
#include <mutex>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/llm/internal/check_request.hpp"

namespace beluga::llm {

struct ScriptedModel::State {
  const std::shared_ptr<const std::vector<ScriptedTurn>> turns;
  const Responder responder;
  const ScriptedOptions options;
  mutable std::mutex mutex;  // leaf: guards what follows
  std::size_t count = 0;
  std::vector<ChatRequest> requests;

  /// The number of this request, from 0.
  std::size_t record(const ChatRequest& request) {
    const std::lock_guard lock(mutex);
    if (options.record_requests) requests.push_back(request);
    return count++;
  }
};

ScriptedFault ScriptedFault::fail(Error error, std::size_t after) {
  return {Kind::error, after, std::move(error)};
}
ScriptedFault ScriptedFault::cut(std::size_t after) {
  return {Kind::cut, after, std::nullopt};
}
ScriptedFault ScriptedFault::stall(std::size_t after) {
  return {Kind::stall, after, std::nullopt};
}

namespace {

/// The end of the piece that begins at `at`: at most `most` bytes, not inside a character.
std::size_t piece_end(std::string_view text, std::size_t at, std::size_t most) {
  if (most == 0 || text.size() - at <= most) return text.size();
  std::size_t end = at + most;
  while (end > at && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  if (end > at) return end;
  end = at + 1;  // one character longer than a piece
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end;
}

/// Plays one turn into a stream.
class Player {
 public:
  Player(const ScriptedTurn& turn, std::size_t number, Yield<ChatChunk>& yield)
      : turn_(turn), number_(number), yield_(yield) {}

  void play(const ModelInfo& info) {
    if (!pieces<ReasoningDelta>(turn_.reasoning) || !pieces<TextDelta>(turn_.text) || !calls()) return;
    StopReason reason = turn_.calls.empty() ? StopReason::end : StopReason::tool_calls;
    if (!turn_.refusal.empty()) reason = StopReason::refusal;
    give(ResponseEnd{turn_.reason.value_or(reason), turn_.usage, info.model,
                     "scripted_" + std::to_string(number_ + 1), turn_.refusal});
  }

 private:
  template <class Delta>
  bool pieces(std::string_view text) {
    ChatChunk chunk{Delta{}};
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = piece_end(text, at, turn_.chunk_bytes);
      if (!std::holds_alternative<Delta>(chunk)) chunk = Delta{};
      std::get<Delta>(chunk).text.assign(text.substr(at, end - at));
      if (!give(chunk)) return false;
      at = end;
    }
    return true;
  }

  bool calls() {
    for (std::size_t i = 0; i < turn_.calls.size(); ++i) {
      const ToolCall& call = turn_.calls[i];
      const auto index = static_cast<std::uint32_t>(i);
      std::string id = call.id;
      if (id.empty()) id = "call_" + std::to_string(number_ + 1) + "_" + std::to_string(i + 1);
      if (!give(ToolCallDelta{index, std::move(id), call.name, {}})) return false;
      for (std::size_t at = 0; at < call.arguments.size();) {
        const std::size_t end = piece_end(call.arguments, at, turn_.chunk_bytes);
        if (!give(ToolCallDelta{index, {}, {}, call.arguments.substr(at, end - at)})) return false;
        at = end;
      }
    }
    return true;
  }

  bool give(ChatChunk&& chunk) { return give(chunk); }
  /// False when the stream is cut here.
  bool give(ChatChunk& chunk) {
    const Duration delay = given_ == 0 ? turn_.first_delay : turn_.chunk_delay;
    if (delay > Duration::zero()) sleep_for(delay);
    const ScriptedFault& fault = turn_.fault;
    if (fault.kind != ScriptedFault::Kind::none && given_ == fault.after) {
      if (fault.kind == ScriptedFault::Kind::error)
        throw fault.error.value_or(Error(ErrorCode::unavailable, "the scripted model failed as told"));
      if (fault.kind == ScriptedFault::Kind::cut) return false;
      Signal never;
      never.wait();
    }
    ++given_;
    yield_(chunk);
    return true;
  }

  const ScriptedTurn& turn_;
  const std::size_t number_;
  Yield<ChatChunk>& yield_;
  std::size_t given_ = 0;
};

std::string last_words(const ChatRequest& request) {
  const Message& last = request.messages.back();
  std::string words = last.text();
  if (const auto* result = last.find<ToolResult>()) words = result->content;
  if (words.size() > 200) words = words.substr(0, piece_end(words, 0, 200)) + "...";
  return std::string(to_string(last.role)) + ": " + words;
}

}  // namespace

ScriptedModel::ScriptedModel(std::vector<ScriptedTurn> turns, ScriptedOptions options)
    : state_(new State{std::make_shared<const std::vector<ScriptedTurn>>(std::move(turns)),
                       nullptr,
                       std::move(options),
                       {},
                       0,
                       {}}) {}

ScriptedModel::ScriptedModel(Responder responder, ScriptedOptions options)
    : state_(new State{nullptr, std::move(responder), std::move(options), {}, 0, {}}) {}

Stream<ChatChunk> ScriptedModel::stream(ChatRequest request) {
  return Stream<ChatChunk>::generate([state = state_, request = std::move(request)](Yield<ChatChunk>& yield) {
    check_request(request);
    const std::size_t number = state->record(request);
    if (state->responder) {
      const ScriptedTurn turn = state->responder(request);
      Player(turn, number, yield).play(state->options.info);
      return;
    }
    const auto& turns = *state->turns;
    if (turns.empty() || (number >= turns.size() && !state->options.repeat))
      throw Error(ErrorCode::failed_precondition,
                  "the scripted model has no turn " + std::to_string(number + 1) + ": " +
                      std::to_string(turns.size()) + " were scripted; the request ends with " +
                      last_words(request));
    Player(turns[number % turns.size()], number, yield).play(state->options.info);
  });
}

const ModelInfo& ScriptedModel::info() const noexcept {
  return state_->options.info;
}

std::vector<ChatRequest> ScriptedModel::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

std::size_t ScriptedModel::request_count() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->count;
}

std::size_t ScriptedModel::turns_left() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->turns && state_->turns->size() > state_->count ? state_->turns->size() - state_->count : 0;
}

}  // namespace beluga::llm
