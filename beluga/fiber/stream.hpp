#pragma once
/// `Stream<T>`: a move-only, single-pass input range that is pulled. Pull is the backpressure.
///
///     Stream<int> numbers = Stream<int>::generate([](Yield<int>& yield) {
///       for (int i = 0; i < 3; ++i) yield(i);              // parks here until somebody pulls
///     });
///     for (int& n : numbers) std::cout << n;
///
/// Two kinds of producer, one type:
///  - `generate(body)`: the body has a fiber stack of its own and runs only on its home worker (its creator's,
///    else one the runtime picks). A pull from the same worker switches stacks; a pull from anywhere else is a
///    rendezvous that may carry up to 64 ready elements.
///  - `from(source)`: an object with `T* next()`; no stack, called on the puller's. For adaptors and ready data.
///
/// A `generate` body runs in the Context its stream was made in, whoever pulls it; the puller's own context
/// bounds the puller's wait. When both end at once, as they do for a stream that is pulled where it was made,
/// the producer has the last word: what it still yields arrives, then its error. A `from` source is a plain
/// call in the puller's context. A stream shares ownership of all that it needs. A yielded element is valid
/// until the next pull, a shutdown of the runtime notwithstanding. An error of the producer is thrown by
/// next() after the elements before it, and by every next() after that: an Error, or a foreign exception as
/// it was thrown. (What ends only the puller's wait is thrown once; the pull may be taken up again.)
/// Destroying a stream cancels its producer at once (everything it waits for throws Error{cancelled}), waits
/// for its unwinding and never throws. A body that neither returns, yields nor waits for anything
/// interruptible makes it wait for ever: let long computations call Context::check(), and wait for real
/// threads in blocking(). Thread-safety: one user at a time; may be handed between fibers and threads.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "beluga/base/function.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"

namespace beluga {

namespace detail {
/// How to move elements of a type that is only known to a template.
struct ElementType {
  std::size_t size;
  std::size_t align;
  void (*move)(void* to, void* from) noexcept;
  void (*copy)(void* to, const void* from);  ///< null when it cannot be copied
  void (*destroy)(void*) noexcept;
};
template <class T>
constexpr auto copy_of() noexcept -> void (*)(void*, const void*) {
  if constexpr (std::is_copy_constructible_v<T>)
    return [](void* to, const void* from) { ::new (to) T(*static_cast<const T*>(from)); };
  else
    return nullptr;
}
template <class T>
inline constexpr ElementType kElementType{
    sizeof(T), alignof(T),
    [](void* to, void* from) noexcept { ::new (to) T(std::move(*static_cast<T*>(from))); }, copy_of<T>(),
    [](void* p) noexcept { static_cast<T*>(p)->~T(); }};

/// The part of a generator that does not depend on T. An element is a `void*` that stays valid until the next
/// resume.
class GeneratorCore {
 public:
  /// `body` is called on the home worker with this core; it calls yield(element). `type`, if not null, lets a
  /// pull from elsewhere carry several elements, which are moved.
  GeneratorCore(Function<void(GeneratorCore&)> body, const ElementType* type, std::string_view name);
  ~GeneratorCore();
  GeneratorCore(const GeneratorCore&) = delete;
  GeneratorCore& operator=(const GeneratorCore&) = delete;
  void* next();  ///< puller's side; null at the end
  /// Producer's side; `keeps`: the element stays the producer's and may only be copied.
  void yield(void* element, bool keeps);
  void cancel() noexcept;  ///< tells the producer to stop; does not wait

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};
}  // namespace detail

/// How far the body of a generator may run ahead of a puller on another thread. (On its own worker it never
/// does.)
enum class RunAhead : std::uint8_t {
  batch,  ///< while it can yield without waiting, up to 64 elements for each rendezvous
  none,  ///< nothing after a yield happens before the next pull; for bodies whose side effects the puller may
         ///< veto
};

/// What a generator's body gets: call it with each element.
///
/// It hands the element out and parks until the next pull. Like every wait it obeys the current context, once
/// the element is on its way: after a cancellation (Stream::cancel() too) or past the deadline a body may
/// still deliver 64 elements, its last words, then this throws Error{cancelled} or Error{deadline_exceeded}.
/// Once the stream is destroyed or the runtime shuts down it throws Error{cancelled} at once: let it pass.
template <class T>
class Yield {
 public:
  /// The puller gets the body's own object and may modify it. One on another thread may get a copy, so that a
  /// body should not build on what its puller does to it.
  void operator()(T& element) { yield(element, true); }
  /// The puller may modify or move from the element.
  void operator()(T&& element) { yield(element, false); }

