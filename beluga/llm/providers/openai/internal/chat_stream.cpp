#include "beluga/llm/providers/openai/internal/chat_stream.hpp"

#include <simdjson.h>

#include <cstring>
#include <string>
#include <vector>

#include "beluga/base/id.hpp"
#include "beluga/base/result.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/llm/providers/openai/internal/json_text.hpp"

namespace beluga::llm::openai {

namespace od = simdjson::ondemand;

namespace {

/// Chunks of one kind that are used again and again, so that their strings keep their memory.
template <class Delta>
class Reused {
 public:
  void reset() noexcept { used_ = 0; }
  Delta& next(std::vector<ChatChunk*>& ready) {
    if (used_ == chunks_.size()) chunks_.push_back(std::make_unique<ChatChunk>(Delta{}));
    ChatChunk& chunk = *chunks_[used_++];
    ready.push_back(&chunk);
    // A caller may have put something else into the chunk it was given.
    if (auto* delta = std::get_if<Delta>(&chunk)) return *delta;
    return chunk.emplace<Delta>();
  }

 private:
  std::vector<std::unique_ptr<ChatChunk>> chunks_;
  std::size_t used_ = 0;
};

struct Call {
  std::int64_t wire_index = -1;  ///< as the server counts; -1: it does not
  std::string id{};
  bool has_arguments = false;
  JsonText arguments{};
};

StopReason stop_reason(std::string_view word) {
  if (word == "stop" || word == "eos" || word == "eos_token" || word == "end_turn") return StopReason::end;
  if (word == "length" || word == "max_tokens" || word == "model_length") return StopReason::max_tokens;
  if (word == "tool_calls" || word == "function_call" || word == "tool_use") return StopReason::tool_calls;
  if (word == "stop_sequence") return StopReason::stop_sequence;
  if (word == "content_filter") return StopReason::content_filter;
  return StopReason::unknown;
}

}  // namespace

struct ChatStreamParser::Impl {
  explicit Impl(const ErrorMapper& mapper) : errors(mapper) {}

  const ErrorMapper& errors;
  od::parser parser;
  std::string padded;  // the event's data with the padding that simdjson reads beyond it

  std::vector<ChatChunk*> ready;
  Reused<TextDelta> texts;
  Reused<ReasoningDelta> thoughts;
  Reused<ToolCallDelta> fragments;
  ChatChunk end{ResponseEnd{}};

  JsonText content;
  JsonText reasoning;
  JsonText refusal_text;
  std::vector<Call> calls;
  std::string scratch;
  std::string fragment_id, fragment_name, fragment_arguments;

  std::string finish_word;
  bool finished = false;  // a finish_reason came
  bool any_delta = false;
  bool ended = false;
  std::string response_id;
  std::string model;
  std::string refusal;
  Usage usage{};

  [[noreturn]] void broken(std::string_view what) const { throw errors.broken_stream(what); }
  void check(simdjson::error_code code) const {
    if (code != simdjson::SUCCESS) broken(std::string("is not valid JSON: ") + simdjson::error_message(code));
  }

  void start_event() {
    ready.clear();
    texts.reset();
    thoughts.reset();
    fragments.reset();
  }

  // The document.

