#include "beluga/tool/typed.hpp"

#include "beluga/tool/internal/tool_name.hpp"

namespace beluga::tool::detail {
namespace {

class CallableTool final : public Tool {
 public:
  CallableTool(ToolSchema schema, ToolTraits traits, RawTool call)
      : schema_(std::move(schema)), traits_(traits), call_(std::move(call)) {}
  const ToolSchema& schema() const noexcept override { return schema_; }
  const ToolTraits& traits() const noexcept override { return traits_; }
  ToolOutput call(const Json& arguments, const ToolCallInfo& info) const override {
    return call_(arguments, info);
  }

 private:
  ToolSchema schema_;
  ToolTraits traits_;
  // Calling it is const: tool::make() refuses callables that are not.
  mutable RawTool call_;
};

}  // namespace

ToolPtr make_raw(ToolSchema schema, ToolTraits traits, RawTool call) {
  beluga::detail::check_tool_name(schema.name);
  return std::make_shared<const CallableTool>(std::move(schema), traits, std::move(call));
}

}  // namespace beluga::tool::detail
