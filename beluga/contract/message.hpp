#pragma once
/// Messages: what a conversation is made of, in one normal form for all providers.
///
///     Message question = Message::user("What is in this picture?");
///     question.parts.push_back(Image{.data = Media::bytes("image/png", png)});

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "beluga/base/json.hpp"

namespace beluga {

enum class Role : std::uint8_t { system, user, assistant, tool };
std::string_view to_string(Role role) noexcept;

/// Binary content: bytes (shared, never copied) with their MIME type, or a URL that the provider fetches.
struct Media {
  std::string mime_type{};
  std::shared_ptr<const std::string> data{};  ///< raw bytes; null when `url` is set
  std::string url{};
  static Media bytes(std::string mime_type, std::string data);
  static Media link(std::string url, std::string mime_type = "");
};

struct Text {
  std::string text{};
};
struct Image {
  Media data{};
  std::string detail{};  ///< provider hint: "", "low", "high", "auto"
};
struct Audio {
  Media data{};
};
struct File {
  Media data{};
  std::string name{};
};
/// What a model thought aloud. `signature` is opaque and means something to `provider` only: it is replayed
/// to that provider unchanged and dropped for every other.
struct Reasoning {
  std::string text{};
  std::string provider{};
  std::string signature{};
  bool redacted = false;  ///< the provider hides the text; only the signature counts
};
/// A model's request to run a tool. `arguments` is the JSON text as the model wrote it: byte-stable, maybe
/// invalid.
struct ToolCall {
  std::string id{};
  std::string name{};
  std::string arguments{};
};
/// The answer to the call `call_id`.
struct ToolResult {
  std::string call_id{};
  std::string name{};
  std::string content{};  ///< what the model reads
  std::vector<std::variant<Image, File>> attachments{};
  bool is_error = false;
};

using Part = std::variant<Text, Image, Audio, File, Reasoning, ToolCall, ToolResult>;

struct Message {
  Role role = Role::user;
  std::vector<Part> parts{};

  static Message system(std::string text);
  static Message user(std::string text);
  static Message assistant(std::string text);
  static Message tool(ToolResult result);

  /// All Text parts, one after the other.
  std::string text() const;
  std::vector<const ToolCall*> tool_calls() const;
  template <class P>
  const P* find() const noexcept {
    for (const Part& part : parts)
      if (const P* p = std::get_if<P>(&part)) return p;
    return nullptr;
  }
};

/// Token counts in one normal form. The five add up: nothing is counted twice.
struct Usage {
  std::int64_t input = 0;        ///< uncached prompt tokens
  std::int64_t cache_read = 0;   ///< prompt tokens served from the provider's cache
  std::int64_t cache_write = 0;  ///< prompt tokens written to it
  std::int64_t output = 0;       ///< visible output, reasoning excluded
  std::int64_t reasoning = 0;

  std::int64_t total() const noexcept { return input + cache_read + cache_write + output + reasoning; }
  Usage& operator+=(const Usage& other) noexcept;
  friend bool operator==(const Usage&, const Usage&) = default;
};

/// Lossless JSON form for storage (not a provider's wire format): {"role": ..., "parts": [{"type": "text",
/// ...}]}. Text is UTF-8 (invalid bytes become U+FFFD), media bytes are base64, empty optional members are
/// left out. from_json ignores members it does not know and throws Error{invalid_argument} naming the path.
Json to_json(const Message& message);
Message message_from_json(const Json& json);
Json to_json(const Usage& usage);
Usage usage_from_json(const Json& json);

}  // namespace beluga