  void document(std::string_view data) {
    padded.resize(data.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(padded.data(), data.data(), data.size());
    od::document doc;
    check(parser.iterate(simdjson::padded_string_view(padded.data(), data.size(), padded.size())).get(doc));
    od::object root;
    if (doc.get_object().get(root) != simdjson::SUCCESS) broken("holds an event that is no JSON object");
    each(root, [&](std::string_view key, od::value& value) {
      if (key == "choices")
        choices(value);
      else if (key == "usage")
        read_usage(value);
      else if (key == "id")
        read_once(value, response_id);
      else if (key == "model")
        read_once(value, model);
      else if (key == "error")
        fail(value);
      else if (key == "x_groq")
        groq(value);
      else if (key == "object")
        error_object(value, data);
    });
    const char* rest = nullptr;
    if (doc.current_location().get(rest) == simdjson::SUCCESS)
      broken("is not valid JSON: something follows the object");
  }

  /// Calls `use(key, value)` for each member. Keys with escapes match nothing, as no key of ours needs one.
  template <class Use>
  void each(od::object& object, Use use) {
    for (auto field : object) {
      od::raw_json_string raw;
      check(field.key().get(raw));
      std::string_view key;
      // The key's text up to its closing quote; escapes stay as they are.
      const char* begin = raw.raw();
      const char* end_quote = static_cast<const char*>(
          std::memchr(begin, '"', static_cast<std::size_t>(padded.data() + padded.size() - begin)));
      key = std::string_view(begin, end_quote == nullptr ? 0 : static_cast<std::size_t>(end_quote - begin));
      od::value value;
      check(field.value().get(value));
      use(key, value);
    }
  }

  od::json_type type_of(od::value& value) {
    od::json_type type = od::json_type::null;
    check(value.type().get(type));
    return type;
  }
  bool is(od::value& value, od::json_type type) { return type_of(value) == type; }

  void read_once(od::value& value, std::string& out) {
    if (!out.empty() || !is(value, od::json_type::string)) return;
    std::string_view text;
    check(value.get_string().get(text));
    out = text;
  }

  /// {"object": "error", "message": ...}, without an "error" member.
  void error_object(od::value& value, std::string_view data) {
    std::string_view text;
    if (!is(value, od::json_type::string)) return;
    check(value.get_string().get(text));
    if (text == "error") throw errors.from_stream(slow(data));
  }

  void fail(od::value& value) {
    const od::json_type type = type_of(value);
    if (type == od::json_type::null) return;
    throw errors.from_stream(type == od::json_type::object || type == od::json_type::string
                                 ? Json::object({{"error", slow(raw_of(value))}})
                                 : slow(raw_of(value)));
  }

  /// The text of any value. Consumes it.
  std::string_view raw_of(od::value& value) {
    const od::json_type type = type_of(value);
    std::string_view raw;
    if (type == od::json_type::object) {
      od::object object;
      check(value.get_object().get(object));
      check(object.raw_json().get(raw));
    } else if (type == od::json_type::array) {
      od::array array;
      check(value.get_array().get(array));
      check(array.raw_json().get(raw));
    } else {
      raw = value.raw_json_token();
      while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= 0x20) raw.remove_suffix(1);
    }
    return raw;
  }
  /// For the rare shapes: the value as Json.
  Json slow(std::string_view raw) {
    auto json = attempt([&] {
      return Json::parse(raw, {.max_depth = 128, .duplicate_keys = Json::DuplicateKeys::last_wins});
    });
    if (!json.ok()) broken("is not valid JSON: " + json.error().message());
    return std::move(json).value();
  }

  // Choices.

  void choices(od::value& value) {
    if (!is(value, od::json_type::array)) return;
    od::array array;
    check(value.get_array().get(array));
    for (auto item : array) {
      od::value element;
      check(item.get(element));
      if (!is(element, od::json_type::object)) continue;
      od::object choice;
      check(element.get_object().get(choice));
      each(choice, [&](std::string_view key, od::value& member) {
        if (key == "delta" || key == "message")
          delta(member);
        else if (key == "finish_reason")
          finish_reason(member);
        else if (key == "usage")
          read_usage(member);
        else if (key == "error")
          fail(member);
      });
    }
  }

  void finish_reason(od::value& value) {
    if (!is(value, od::json_type::string)) return;
    std::string_view word;
    check(value.get_string().get(word));
    if (word.empty()) return;
    finish_word = word;
    finished = true;
  }

  void delta(od::value& value) {
    if (!is(value, od::json_type::object)) return;
    od::object object;
    check(value.get_object().get(object));
    any_delta = true;
    each(object, [&](std::string_view key, od::value& member) {
      if (key == "content")
        text(member);
      else if (key == "reasoning_content" || key == "reasoning")
        thought(member);
      else if (key == "refusal")
        refuse(member);
      else if (key == "tool_calls")
        tool_calls(member);
    });
  }

  /// Appends the string `value` to `out`; false when it is no string.
  bool string_into(od::value& value, JsonText& channel, std::string& out) {
    if (!is(value, od::json_type::string)) return false;
    std::string_view plain;
    const std::string_view token = value.raw_json_token();
    if (!channel.waiting() && value.get_string().get(plain) == simdjson::SUCCESS)
      out += plain;
    else if (!channel.append(token, out))
      broken("is not valid JSON: a string has a bad escape");
    return true;
  }

