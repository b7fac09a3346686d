#pragma once
/// `Channel<T>`: a bounded queue between fibers and plain threads alike.
///
///     Channel<int> channel(16);
///     scope.spawn("producer", [&] { for (int i = 0; i < 100; ++i) channel.send(i); channel.close(); });
///     while (auto value = channel.receive()) use(*value);
///
/// Capacity 0 is a rendezvous. After close() senders fail with Error{failed_precondition}; receivers drain
/// what is there, then get nullopt, or the error that close(error) gave. All waits obey the current context.
/// Thread-safety: all members from anywhere; destruction when nobody waits.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/base/function.hpp"

namespace beluga {

namespace detail {
/// The waiting, without the type. `put` and `take` run under the channel's lock and move one element.
class ChannelCore {
 public:
  explicit ChannelCore(std::size_t capacity);
  ~ChannelCore();
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;
  void send(void (*put)(void*), void* frame);
  bool try_send(void (*put)(void*), void* frame);
  bool receive(void (*take)(void*), void* frame);
  bool try_receive(void (*take)(void*), void* frame);
  void close(std::optional<Error> error) noexcept;
  bool closed() const noexcept;
  std::size_t size() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
}  // namespace detail

template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : core_(capacity) {}

  /// Waits for room. `value` is moved from only when it is sent: not when this throws.
  void send(T&& value) {
    Frame frame{this, &value, nullptr};
    core_.send(&put, &frame);
  }
  void send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    send(T(value));
  }
  /// False when full: `value` is then as it was. Throws when closed.
  bool try_send(T&& value) {
    Frame frame{this, &value, nullptr};
    return core_.try_send(&put, &frame);
  }
  bool try_send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return try_send(T(value));
  }
  /// Waits for an element; nullopt once closed and drained. Throws the error given to close().
  std::optional<T> receive() {
    std::optional<T> out;
    Frame frame{this, nullptr, &out};
    core_.receive(&take, &frame);
    return out;
  }
  /// Nullopt when there is nothing now, be it closed or not. It is drained for good when closed() was true
  /// before a call that returns nullopt. Throws the error given to close(), once drained.
  std::optional<T> try_receive() {
    std::optional<T> out;
    Frame frame{this, nullptr, &out};
    core_.try_receive(&take, &frame);
    return out;
  }
  void close() noexcept { core_.close(std::nullopt); }
  void close(Error error) noexcept { core_.close(std::move(error)); }
  bool closed() const noexcept { return core_.closed(); }
  std::size_t size() const noexcept { return core_.size(); }

 private:
  struct Frame {
    Channel* self;
    T* in;
    std::optional<T>* out;
  };
  static void put(void* p) {
    auto& frame = *static_cast<Frame*>(p);
    frame.self->queue_.push_back(std::move(*frame.in));
  }
  static void take(void* p) {
    auto& frame = *static_cast<Frame*>(p);
    frame.out->emplace(std::move(frame.self->queue_.front()));
    frame.self->queue_.pop_front();
  }
  std::deque<T> queue_;
  detail::ChannelCore core_;
};

}  // namespace beluga
