#pragma once
/// Adaptors of streams. Each takes a stream and gives one; they compose with `|`.
///
///     Stream<int> numbers = Stream<int>::generate([](Yield<int>& yield) {
///       for (int i = 0; i < 100; ++i) yield(i);
///     });
///     std::vector<std::string> even = std::move(numbers)
///         | streams::filter([](const int& n) { return n % 2 == 0; })
///         | streams::map([](int& n) { return std::to_string(n); })
///         | streams::take(10)
///         | streams::collect();
///
/// All are lazy: nothing is pulled from the source before the result is pulled, and one pull takes no more
/// than it needs (merge and tee run ahead by their bounded buffers). An element may be modified or moved
/// from, as always; it is valid until the next pull. The source's error is thrown after the elements before
/// it, as it was thrown; so is what a callable throws, after which a pull goes on with the next element.
/// cancel() reaches the source. Destroying the result destroys the source, which cancels its producer. map,
/// filter, take, take_while, chunk and concat have no stack and no fiber: they run on the puller's, in the
/// puller's context, while the source keeps the context it was created in. Thread-safety: as Stream.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga {

namespace detail {

/// A source that can be let go before its adaptor is, although cancel() may come from any thread meanwhile.
template <class T>
class Upstream {
 public:
  explicit Upstream(Stream<T> stream) : stream_(std::move(stream)) {}
  T* next() { return stream_.next(); }
  void cancel() noexcept {
    const std::lock_guard lock(mutex_);
    stream_.cancel();
  }
  void let_go() noexcept {
    Stream<T> gone;
    const std::lock_guard lock(mutex_);
    std::swap(gone, stream_);
  }

 private:
  std::mutex
      mutex_;  // leaf; held while the stream is told or taken away, not while it is pulled or destroyed
  Stream<T> stream_;
};

template <class In, class F>
class MapSource final : public StreamSource<std::remove_reference_t<std::invoke_result_t<F&, In&>>> {
  using R = std::invoke_result_t<F&, In&>;
  using Out = std::remove_reference_t<R>;
  static_assert(!std::is_void_v<R>, "the function of map() returns nothing; use a loop over the stream");

 public:
  MapSource(Stream<In> source, F f) : source_(std::move(source)), f_(std::move(f)) {}
  Out* next() override {
    In* const element = source_.next();
    if constexpr (std::is_lvalue_reference_v<R>) {
      return element != nullptr ? std::addressof(f_(*element)) : nullptr;
    } else {
      made_.reset();
      return element != nullptr ? std::addressof(made_.emplace(f_(*element))) : nullptr;
    }
  }
  void cancel() noexcept override { source_.cancel(); }

 private:
  struct Nothing {
    void reset() noexcept {}
  };
  Stream<In> source_;
  F f_;
  std::conditional_t<std::is_lvalue_reference_v<R>, Nothing, std::optional<std::remove_cv_t<Out>>> made_;
};

template <class T, class P>
class FilterSource final : public StreamSource<T> {
 public:
  FilterSource(Stream<T> source, P wanted) : source_(std::move(source)), wanted_(std::move(wanted)) {}
  T* next() override {
    T* element = source_.next();
    while (element != nullptr && !wanted_(std::as_const(*element))) element = source_.next();
    return element;
  }
  void cancel() noexcept override { source_.cancel(); }

 private:
  Stream<T> source_;
  P wanted_;
};

template <class T>
class TakeSource final : public StreamSource<T> {
 public:
  TakeSource(Stream<T> source, std::size_t n) : source_(std::move(source)), left_(n) {}
  T* next() override {
    if (left_ == 0) return source_.let_go(), nullptr;
    T* const element = source_.next();
    --left_;  // not before: an error takes no place
    return element;
  }
  void cancel() noexcept override { source_.cancel(); }

 private:
  Upstream<T> source_;
  std::size_t left_;
};

template <class T, class P>
class TakeWhileSource final : public StreamSource<T> {
 public:
  TakeWhileSource(Stream<T> source, P wanted) : source_(std::move(source)), wanted_(std::move(wanted)) {}
  T* next() override {
    if (over_) return nullptr;
    T* const element = source_.next();
    if (element != nullptr && wanted_(std::as_const(*element))) return element;
    over_ = true;
    source_.let_go();
    return nullptr;
  }
  void cancel() noexcept override { source_.cancel(); }

