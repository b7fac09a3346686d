#include "beluga/agent/internal/content.hpp"

#include <string>

namespace beluga::detail {
namespace {

Json media_json(std::string_view modality, const Media& media) {
  if (!media.url.empty())
    return Json::object(
        {{"type", "uri"}, {"modality", modality}, {"mime_type", media.mime_type}, {"uri", media.url}});
  return Json::object({{"type", "blob"},
                       {"modality", modality},
                       {"mime_type", media.mime_type},
                       {"size", media.data ? media.data->size() : 0}});
}

Json part_json(const Part& part) {
  if (const auto* text = std::get_if<Text>(&part))
    return Json::object({{"type", "text"}, {"content", text->text}});
  if (const auto* image = std::get_if<Image>(&part)) return media_json("image", image->data);
  if (const auto* audio = std::get_if<Audio>(&part)) return media_json("audio", audio->data);
  if (const auto* file = std::get_if<File>(&part)) return media_json("file", file->data);
  if (const auto* thought = std::get_if<Reasoning>(&part))
    return Json::object({{"type", "reasoning"}, {"content", thought->text}});
  if (const auto* call = std::get_if<ToolCall>(&part))
    return Json::object(
        {{"type", "tool_call"}, {"id", call->id}, {"name", call->name}, {"arguments", call->arguments}});
  const auto& result = std::get<ToolResult>(part);
  return Json::object({{"type", "tool_call_response"}, {"id", result.call_id}, {"response", result.content}});
}

}  // namespace

Json content_json(std::span<const Message> messages) {
  Json out = Json::array();
  for (const Message& message : messages) {
    Json parts = Json::array();
    for (const Part& part : message.parts) parts.push_back(part_json(part));
    out.push_back(Json::object({{"role", to_string(message.role)}, {"parts", std::move(parts)}}));
  }
  return out;
}

std::string_view finish_reason(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::end:
    case StopReason::stop_sequence:
      return "stop";
    case StopReason::tool_calls:
      return "tool_call";
    case StopReason::max_tokens:
      return "length";
    case StopReason::content_filter:
    case StopReason::refusal:
      return "content_filter";
    case StopReason::unknown:
      return "error";
  }
  return "error";
}

}  // namespace beluga::detail
