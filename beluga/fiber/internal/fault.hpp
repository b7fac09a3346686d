#pragma once
/// An alternate signal stack for the calling thread, unless it has one.

#include <cstddef>

namespace beluga::detail {

class SignalStack {
 public:
  SignalStack() noexcept;
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr std::size_t kSize = std::size_t{64} * 1024;
  void* memory_ = nullptr;
};

}  // namespace beluga::detail