 private:
  Upstream<T> source_;
  P wanted_;
  bool over_ = false;
};

template <class T>
class ChunkSource final : public StreamSource<std::vector<T>> {
 public:
  ChunkSource(Stream<T> source, std::size_t n) : source_(std::move(source)), n_(n == 0 ? 1 : n) {}
  std::vector<T>* next() override {
    // Said once: it may be the end of a wait. The source says its own again.
    if (failure_) rethrow(*std::exchange(failure_, std::nullopt));
    chunk_.clear();
    failure_ = failure_of([this] {
      while (chunk_.size() < n_) {
        T* const element = source_.next();
        if (element == nullptr) return;
        chunk_.push_back(std::move(*element));
      }
    });
    if (!chunk_.empty()) return &chunk_;  // and the failure after the elements before it
    if (failure_) rethrow(*std::exchange(failure_, std::nullopt));
    return nullptr;
  }
  void cancel() noexcept override { source_.cancel(); }

 private:
  Stream<T> source_;
  std::size_t n_;
  std::vector<T> chunk_;
  std::optional<Failure> failure_;
};

template <class T>
class ConcatSource final : public StreamSource<T> {
 public:
  explicit ConcatSource(std::vector<Stream<T>> sources) : sources_(std::move(sources)) {}
  T* next() override {
    while (at_ < sources_.size()) {
      if (T* const element = sources_[at_].next()) return element;
      ++at_;
    }
    return nullptr;
  }
  void cancel() noexcept override {
    for (Stream<T>& source : sources_) source.cancel();
  }

 private:
  std::vector<Stream<T>> sources_;
  std::size_t at_ = 0;
};

/// Tells all when it goes, so that what unwinds after it does so at the same time.
template <class T>
struct CancelAll {
  std::vector<Stream<T>>& streams;
  ~CancelAll() {
    for (Stream<T>& stream : streams) stream.cancel();
  }
};

/// Who waits for whom among the branches of a tee. Without the type: it counts elements, the branches hold
/// them.
class TeeGate {
 public:
  TeeGate(std::size_t branches, std::size_t room, bool cut_slow);
  ~TeeGate();
  TeeGate(const TeeGate&) = delete;
  TeeGate& operator=(const TeeGate&) = delete;

  enum class Turn : std::uint8_t {
    take,  ///< an element waits in this branch
    pull,  ///< this branch is to pull from the source; then delivered(), ended() or gave_up()
    end,
  };
  /// Waits until there is something to do for `branch`; obeys the current context. Throws the source's error.
  Turn turn(std::size_t branch);
  /// Whether `branch` is to get a copy of what has been pulled.
  bool wants(std::size_t branch) const noexcept;
  void delivered() noexcept;  ///< every branch that wants one has its copy
  void ended(std::optional<Failure> failure) noexcept;
  void gave_up() noexcept;  ///< the puller's own context ended its wait: another may pull
  /// The branch takes no more. True for the last one.
  bool close(std::size_t branch) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether `error` may be the end of the caller's own wait rather than of the source. If it was the source's
/// after all, that says it again.
bool may_be_own_interruption(const Error& error) noexcept;

template <class T>
class Tee {
 public:
  Tee(Stream<T> s, std::size_t branches, std::size_t room, bool cut_slow)
      : gate(branches, room, cut_slow), source(std::move(s)), queues_(branches) {}

  T* next(std::size_t branch) {
    for (;;) {
      switch (gate.turn(branch)) {
        case TeeGate::Turn::end:
          return nullptr;
        case TeeGate::Turn::take: {
          Queue& queue = queues_[branch];
          const std::lock_guard lock(mutex_);
          queue.held.splice(queue.held.begin(), queue.waiting, queue.waiting.begin());
          return &queue.held.front();
        }
        case TeeGate::Turn::pull:
          pull();
      }
    }
  }
  /// The user of `branch` has done with its element.
  void release(std::size_t branch) noexcept { queues_[branch].held.clear(); }
  /// The branch takes no more.
  void close(std::size_t branch) noexcept {
    release(branch);
    const bool last = gate.close(branch);
    {
      Elements gone;
      const std::lock_guard lock(mutex_);
      gone.swap(queues_[branch].waiting);
    }
    if (last) source.let_go();
  }

