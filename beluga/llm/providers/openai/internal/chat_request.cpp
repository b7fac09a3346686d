#include "beluga/llm/providers/openai/internal/chat_request.hpp"

#include <vector>

#include "beluga/base/base64.hpp"
#include "beluga/llm/internal/check_request.hpp"

namespace beluga::llm::openai {
namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorCode::invalid_argument, "openai chat request: " + message);
}

/// Writes JSON members in order, straight into one string: bodies may hold megabytes of base64.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void open(char bracket) {
    comma();
    out_ += bracket;
    fresh_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    fresh_ = false;
  }
  void key(std::string_view name) {
    comma();
    append_json_string(out_, name);
    out_ += ':';
    fresh_ = true;
  }
  void text(std::string_view value) {
    comma();
    append_json_string(out_, value);
  }
  void raw(std::string_view json) {
    comma();
    out_ += json;
  }
  void json(const Json& value) {
    comma();
    value.dump_to(out_);
  }
  void member(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void json_member(std::string_view name, const Json& value) {
    key(name);
    json(value);
  }
  /// "data:image/png;base64,...": nothing in it needs an escape but the MIME type.
  void data_url(const Media& media) {
    comma();
    append_json_string(out_, "data:" + media.mime_type + ";base64,");
    out_.pop_back();
    append_base64(out_, *media.data);
    out_ += '"';
  }
  void base64(std::string_view bytes) {
    comma();
    out_ += '"';
    append_base64(out_, bytes);
    out_ += '"';
  }

 private:
  void comma() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }
  std::string& out_;
  bool fresh_ = true;
};

class Body {
 public:
  Body(const ChatRequest& request, const Compat& compat, std::string& out)
      : request_(request), compat_(compat), out_(out) {}

  void write(std::string_view model) {
    out_.open('{');
    member("model", [&] { out_.text(model); });
    member("messages", [&] { messages(); });
    if (!request_.tools.empty()) tools();
    if (request_.output) member("response_format", [&] { response_format(*request_.output); });
    if (request_.temperature) member("temperature", [&] { out_.json(Json(*request_.temperature)); });
    if (request_.top_p) member("top_p", [&] { out_.json(Json(*request_.top_p)); });
    if (request_.max_output_tokens)
      member(compat_.max_tokens == Compat::MaxTokens::max_tokens ? "max_tokens" : "max_completion_tokens",
             [&] { out_.json(Json(*request_.max_output_tokens)); });
    if (!request_.stop.empty())
      member("stop", [&] {
        out_.open('[');
        for (const std::string& stop : request_.stop) out_.text(stop);
        out_.close(']');
      });
    if (request_.seed) member("seed", [&] { out_.json(Json(*request_.seed)); });
    if (!request_.reasoning_effort.empty())
      member("reasoning_effort", [&] { out_.text(request_.reasoning_effort); });
    member("stream", [&] { out_.raw("true"); });
    if (compat_.stream_usage) member("stream_options", [&] { out_.raw(R"({"include_usage":true})"); });
    for (const Json::Member& extra : request_.extra.members()) {
      if (extra.key == "stream" || extra.key == "messages" || extra.key == "n")
        fail("extra: '" + extra.key + "' cannot be set: it belongs to the request itself");
      out_.json_member(extra.key, extra.value);
    }
    out_.close('}');
  }

 private:
  /// A member of the body, unless `extra` brings its own.
  template <class F>
  void member(std::string_view name, F write_value) {
    if (request_.extra.contains(name) && name != "messages" && name != "stream") return;
    out_.key(name);
    write_value();
  }

  void messages() {
    out_.open('[');
    for (std::size_t i = 0; i < request_.messages.size(); ++i) {
      const Message& message = request_.messages[i];
      at_ = "messages[" + std::to_string(i) + "]";
      if (message.role != Role::tool) attachments();
      switch (message.role) {
        case Role::system:
          system(message);
          break;
        case Role::user:
          user(message);
          break;
        case Role::assistant:
          assistant(message);
          break;
        case Role::tool:
          results(message);
          break;
      }
    }
    attachments();
    out_.close(']');
  }

  void system(const Message& message) {
    out_.open('{');
    out_.member("role", compat_.developer_role ? "developer" : "system");
    out_.member("content", message.text());
    out_.close('}');
  }

  void user(const Message& message) {
    out_.open('{');
    out_.member("role", "user");
    out_.key("content");
    if (message.parts.size() == 1 && std::holds_alternative<Text>(message.parts[0])) {
      out_.text(std::get<Text>(message.parts[0]).text);
    } else if (message.parts.empty()) {
      out_.text("");
    } else {
      out_.open('[');
      for (const Part& part : message.parts) content(part);
      out_.close(']');
    }
    out_.close('}');
  }

