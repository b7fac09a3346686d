#pragma once
/// Sleeping on a word of memory: futex(2). A sleeper costs its waker one system call, and nobody else
/// anything.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace beluga::detail {

/// Sleeps while `word` is `value`, at most `most`. May return early: look again.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                std::chrono::nanoseconds most) noexcept;
/// Wakes one sleeper. `word` need not exist any more: only its address is used.
void futex_wake(const std::atomic<std::uint32_t>* word) noexcept;

}  // namespace beluga::detail