 private:
  using Elements = std::list<std::remove_const_t<T>>;  // which pass from one to the other without a copy
  struct Queue {
    Elements coming;   ///< of whoever pulls
    Elements waiting;  ///< under the lock
    Elements held;     ///< by the branch's user: one, or none
  };
  void pull() {
    bool over = false;
    auto failure = failure_of([&] {
      T* const element = source.next();
      over = element == nullptr;
      for (std::size_t i = 0; i < queues_.size() && !over; ++i)
        if (gate.wants(i)) queues_[i].coming.emplace_back(std::as_const(*element));
    });
    if (!failure && !over) {
      {
        const std::lock_guard lock(mutex_);
        for (Queue& queue : queues_) queue.waiting.splice(queue.waiting.end(), queue.coming);
      }
      return gate.delivered();
    }
    for (Queue& queue : queues_) queue.coming.clear();
    if (!failure || !may_be_own_interruption(failure->error)) return gate.ended(std::move(failure));
    gate.gave_up();
    rethrow(*std::move(failure));
  }

  TeeGate gate;
  Upstream<T> source;
  std::mutex mutex_;  // leaf; nothing is copied or destroyed under it
  std::vector<Queue> queues_;
};

template <class T>
class TeeBranch final : public StreamSource<T> {
 public:
  TeeBranch(std::shared_ptr<Tee<T>> tee, std::size_t branch) : tee_(std::move(tee)), branch_(branch) {}
  ~TeeBranch() override { tee_->close(branch_); }
  T* next() override {
    tee_->release(branch_);
    return tee_->next(branch_);
  }