  void content(const Part& part) {
    if (const auto* text = std::get_if<Text>(&part))
      content_text(text->text);
    else if (const auto* image = std::get_if<Image>(&part))
      content_image(*image);
    else if (const auto* audio = std::get_if<Audio>(&part))
      content_audio(*audio);
    else if (const auto* file = std::get_if<File>(&part))
      content_file(*file);
  }
  void content_text(std::string_view text) {
    out_.open('{');
    out_.member("type", "text");
    out_.member("text", text);
    out_.close('}');
  }
  void content_image(const Image& image) {
    out_.open('{');
    out_.member("type", "image_url");
    out_.key("image_url");
    out_.open('{');
    out_.key("url");
    if (image.data.data)
      out_.data_url(image.data);
    else
      out_.text(image.data.url);
    if (!image.detail.empty()) out_.member("detail", image.detail);
    out_.close('}');
    out_.close('}');
  }
  void content_audio(const Audio& audio) {
    if (!audio.data.data) fail(at_ + ": audio by URL is not offered by Chat Completions; pass the bytes");
    std::string_view format = audio.data.mime_type;
    if (format == "audio/wav" || format == "audio/x-wav" || format == "audio/wave")
      format = "wav";
    else if (format == "audio/mpeg" || format == "audio/mp3")
      format = "mp3";
    else
      fail(at_ + ": audio of type '" + audio.data.mime_type +
           "' is not offered by Chat Completions; use audio/wav or audio/mpeg");
    out_.open('{');
    out_.member("type", "input_audio");
    out_.key("input_audio");
    out_.open('{');
    out_.key("data");
    out_.base64(*audio.data.data);
    out_.member("format", format);
    out_.close('}');
    out_.close('}');
  }
  void content_file(const File& file) {
    if (!file.data.data) fail(at_ + ": a file by URL is not offered by Chat Completions; pass the bytes");
    out_.open('{');
    out_.member("type", "file");
    out_.key("file");
    out_.open('{');
    out_.member("filename", file.name.empty() ? std::string_view("file") : std::string_view(file.name));
    out_.key("file_data");
    out_.data_url(file.data);
    out_.close('}');
    out_.close('}');
  }

  void assistant(const Message& message) {
    bool has_text = false;
    bool has_calls = false;
    std::string thoughts;
    for (const Part& part : message.parts) {
      has_text = has_text || std::holds_alternative<Text>(part);
      has_calls = has_calls || std::holds_alternative<ToolCall>(part);
      if (const auto* thought = std::get_if<Reasoning>(&part)) thoughts += thought->text;
      if (std::holds_alternative<Image>(part) || std::holds_alternative<Audio>(part) ||
          std::holds_alternative<File>(part))
        fail(at_ + ": Chat Completions takes no media in an assistant message");
    }
    out_.open('{');
    out_.member("role", "assistant");
    out_.key("content");
    if (has_text || !has_calls)
      out_.text(message.text());
    else
      out_.raw("null");
    if (compat_.replay_reasoning && !thoughts.empty()) out_.member("reasoning_content", thoughts);
    if (has_calls) {
      out_.key("tool_calls");
      out_.open('[');
      for (const ToolCall* call : message.tool_calls()) {
        out_.open('{');
        out_.member("id", call->id);
        out_.member("type", "function");
        out_.key("function");
        out_.open('{');
        out_.member("name", call->name);
        // Servers parse the arguments again; an empty text would fail there.
        out_.member("arguments",
                    call->arguments.empty() ? std::string_view("{}") : std::string_view(call->arguments));
        out_.close('}');
        out_.close('}');
      }
      out_.close(']');
    }
    out_.close('}');
  }

  void results(const Message& message) {
    for (const Part& part : message.parts) {
      const auto& result = std::get<ToolResult>(part);
      out_.open('{');
      out_.member("role", "tool");
      out_.member("tool_call_id", result.call_id);
      out_.member("content", result.content);
      out_.close('}');
      if (!result.attachments.empty()) attached_.push_back(&result);
    }
  }

  /// A tool message holds text only, so what results carry follows them in a user message.
  void attachments() {
    if (attached_.empty()) return;
    out_.open('{');
    out_.member("role", "user");
    out_.key("content");
    out_.open('[');
    for (const ToolResult* result : attached_) {
      content_text("Attached to the result of " + result->name + " (" + result->call_id + "):");
      for (const auto& attachment : result->attachments) {
        if (const auto* image = std::get_if<Image>(&attachment))
          content_image(*image);
        else
          content_file(std::get<File>(attachment));
      }
    }
    out_.close(']');
    out_.close('}');
    attached_.clear();
  }

  void tools() {
    member("tools", [&] {
      out_.open('[');
      for (const ToolSchema& tool : request_.tools) {
        out_.open('{');
        out_.member("type", "function");
        out_.key("function");
        out_.open('{');
        out_.member("name", tool.name);
        if (!tool.description.empty()) out_.member("description", tool.description);
        out_.json_member("parameters", tool.parameters);
        if (tool.strict) out_.json_member("strict", Json(true));
        out_.close('}');
        out_.close('}');
      }
      out_.close(']');
    });
    switch (request_.tool_choice.mode) {
      case ToolChoice::Mode::automatic:
        break;
      case ToolChoice::Mode::none:
        member("tool_choice", [&] { out_.text("none"); });
        break;
      case ToolChoice::Mode::required:
        member("tool_choice", [&] { out_.text("required"); });
        break;
      case ToolChoice::Mode::named:
        member("tool_choice", [&] {
          out_.json(Json::object(
              {{"type", "function"}, {"function", Json::object({{"name", request_.tool_choice.name}})}}));
        });
        break;
    }
    if (request_.parallel_tool_calls)
      member("parallel_tool_calls", [&] { out_.json(Json(*request_.parallel_tool_calls)); });
  }

  void response_format(const OutputSchema& output) {
    out_.open('{');
    out_.member("type", "json_schema");
    out_.key("json_schema");
    out_.open('{');
    out_.member("name", output.name);
    out_.json_member("schema", output.schema);
    out_.json_member("strict", Json(output.strict));
    out_.close('}');
    out_.close('}');
  }

  const ChatRequest& request_;
  const Compat& compat_;
  Writer out_;
  std::string at_;
  std::vector<const ToolResult*> attached_;
};

}  // namespace

std::string chat_request_body(const ChatRequest& request, std::string_view model, const Compat& compat) {
  check_request(request);
  std::string body;
  Body(request, compat, body).write(model);
  return body;
}

}  // namespace beluga::llm::openai
