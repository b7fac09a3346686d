// The storage form of messages. Written and read here only, so that the two directions cannot drift apart
// unseen.
#include <array>

#include "beluga/base/base64.hpp"
#include "beluga/base/error.hpp"
#include "beluga/contract/internal/part_json.hpp"
#include "beluga/contract/message.hpp"

namespace beluga {
namespace {

constexpr std::array kRoles{Role::system, Role::user, Role::assistant, Role::tool};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Json typed(std::string_view type) {
  return Json::object({{"type", type}});
}

void put_if(Json& json, std::string_view key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

void put_media(Json& json, const Media& media) {
  put_if(json, "mime_type", media.mime_type);
  if (media.data) json["data"] = base64_encode(*media.data);
  put_if(json, "url", media.url);
}

Json image_json(const Image& image) {
  Json json = typed("image");
  put_media(json, image.data);
  put_if(json, "detail", image.detail);
  return json;
}

Json file_json(const File& file) {
  Json json = typed("file");
  put_media(json, file.data);
  put_if(json, "name", file.name);
  return json;
}

Json part_json(const Part& part) {
  return std::visit(Overloaded{
                        [](const Text& text) {
                          Json json = typed("text");
                          json["text"] = text.text;
                          return json;
                        },
                        [](const Image& image) { return image_json(image); },
                        [](const Audio& audio) {
                          Json json = typed("audio");
                          put_media(json, audio.data);
                          return json;
                        },
                        [](const File& file) { return file_json(file); },
                        [](const Reasoning& reasoning) {
                          Json json = typed("reasoning");
                          json["text"] = reasoning.text;
                          put_if(json, "provider", reasoning.provider);
                          put_if(json, "signature", reasoning.signature);
                          if (reasoning.redacted) json["redacted"] = true;
                          return json;
                        },
                        [](const ToolCall& call) {
                          Json json = typed("tool_call");
                          detail::put_tool_call(json, call);
                          return json;
                        },
                        [](const ToolResult& result) {
                          Json json = typed("tool_result");
                          detail::put_tool_result(json, result);
                          return json;
                        },
                    },
                    part);
}

// Reading. `path` names the place in errors: "parts[2].attachments[0]".

[[noreturn]] void fail(const std::string& path, std::string_view what) {
  throw Error(ErrorCode::invalid_argument, "stored message: " + path + ": " + std::string(what));
}

const Json& member(const Json& json, std::string_view key, const std::string& path) {
  if (!json.is_object()) fail(path, "expected an object, found " + std::string(to_string(json.kind())));
  const Json* found = json.find(key);
  if (found == nullptr) fail(path, "missing member '" + std::string(key) + "'");
  return *found;
}

std::string required_text(const Json& json, std::string_view key, const std::string& path) {
  const Json& found = member(json, key, path);
  if (!found.is_string())
    fail(path + "." + std::string(key), "expected a string, found " + std::string(to_string(found.kind())));
  return found.as_string();
}

std::string optional_text(const Json& json, std::string_view key, const std::string& path) {
  return json.contains(key) ? required_text(json, key, path) : std::string();
}

bool optional_flag(const Json& json, std::string_view key, const std::string& path) {
  const Json* found = json.find(key);
  if (found == nullptr) return false;
  if (!found->is_bool())
    fail(path + "." + std::string(key), "expected a boolean, found " + std::string(to_string(found->kind())));
  return found->as_bool();
}

Media read_media(const Json& json, const std::string& path) {
  Media media{optional_text(json, "mime_type", path), nullptr, optional_text(json, "url", path)};
  if (json.contains("data")) {
    const std::string text = required_text(json, "data", path);
    try {
      media.data = std::make_shared<const std::string>(base64_decode(text));
    } catch (const Error& error) {
      fail(path + ".data", error.message());
    }
  }
  return media;
}

Image read_image(const Json& json, const std::string& path) {
  return Image{read_media(json, path), optional_text(json, "detail", path)};
}

File read_file(const Json& json, const std::string& path) {
  return File{read_media(json, path), optional_text(json, "name", path)};
}

ToolResult read_tool_result(const Json& json, const std::string& path) {
  ToolResult result{.call_id = required_text(json, "call_id", path),
                    .name = required_text(json, "name", path),
                    .content = required_text(json, "content", path),
                    .is_error = optional_flag(json, "is_error", path)};
  if (const Json* attachments = json.find("attachments")) {
    const std::string list = path + ".attachments";
    if (!attachments->is_array())
      fail(list, "expected an array, found " + std::string(to_string(attachments->kind())));
    for (std::size_t i = 0; i < attachments->size(); ++i) {
      const std::string place = list + "[" + std::to_string(i) + "]";
      const Json& item = attachments->items()[i];
      const std::string type = required_text(item, "type", place);
      if (type == "image")
        result.attachments.emplace_back(read_image(item, place));
      else if (type == "file")
        result.attachments.emplace_back(read_file(item, place));
      else
        fail(place, "unknown attachment type '" + type + "'; known: image, file");
    }
  }
  return result;
}

Part read_part(const Json& json, const std::string& path) {
  const std::string type = required_text(json, "type", path);
  if (type == "text") return Text{required_text(json, "text", path)};
  if (type == "image") return read_image(json, path);
  if (type == "audio") return Audio{read_media(json, path)};
  if (type == "file") return read_file(json, path);
  if (type == "reasoning")
    return Reasoning{required_text(json, "text", path), optional_text(json, "provider", path),
                     optional_text(json, "signature", path), optional_flag(json, "redacted", path)};
  if (type == "tool_call")
    return ToolCall{required_text(json, "id", path), required_text(json, "name", path),
                    required_text(json, "arguments", path)};
  if (type == "tool_result") return read_tool_result(json, path);
  fail(path, "unknown part type '" + type +
                 "'; known: text, image, audio, file, reasoning, tool_call, tool_result (was it written by a "
                 "newer version?)");
}

std::int64_t count(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  if (found == nullptr) return 0;
  if (!found->is_integer())
    throw Error(ErrorCode::invalid_argument, "stored usage: " + std::string(key) + ": expected an integer");
  return found->as_int();
}

}  // namespace

namespace detail {

void put_tool_call(Json& json, const ToolCall& call) {
  json["id"] = call.id;
  json["name"] = call.name;
  json["arguments"] = call.arguments;
}

void put_tool_result(Json& json, const ToolResult& result) {
  json["call_id"] = result.call_id;
  json["name"] = result.name;
  json["content"] = result.content;
  if (!result.attachments.empty()) {
    Json list = Json::array();
    for (const auto& attachment : result.attachments)
      list.push_back(std::visit(Overloaded{[](const Image& image) { return image_json(image); },
                                           [](const File& file) { return file_json(file); }},
                                attachment));
    json["attachments"] = std::move(list);
  }
  if (result.is_error) json["is_error"] = true;
}

}  // namespace detail

Json to_json(const Message& message) {
  Json parts = Json::array();
  for (const Part& part : message.parts) parts.push_back(part_json(part));
  Json json = Json::object({{"role", to_string(message.role)}});
  json["parts"] = std::move(parts);
  return json;
}

Message message_from_json(const Json& json) {
  Message message;
  const std::string role = required_text(json, "role", "message");
  bool known = false;
  for (const Role candidate : kRoles) {
    if (to_string(candidate) != role) continue;
    message.role = candidate;
    known = true;
  }
  if (!known) fail("role", "unknown role '" + role + "'; known: system, user, assistant, tool");
  const Json& parts = member(json, "parts", "message");
  if (!parts.is_array()) fail("parts", "expected an array, found " + std::string(to_string(parts.kind())));
  message.parts.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    message.parts.push_back(read_part(parts.items()[i], "parts[" + std::to_string(i) + "]"));
  return message;
}

Json to_json(const Usage& usage) {
  return Json::object({{"input", usage.input},
                       {"cache_read", usage.cache_read},
                       {"cache_write", usage.cache_write},
                       {"output", usage.output},
                       {"reasoning", usage.reasoning}});
}

Usage usage_from_json(const Json& json) {
  if (!json.is_object())
    throw Error(ErrorCode::invalid_argument,
                "stored usage: expected an object, found " + std::string(to_string(json.kind())));
  return Usage{count(json, "input"), count(json, "cache_read"), count(json, "cache_write"),
               count(json, "output"), count(json, "reasoning")};
}

}  // namespace beluga