 private:
  std::shared_ptr<Tee<T>> tee_;
  std::size_t branch_;
};

}  // namespace detail

namespace streams {

/// What stands after a `|`: a callable that takes a Stream<T>.
template <class F>
struct Adaptor {
  F f;
};
template <class F>
Adaptor(F) -> Adaptor<F>;

template <class T, class F>
auto operator|(Stream<T> source, Adaptor<F> adaptor) {
  return adaptor.f(std::move(source));
}

/// Each element replaced by `f(T&)`. A reference that `f` returns is passed on as such, without a copy.
template <class F>
auto map(F f) {
  return Adaptor{[f = std::move(f)]<class T>(Stream<T> source) mutable {
    using Source = detail::MapSource<T, F>;
    using Out = std::remove_reference_t<std::invoke_result_t<F&, T&>>;
    return Stream<Out>(std::make_unique<Source>(std::move(source), std::move(f)));
  }};
}

/// The elements for which `wanted(const T&)` holds.
template <class P>
auto filter(P wanted) {
  return Adaptor{[wanted = std::move(wanted)]<class T>(Stream<T> source) mutable {
    return Stream<T>(std::make_unique<detail::FilterSource<T, P>>(std::move(source), std::move(wanted)));
  }};
}

/// The first `n`. The pull after them lets the source go, so that its producer is cancelled there and then.
inline auto take(std::size_t n) {
  return Adaptor{[n]<class T>(Stream<T> source) {
    return Stream<T>(std::make_unique<detail::TakeSource<T>>(std::move(source), n));
  }};
}

/// Those before the first for which `wanted(const T&)` does not hold; that one is lost. The source is let go
/// with it.
template <class P>
auto take_while(P wanted) {
  return Adaptor{[wanted = std::move(wanted)]<class T>(Stream<T> source) mutable {
    return Stream<T>(std::make_unique<detail::TakeWhileSource<T, P>>(std::move(source), std::move(wanted)));
  }};
}

/// Vectors of `n` elements, which are moved; the last may be shorter. 0 counts as 1.
inline auto chunk(std::size_t n) {
  return Adaptor{[n]<class T>(Stream<T> source) {
    return Stream<std::vector<T>>(std::make_unique<detail::ChunkSource<T>>(std::move(source), n));
  }};
}

/// Pulls to the end: all elements, moved. Throws the source's error.
inline auto collect() {
  return Adaptor{[]<class T>(Stream<T> source) {
    std::vector<std::remove_const_t<T>> all;
    for (T& element : source) all.push_back(std::move(element));
    return all;
  }};
}

/// One after the other; the next is not pulled before the last has ended.
template <class T>
Stream<T> concat(std::vector<Stream<T>> sources) {
  return Stream<T>(std::make_unique<detail::ConcatSource<T>>(std::move(sources)));
}
template <class T, class... More>
  requires(std::is_same_v<Stream<T>, More> && ...)
Stream<T> concat(Stream<T> first, More... more) {
  std::vector<Stream<T>> all;
  all.push_back(std::move(first));
  (all.push_back(std::move(more)), ...);
  return concat(std::move(all));
}

/// All at once, first come, first served; the order within each source is kept. A fiber pulls each source,
/// and `buffer` elements (at least one) may wait for the puller, besides one in each fiber's hand. The first
/// source that fails ends the stream with its error and cancels the others. Elements are moved.
template <class T>
Stream<T> merge(std::vector<Stream<T>> sources, std::size_t buffer = 16) {
  return Stream<T>::generate(
      [sources = std::move(sources), buffer](Yield<T>& yield) mutable {
        if (sources.empty()) return;
        const detail::CancelAll<T> leaving{sources};  // they go with this body, where they may be waited for
        Channel<T> channel(buffer == 0 ? 1 : buffer);
        // Not shared: the pullers are fibers of one worker.
        std::size_t open = sources.size();
        std::optional<detail::Failure> failure;
        Scope pullers;  // only one that gets no fiber fails it
        for (Stream<T>& source : sources)
          pullers.spawn("merge", [&channel, &open, &failure, &source] {
            auto failed = detail::failure_of([&] {
              for (T& element : source) channel.send(std::move(element));
            });
            if (!failed && --open != 0) return;
            if (!failure) failure = std::move(failed);
            channel.close();
          });
        const Context heard = Context::current().with_cancel(pullers.cancel_token());
        for (;;) {
          std::optional<T> element;
          {
            const ContextScope scope(heard);
            element = channel.receive();
          }
          if (!element) break;
          yield(*element);
        }
        if (failure) detail::rethrow(*std::move(failure));
      },
      RunAhead::none);
}
template <class T, class... More>
  requires(std::is_same_v<Stream<T>, More> && ...)
Stream<T> merge(Stream<T> first, More... more) {
  std::vector<Stream<T>> all;
  all.push_back(std::move(first));
  (all.push_back(std::move(more)), ...);
  return merge(std::move(all));
}

struct TeeOptions {
  std::size_t buffer = 64;  ///< elements that the quickest branch may be ahead of the slowest; at least 1
  /// What happens when a branch is that far behind. `wait`: the others wait for it, so that all branches must
  /// be pulled concurrently (one after the other in one fiber waits for ever unless the stream is shorter
  /// than `buffer`; memory is taken for what waits only, so that the largest std::size_t is "no bound").
  /// `cut`: the branch gets what it has, then Error{resource_exhausted}; the others go on.
  enum class Slow : std::uint8_t { wait, cut } slow = Slow::wait;
};

/// `branches` streams with all elements each, as copies. Whichever branch is pulled first pulls the source. A
/// branch that is destroyed is waited for no more; with the last the source goes, which cancels its producer.
/// cancel() of a branch does nothing: the source is the others' too. The branches may be pulled from
/// different fibers and threads.
template <class T>
std::vector<Stream<T>> tee(Stream<T> source, std::size_t branches, TeeOptions options = {}) {
  const std::size_t room = options.buffer == 0 ? 1 : options.buffer;
  auto shared = std::make_shared<detail::Tee<T>>(std::move(source), branches, room,
                                                 options.slow == TeeOptions::Slow::cut);
  std::vector<Stream<T>> out;
  for (std::size_t i = 0; i < branches; ++i)
    out.push_back(Stream<T>(std::make_unique<detail::TeeBranch<T>>(shared, i)));
  return out;
}

}  // namespace streams
}  // namespace beluga
