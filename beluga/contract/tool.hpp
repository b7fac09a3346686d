#pragma once
/// `Tool`: something a model can call. Most are made from a plain callable by `tool::make`
/// (beluga/tool/typed.hpp); this is the interface beneath.

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "beluga/base/json.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/message.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

struct ToolTraits {
  /// Runs on the calling fiber instead of the pool: for short code that never blocks a thread.
  bool inline_call = false;
  bool read_only = false;                      ///< no effect on the world
  bool idempotent = false;                     ///< may be repeated with the same arguments
  bool exclusive = false;                      ///< never beside another call of the same run
  Duration timeout = std::chrono::minutes(5);  ///< total; zero: none
};

/// What a call gets besides its arguments.
struct ToolCallInfo {
  std::string run_id{};
  std::string call_id{};
  std::string idempotency_key{};  ///< the same whenever this very call is repeated after a crash
};

struct ToolOutput {
  std::string content{};  ///< what the model reads
  std::vector<std::variant<Image, File>> attachments{};
  bool is_error = false;
  /// Where the content comes from, for citations: "docs/fiber.md:12".
  std::vector<std::string> sources{};
};

/// Thread-safety: call() may run several times at once, on fibers and pool threads, unless
/// traits().exclusive.
class Tool {
 public:
  virtual ~Tool() = default;
  virtual const ToolSchema& schema() const noexcept = 0;
  virtual const ToolTraits& traits() const noexcept = 0;
  /// `arguments` have been validated against the schema. What it throws becomes an error result for the
  /// model, except Error{cancelled} of the run itself. Deadline and cancellation: Context::current().
  virtual ToolOutput call(const Json& arguments, const ToolCallInfo& info) const = 0;
};

using ToolPtr = std::shared_ptr<const Tool>;

}  // namespace beluga
