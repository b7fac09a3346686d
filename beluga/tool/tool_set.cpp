#include "beluga/tool/tool_set.hpp"

#include <map>
#include <utility>

#include "beluga/base/did_you_mean.hpp"
#include "beluga/base/error.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/result.hpp"
#include "beluga/base/schema.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/tool/internal/tool_name.hpp"

namespace beluga {
namespace {

struct Entry {
  ToolPtr tool;
  Schema schema;
};

/// {"error":{"code":...,"message":...,"path":...}}; what a model reads about a failed call.
ToolOutput error_output(ErrorCode code, std::string_view message, std::string_view path = {}) {
  Json error = Json::object({{"code", to_string(code)}, {"message", redact(message)}});
  if (!path.empty()) error["path"] = redact(path);
  return {.content = Json::object({{"error", std::move(error)}}).dump(), .is_error = true};
}

/// What models write for "no arguments" is taken as such, and an object that was quoted once too often is
/// unpacked.
Json parse_arguments(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return Json::object();
  Json json = Json::parse(text);
  if (json.is_null()) return Json::object();
  if (json.is_string()) {
    const auto inner = attempt([&] { return Json::parse(json.as_string()); });
    if (inner.ok() && inner->is_object()) return *inner;
  }
  return json;
}

/// Cuts at a UTF-8 boundary and says so.
void cut_output(std::string& content, std::size_t max) {
  if (max == 0 || content.size() <= max) return;
  const std::size_t full = content.size();
  std::size_t cut = max;
  while (cut > 0 && (static_cast<unsigned char>(content[cut]) & 0xC0U) == 0x80U) --cut;
  content.resize(cut);
  content += "\n[cut: these are the first " + std::to_string(cut) + " of " + std::to_string(full) +
             " bytes; ask for less to see the rest]";
}

std::string seconds(Duration duration) {
  std::string text = std::to_string(std::chrono::duration<double>(duration).count());
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

struct ToolSet::State {
  ToolSetOptions options;
  std::vector<ToolPtr> tools;
  std::map<std::string, Entry, std::less<>> by_name;

  ToolOutput run(const ToolCall& call, const ToolCallInfo& info) const;
  ToolOutput unknown(const ToolCall& call) const;
  ToolOutput execute(const ToolPtr& tool, Json arguments, const ToolCallInfo& info) const;
};

ToolSet::ToolSet(ToolSetOptions options) : state_(std::make_shared<State>()) {
  state_->options = options;
}

ToolSet::ToolSet(const std::vector<ToolPtr>& tools, ToolSetOptions options) : ToolSet(options) {
  for (const ToolPtr& tool : tools) add(tool);
}

void ToolSet::add(ToolPtr tool) {
  if (!tool) raise(Error(ErrorCode::invalid_argument, "a null tool was added to a ToolSet"));
  const ToolSchema& schema = tool->schema();
  detail::check_tool_name(schema.name);
  if (state_->by_name.contains(schema.name))
    raise(Error(ErrorCode::already_exists, "two tools are called '" + schema.name + "'; rename one"));
  const auto compiled = attempt([&] { return Schema(schema.parameters); });
  if (!compiled.ok()) raise(compiled.error().with_context("tool '" + schema.name + "'"));
  state_->by_name.emplace(schema.name, Entry{tool, *compiled});
  state_->tools.push_back(std::move(tool));
}

std::size_t ToolSet::size() const noexcept {
  return state_->tools.size();
}

const Tool* ToolSet::find(std::string_view name) const noexcept {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : found->second.tool.get();
}

std::vector<ToolSchema> ToolSet::schemas() const {
  std::vector<ToolSchema> out;
  for (const ToolPtr& tool : state_->tools) out.push_back(tool->schema());
  return out;
}

const std::vector<ToolPtr>& ToolSet::tools() const noexcept {
  return state_->tools;
}

ToolResult ToolSet::call(const ToolCall& call, const ToolCallInfo& info) const {
  ToolOutput output = run(call, info);
  return {.call_id = call.id,
          .name = call.name,
          .content = std::move(output.content),
          .attachments = std::move(output.attachments),
          .is_error = output.is_error};
}

ToolOutput ToolSet::run(const ToolCall& call, const ToolCallInfo& info) const {
  ToolOutput output = state_->run(call, info);
  cut_output(output.content, state_->options.max_output);
  return output;
}

ToolOutput ToolSet::State::unknown(const ToolCall& call) const {
  std::vector<std::string_view> names;
  for (const auto& [name, entry] : by_name) names.push_back(name);
  return error_output(ErrorCode::not_found,
                      "there is no tool '" + call.name.substr(0, 100) + "'" + did_you_mean(call.name, names));
}

ToolOutput ToolSet::State::run(const ToolCall& call, const ToolCallInfo& info) const {
  const auto found = by_name.find(call.name);
  if (found == by_name.end()) return unknown(call);
  const Entry& entry = found->second;

  auto arguments = attempt([&] { return parse_arguments(call.arguments); });
  if (!arguments.ok())
    return error_output(ErrorCode::invalid_argument,
                        "the arguments are not valid JSON: " + arguments.error().message());
  const auto violations = attempt([&] { return entry.schema.validate(*arguments); });
  if (!violations.ok()) return error_output(violations.error().code(), violations.error().message());
  if (!violations->empty()) {
    constexpr std::size_t kShown = 5;
    std::string message;
    for (std::size_t i = 0; i < violations->size() && i < kShown; ++i)
      message += (i > 0 ? "; " : "") + (*violations)[i].text();
    if (violations->size() > kShown) message += "; and more";
    return error_output(ErrorCode::invalid_argument, message, violations->front().instance_path);
  }
  return execute(entry.tool, *std::move(arguments), info);
}

ToolOutput ToolSet::State::execute(const ToolPtr& tool, Json arguments, const ToolCallInfo& info) const {
  const Context run = Context::current();
  run.check();  // a run that is over starts no further tool
  const ToolTraits& traits = tool->traits();
  const auto outcome = attempt([&] {
    const ContextScope scope(traits.timeout > Duration::zero() ? run.with_timeout(traits.timeout) : run);
    if (traits.inline_call) return tool->call(arguments, info);
    // The call may be left behind when it ignores its cancellation: it owns all it touches.
    return blocking({.name = tool->schema().name, .mode = Blocking::may_be_abandoned},
                    [tool, arguments = std::move(arguments), info] { return tool->call(arguments, info); });
  });
  if (outcome.ok()) return *outcome;
  run.check();  // not the tool's failure but the end of the run
  const Error& error = outcome.error();
  // Only the tool's own deadline is left now; without one, the tool met one of its own making.
  if (error.code() == ErrorCode::deadline_exceeded && traits.timeout > Duration::zero())
    return error_output(error.code(), "the tool '" + tool->schema().name + "' did not finish within " +
                                          seconds(traits.timeout) + " s");
  return error_output(error.code(), error.message());
}

}  // namespace beluga
