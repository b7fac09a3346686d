#pragma once
/// `Function<R(Args...)>`: a move-only callable, for callbacks that own what they capture. C++20 has no
/// std::move_only_function. Callables up to four pointers live inside, larger ones on the heap.

#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace beluga {

namespace detail {
/// Wrappers of callables that may be empty: std::function, and Function of another signature.
template <class F>
inline constexpr bool kEmptyableCallable = false;
template <template <class> class Wrapper, class Signature>
inline constexpr bool kEmptyableCallable<Wrapper<Signature>> = requires(const Wrapper<Signature>& wrapper) {
  { wrapper == nullptr } -> std::convertible_to<bool>;
};
}  // namespace detail

template <class Signature>
class Function;

template <class R, class... Args>
class Function<R(Args...)> {
 public:
  Function() noexcept = default;
  Function(std::nullptr_t) noexcept {}
  template <class F, class D = std::decay_t<F>,
            class = std::enable_if_t<!std::is_same_v<D, Function> && std::is_invocable_r_v<R, D&, Args...>>>
  Function(F&& f) {
    // A null pointer or an empty std::function stays empty, as with std::move_only_function.
    if constexpr (std::is_pointer_v<std::remove_cvref_t<F>> || std::is_member_pointer_v<D> ||
                  detail::kEmptyableCallable<D>)
      if (f == nullptr) return;
    if constexpr (kFits<D>) {
      ::new (static_cast<void*>(buffer_)) D(std::forward<F>(f));
      table_ = &kInline<D>;
    } else {
      ::new (static_cast<void*>(buffer_)) D*(new D(std::forward<F>(f)));
      table_ = &kHeap<D>;
    }
  }
  Function(Function&& other) noexcept : table_(other.table_) {
    if (table_ != nullptr) table_->move(buffer_, other.buffer_);
    other.table_ = nullptr;
  }
  Function& operator=(Function&& other) noexcept {
    if (this != &other) {
      reset();
      table_ = other.table_;
      if (table_ != nullptr) table_->move(buffer_, other.buffer_);
      other.table_ = nullptr;
    }
    return *this;
  }
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  ~Function() { reset(); }

  explicit operator bool() const noexcept { return table_ != nullptr; }
  friend bool operator==(const Function& f, std::nullptr_t) noexcept { return !f; }
  /// Precondition: not empty.
  R operator()(Args... args) { return table_->call(buffer_, std::forward<Args>(args)...); }

 private:
  struct Table {
    R (*call)(void*, Args&&...);
    void (*move)(void* to, void* from) noexcept;
    void (*destroy)(void*) noexcept;
  };
  template <class D>
  static constexpr bool kFits = sizeof(D) <= 4 * sizeof(void*) && alignof(D) <= alignof(std::max_align_t) &&
                                std::is_nothrow_move_constructible_v<D>;
  template <class D>
  static constexpr Table kInline{
      [](void* p, Args&&... args) -> R { return (*static_cast<D*>(p))(std::forward<Args>(args)...); },
      [](void* to, void* from) noexcept {
        ::new (to) D(std::move(*static_cast<D*>(from)));
        static_cast<D*>(from)->~D();
      },
      [](void* p) noexcept { static_cast<D*>(p)->~D(); }};
  template <class D>
  static constexpr Table kHeap{
      [](void* p, Args&&... args) -> R { return (**static_cast<D**>(p))(std::forward<Args>(args)...); },
      [](void* to, void* from) noexcept { ::new (to) D*(*static_cast<D**>(from)); },
      [](void* p) noexcept { delete *static_cast<D**>(p); }};

  void reset() noexcept {
    if (table_ != nullptr) table_->destroy(buffer_);
    table_ = nullptr;
  }

  const Table* table_ = nullptr;
  alignas(std::max_align_t) unsigned char buffer_[4 * sizeof(void*)];
};

}  // namespace beluga
