#pragma once
/// Cancellation: a tree of tokens, each with a cause.
///
/// A `CancelSource` owns the switch, `CancelToken`s observe it. Cancelling a source cancels every source made
/// from its token. The first cause wins. (std::stop_token has neither tree nor cause.) Thread-safety:
/// everything here from any thread or fiber; cancel() never blocks on the work that it stops, but it runs
/// the callbacks of others: hold no lock when you call it.

#include <memory>
#include <optional>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/base/function.hpp"

namespace beluga {

namespace detail {
struct CancelState;
struct CancelAccess;
}  // namespace detail

class CancelToken {
 public:
  /// A token that is never cancelled.
  CancelToken() noexcept = default;

  bool cancelled() const noexcept;
  /// Why, once cancelled.
  std::optional<Error> cause() const;
  /// Throws the cause once cancelled.
  void check() const;
  bool can_be_cancelled() const noexcept { return state_ != nullptr; }

 private:
  friend class CancelSource;
  friend class CancelCallback;
  friend struct detail::CancelAccess;
  explicit CancelToken(std::shared_ptr<detail::CancelState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::CancelState> state_;
};

class CancelSource {
 public:
  CancelSource();
  /// A child: cancelled with its parent, never the other way round.
  explicit CancelSource(const CancelToken& parent);

  CancelToken token() const noexcept { return CancelToken(state_); }
  /// Returns false if it was cancelled before. Callbacks run on the calling thread before this returns, those
  /// of all sources below this one too.
  bool cancel(Error cause) const noexcept;
  bool cancel() const noexcept;  ///< with Error{cancelled, "cancelled"}
  bool cancelled() const noexcept { return token().cancelled(); }

 private:
  std::shared_ptr<detail::CancelState> state_;
};

/// Calls `f` once when the token is cancelled (at once, if it already is). The destructor unregisters and, if
/// `f` is running on another thread, waits for it. `f` must be short, must not
/// wait, takes no lock that a canceller might hold, and ends the process if it throws.
class CancelCallback {
 public:
  CancelCallback(const CancelToken& token, Function<void()> f);
  ~CancelCallback();
  CancelCallback(const CancelCallback&) = delete;
  CancelCallback& operator=(const CancelCallback&) = delete;

 private:
  struct Node;
  std::unique_ptr<Node> node_;
};

}  // namespace beluga