  void text(od::value& value) {
    scratch.clear();
    if (string_into(value, content, scratch)) {
      emit_text(scratch);
    } else if (is(value, od::json_type::array)) {
      parts(slow(raw_of(value)));
    }
  }
  void emit_text(std::string_view piece) {
    if (!piece.empty()) texts.next(ready).text.assign(piece);
  }
  void emit_thought(std::string_view piece) {
    if (!piece.empty()) thoughts.next(ready).text.assign(piece);
  }
  /// Content as a list: [{"type": "thinking", "thinking": [...]}, {"type": "text", "text": "..."}].
  void parts(const Json& list) {
    for (const Json& part : list.items()) {
      const std::string_view type = part.string_or("type", "");
      if (type == "text") emit_text(part.string_or("text", ""));
      if (type == "refusal") refusal += part.string_or("refusal", "");
      if (type != "thinking") continue;
      emit_thought(part.string_or("thinking", ""));
      if (const Json* inner = part.find("thinking"))
        for (const Json& piece : inner->items()) emit_thought(piece.string_or("text", ""));
    }
  }
  void thought(od::value& value) {
    // A server that sends both spellings says the same twice: the first one in an event counts.
    scratch.clear();
    if (!string_into(value, reasoning, scratch) || scratch.empty()) return;
    for (const ChatChunk* chunk : ready)
      if (const auto* other = std::get_if<ReasoningDelta>(chunk); other != nullptr && other->text == scratch)
        return;
    emit_thought(scratch);
  }
  void refuse(od::value& value) { string_into(value, refusal_text, refusal); }

  // Tool calls.

  void tool_calls(od::value& value) {
    if (!is(value, od::json_type::array)) return;
    od::array array;
    check(value.get_array().get(array));
    for (auto item : array) {
      od::value element;
      check(item.get(element));
      if (is(element, od::json_type::object)) fragment(element);
    }
  }

  void fragment(od::value& element) {
    od::object object;
    check(element.get_object().get(object));
    std::int64_t wire_index = -1;
    fragment_id.clear();
    fragment_name.clear();
    // The call that the arguments belong to is known only when all members have been seen.
    std::string_view raw_arguments;
    bool is_text = false;
    each(object, [&](std::string_view key, od::value& member) {
      if (key == "index") {
        std::int64_t number = 0;
        if (is(member, od::json_type::number) && member.get_int64().get(number) == simdjson::SUCCESS &&
            number >= 0)
          wire_index = number;
      } else if (key == "id") {
        plain_string(member, fragment_id);
      } else if (key == "function") {
        if (!is(member, od::json_type::object)) return;
        od::object function;
        check(member.get_object().get(function));
        each(function, [&](std::string_view inner, od::value& part) {
          if (inner == "name")
            plain_string(part, fragment_name);
          else if (inner == "arguments") {
            is_text = is(part, od::json_type::string);
            if (is_text || is(part, od::json_type::object)) raw_arguments = raw_of(part);
          }
        });
      }
    });
    const std::size_t index = call_of(wire_index);
    Call& call = calls[index];
    ToolCallDelta& out = fragments.next(ready);
    out.index = static_cast<std::uint32_t>(index);
    out.id.clear();
    out.name.assign(fragment_name);
    out.arguments.clear();
    if (call.id.empty()) {
      call.id = fragment_id.empty() || id_taken(fragment_id) ? "call_" + new_ulid() : fragment_id;
      out.id.assign(call.id);
    }
    if (is_text) {
      if (!call.arguments.append(raw_arguments, out.arguments))
        broken("is not valid JSON: a string has a bad escape");
    } else {
      out.arguments.assign(raw_arguments);
    }
    call.has_arguments = call.has_arguments || !out.arguments.empty();
    if (out.id.empty() && out.name.empty() && out.arguments.empty()) ready.pop_back();
  }

  void plain_string(od::value& value, std::string& out) {
    if (!is(value, od::json_type::string)) return;
    std::string_view text;
    check(value.get_string().get(text));
    out = text;
  }

  bool id_taken(std::string_view id) const {
    for (const Call& call : calls)
      if (call.id == id) return true;
    return false;
  }

  /// Whose fragment this is. Servers differ: an index for each call (OpenAI); the same index for all calls,
  /// told apart by their ids; no index, a new id or name beginning a new call.
  std::size_t call_of(std::int64_t wire_index) {
    std::size_t found = calls.size();
    if (wire_index >= 0) {
      for (std::size_t i = calls.size(); i-- > 0 && found == calls.size();)
        if (calls[i].wire_index == wire_index) found = i;
      if (found < calls.size() && !fragment_id.empty() && calls[found].id != fragment_id &&
          !fragment_name.empty())
        found = calls.size();
    } else if (!fragment_id.empty()) {
      for (std::size_t i = 0; i < calls.size(); ++i)
        if (calls[i].id == fragment_id) found = i;
    } else if (fragment_name.empty() && !calls.empty()) {
      found = calls.size() - 1;
    }
    if (found < calls.size()) return found;
    if (calls.size() == 4096) broken("begins more than 4096 tool calls");
    calls.push_back(Call{.wire_index = wire_index});
    return found;
  }

