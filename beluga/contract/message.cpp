#include "beluga/contract/message.hpp"

namespace beluga {

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::tool:
      return "tool";
  }
  return "unknown";
}

Media Media::bytes(std::string mime_type, std::string data) {
  return Media{std::move(mime_type), std::make_shared<const std::string>(std::move(data)), {}};
}

Media Media::link(std::string url, std::string mime_type) {
  return Media{std::move(mime_type), nullptr, std::move(url)};
}

namespace {

Message of_one_part(Role role, Part part) {
  Message message{.role = role};
  message.parts.push_back(std::move(part));
  return message;
}

}  // namespace

Message Message::system(std::string text) {
  return of_one_part(Role::system, Text{std::move(text)});
}
Message Message::user(std::string text) {
  return of_one_part(Role::user, Text{std::move(text)});
}
Message Message::assistant(std::string text) {
  return of_one_part(Role::assistant, Text{std::move(text)});
}
Message Message::tool(ToolResult result) {
  return of_one_part(Role::tool, std::move(result));
}

std::string Message::text() const {
  std::string all;
  for (const Part& part : parts)
    if (const auto* text = std::get_if<Text>(&part)) all += text->text;
  return all;
}

std::vector<const ToolCall*> Message::tool_calls() const {
  std::vector<const ToolCall*> calls;
  for (const Part& part : parts)
    if (const auto* call = std::get_if<ToolCall>(&part)) calls.push_back(call);
  return calls;
}

Usage& Usage::operator+=(const Usage& other) noexcept {
  input += other.input;
  cache_read += other.cache_read;
  cache_write += other.cache_write;
  output += other.output;
  reasoning += other.reasoning;
  return *this;
}

}  // namespace beluga