 private:
  template <class U>
  friend class Stream;
  explicit Yield(detail::GeneratorCore& core) : core_(core) {}
  void yield(T& element, bool keeps) {
    core_.yield(const_cast<std::remove_const_t<T>*>(std::addressof(element)), keeps);
  }
  detail::GeneratorCore& core_;
};

/// A producer without a stack. `next()` returns null at the end and may throw. After its end, or an error of
/// its own, it is asked again by a puller that did not hear of it (as a branch of a tee may): it then says the
/// same again. The destructor cancels.
template <class T>
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  virtual T* next() = 0;
  /// Stop soon: a later next() throws or ends. Any thread. Must not wait.
  virtual void cancel() noexcept {}
};

template <class T>
class Stream {
 public:
  using value_type = T;

  Stream() noexcept = default;  ///< empty: ends at once
  explicit Stream(std::unique_ptr<StreamSource<T>> source) noexcept : source_(std::move(source)) {}

  /// `name` is for stall and shutdown reports.
  static Stream generate(Function<void(Yield<T>&)> body, RunAhead run_ahead = RunAhead::batch,
                         std::string_view name = "generator") {
    return Stream(std::make_unique<Generator>(std::move(body), run_ahead, name));
  }
  /// `next`: a callable `T*()`, null at the end.
  template <class Next>
  static Stream from(Next next) {
    struct Source final : StreamSource<T> {
      explicit Source(Next n) : pull(std::move(n)) {}
      T* next() override { return pull(); }
      Next pull;
    };
    return Stream(std::make_unique<Source>(std::move(next)));
  }

  /// The next element, valid until the next pull, or null at the end. Throws the producer's error.
  T* next() { return source_ ? source_->next() : nullptr; }
  /// Asks the producer to stop; it may still have elements to deliver (a `generate` body 64 at most). Any
  /// thread.
  void cancel() noexcept {
    if (source_) source_->cancel();
  }

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    Iterator() = default;
    T& operator*() const noexcept { return *element_; }
    T* operator->() const noexcept { return element_; }
    Iterator& operator++() {
      element_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept {
      return it.element_ == nullptr;
    }

   private:
    friend class Stream;
    explicit Iterator(Stream* stream) : stream_(stream), element_(stream->next()) {}
    Stream* stream_ = nullptr;
    T* element_ = nullptr;
  };
  /// Pulls the first element. Single pass: call once.
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  class Generator final : public StreamSource<T> {
   public:
    Generator(Function<void(Yield<T>&)> body, RunAhead run_ahead, std::string_view name)
        : core_(
              [body = std::move(body)](detail::GeneratorCore& core) mutable {
                Yield<T> yield(core);
                body(yield);
              },
              element_type(run_ahead), name) {}
    T* next() override { return static_cast<T*>(core_.next()); }
    void cancel() noexcept override { core_.cancel(); }

   private:
    static constexpr const detail::ElementType* element_type([[maybe_unused]] RunAhead run_ahead) noexcept {
      if constexpr (!std::is_const_v<T> && std::is_nothrow_move_constructible_v<T>)
        return run_ahead == RunAhead::batch ? &detail::kElementType<T> : nullptr;
      else
        return nullptr;
    }
    detail::GeneratorCore core_;
  };
  std::unique_ptr<StreamSource<T>> source_;
};

}  // namespace beluga
