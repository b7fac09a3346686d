#pragma once
/// `ToolSet`: tools by name, and the one way in which a model's call becomes a result.
///
///     ToolSet tools({search, calculator});
///     ToolResult result = tools.call(call, {.run_id = run, .call_id = call.id});
///
/// A call goes: find the tool, parse the arguments, validate them against its schema, run it (on the pool
/// unless it is inline) within the earlier of the context's deadline and the tool's timeout, cut what is too
/// long. Whatever goes wrong on the way becomes a result that the model can act on:
///
///   {"error":{"code":"invalid_argument","message":"/limit: 99 is above the maximum 50","path":"/limit"}}
///
/// with secrets removed. Only the cancellation or deadline of the run itself is thrown.
/// Thread-safety: fill it first; then all const members from any fiber or thread at once.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/contract/tool.hpp"

namespace beluga {

struct ToolSetOptions {
  std::size_t max_output =
      64 * 1024;  ///< bytes of content a model gets from one call; the rest is cut, and it is told so
};

class ToolSet {
 public:
  explicit ToolSet(ToolSetOptions options = {});
  explicit ToolSet(const std::vector<ToolPtr>& tools, ToolSetOptions options = {});

  /// Throws Error{invalid_argument} for a null tool, a malformed name or schema, Error{already_exists} for a
  /// name that is taken.
  void add(ToolPtr tool);

  std::size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }
  /// Null when there is none of that name.
  const Tool* find(std::string_view name) const noexcept;
  /// What a model is told, in the order of adding.
  std::vector<ToolSchema> schemas() const;
  const std::vector<ToolPtr>& tools() const noexcept;

  /// Runs one call. See above; never throws for the call's own failures.
  ToolResult call(const ToolCall& call, const ToolCallInfo& info) const;
  /// The same, with the sources that the tool named.
  ToolOutput run(const ToolCall& call, const ToolCallInfo& info) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace beluga
