#pragma once
/// The shared state behind CancelSource and CancelToken, with intrusive callbacks (no allocation per wait).

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "beluga/fiber/cancel.hpp"

namespace beluga::detail {

/// A callback owned by whoever registers it. `run` is called at most once, on the cancelling thread.
struct CancelNode {
  void (*run)(CancelNode&) noexcept = nullptr;
  CancelNode* prev = nullptr;
  CancelNode* next = nullptr;
  bool linked = false;
};

struct CancelState : std::enable_shared_from_this<CancelState> {
  CancelState() = default;
  ~CancelState();
  CancelState(const CancelState&) = delete;
  CancelState& operator=(const CancelState&) = delete;

  bool cancelled() const noexcept { return flag.load(std::memory_order_acquire); }
  std::optional<Error> why() const;
  /// False when already cancelled: the node is then not registered and not called.
  bool add(CancelNode& node) noexcept;
  /// After this `node.run` neither runs nor will run, unless it is running on this very thread.
  void remove(CancelNode& node) noexcept;
  bool cancel(const Error& error) noexcept;
  /// Makes this a child of `parent` (at most two parents). Not thread-safe: right after construction.
  void adopt(std::shared_ptr<CancelState> parent);

 private:
  struct Link : CancelNode {
    CancelState* self = nullptr;
    std::shared_ptr<CancelState> parent;
  };
  static void propagate(CancelNode& node) noexcept;
  void unlink(CancelNode& node) noexcept;

  std::atomic<bool> flag{false};
  mutable std::mutex mutex;  // leaf: never held while a callback runs
  std::optional<Error> cause;
  CancelNode* head = nullptr;
  CancelNode* running = nullptr;
  std::thread::id running_on;
  Link links[2];
};

struct CancelAccess {
  static const std::shared_ptr<CancelState>& state(const CancelToken& token) noexcept { return token.state_; }
  static CancelToken token(std::shared_ptr<CancelState> state) noexcept {
    return CancelToken(std::move(state));
  }
};

/// A state that is cancelled with either parent. Either may be null.
std::shared_ptr<CancelState> make_cancel_state(const std::shared_ptr<CancelState>& a,
                                               const std::shared_ptr<CancelState>& b);

}  // namespace beluga::detail