  // Usage.

  std::int64_t count(od::value& value) {
    std::int64_t number = 0;
    return is(value, od::json_type::number) && value.get_int64().get(number) == simdjson::SUCCESS &&
                   number > 0
               ? number
               : 0;
  }

  void groq(od::value& value) {
    if (!is(value, od::json_type::object)) return;
    od::object object;
    check(value.get_object().get(object));
    each(object, [&](std::string_view key, od::value& member) {
      if (key == "usage") read_usage(member);
    });
  }

  void read_usage(od::value& value) {
    if (!is(value, od::json_type::object)) return;
    od::object object;
    check(value.get_object().get(object));
    std::int64_t prompt = 0, completion = 0, total = 0, cached = 0, thinking = 0;
    each(object, [&](std::string_view key, od::value& member) {
      if (key == "prompt_tokens")
        prompt = count(member);
      else if (key == "completion_tokens")
        completion = count(member);
      else if (key == "total_tokens")
        total = count(member);
      else if (key == "prompt_cache_hit_tokens" && cached == 0)
        cached = count(member);  // DeepSeek
      else if (key == "prompt_tokens_details" || key == "completion_tokens_details") {
        if (!is(member, od::json_type::object)) return;
        od::object details;
        check(member.get_object().get(details));
        each(details, [&](std::string_view inner, od::value& number) {
          if (inner == "cached_tokens")
            cached = count(number);
          else if (inner == "reasoning_tokens")
            thinking = count(number);
        });
      }
    });
    if (prompt == 0 && completion == 0 && total == 0) return;
    // xAI counts reasoning beside completion_tokens, everybody else within; the total tells.
    if (thinking > 0 && total == prompt + completion + thinking) completion += thinking;
    usage = Usage{};
    usage.cache_read = std::min(cached, prompt);
    usage.input = prompt - usage.cache_read;
    usage.reasoning = std::min(thinking, completion);
    usage.output = completion - usage.reasoning;
  }

  // The end.

  void finish(bool done_mark) {
    if (!finished) {
      if (!done_mark) broken("was cut: it ended without finish_reason and without [DONE]");
      if (!calls.empty()) broken("was cut: it ended within a tool call, without finish_reason");
      if (!any_delta) broken("was empty");
    }
    // Half a surrogate pair that nothing followed.
    scratch.clear();
    content.end(scratch);
    emit_text(scratch);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      scratch.clear();
      calls[i].arguments.end(scratch);
      // A call without arguments has the empty object: everybody after us parses them.
      if (scratch.empty() && !calls[i].has_arguments) scratch = "{}";
      if (scratch.empty()) continue;
      ToolCallDelta& out = fragments.next(ready);
      out = ToolCallDelta{static_cast<std::uint32_t>(i), {}, {}, scratch};
    }
    refusal_text.end(refusal);

    StopReason reason = finished ? stop_reason(finish_word) : StopReason::unknown;
    if (!calls.empty() && (reason == StopReason::end || reason == StopReason::unknown))
      reason = StopReason::tool_calls;
    if (calls.empty() && reason == StopReason::tool_calls) reason = StopReason::end;
    if (!refusal.empty() && reason == StopReason::end) reason = StopReason::refusal;
    end = ResponseEnd{reason, usage, std::move(model), std::move(response_id), std::move(refusal)};
    ready.push_back(&end);
    ended = true;
  }
};

ChatStreamParser::ChatStreamParser(const ErrorMapper& errors) : impl_(std::make_unique<Impl>(errors)) {}
ChatStreamParser::~ChatStreamParser() = default;

std::span<ChatChunk* const> ChatStreamParser::event(std::string_view type, std::string_view data) {
  Impl& self = *impl_;
  self.start_event();
  if (self.ended) return {};
  const std::size_t first = data.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  if (data[first] == '[' && data.substr(first, 6) == "[DONE]") {
    self.finish(true);
  } else if (type == "error") {
    const auto json = attempt([&] {
      return Json::parse(data, {.max_depth = 32, .duplicate_keys = Json::DuplicateKeys::last_wins});
    });
    throw self.errors.from_stream(json.ok() ? *json : Json(data));
  } else {
    self.document(data);
  }
  return self.ready;
}

std::span<ChatChunk* const> ChatStreamParser::finish() {
  impl_->start_event();
  if (impl_->ended) return {};
  impl_->finish(false);
  return impl_->ready;
}

bool ChatStreamParser::done() const noexcept {
  return impl_->ended;
}

}  // namespace beluga::llm::openai
