#include "beluga/llm/retry.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::llm {
namespace {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over one counter: any thread, no lock. Jitter needs no
/// secrecy.
double process_random() {
  static std::atomic<std::uint64_t> counter{
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count())};
  std::uint64_t z = counter.fetch_add(0x9E3779B97F4A7C15, std::memory_order_relaxed);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

/// The wait before the attempt after `attempt` (from 1).
Duration wait_after(const Error& error, unsigned attempt, const RetryOptions& options) {
  const double random = std::clamp(options.random(), 0.0, 1.0);
  const auto part = [random](Duration of) {
    return Duration(static_cast<Duration::rep>(static_cast<double>(of.count()) * random));
  };
  if (options.honour_retry_after && error.retry_after())
    return *error.retry_after() + part(options.base_delay);
  const double factor = std::ldexp(1.0, static_cast<int>(std::min(attempt - 1, 62U)));
  const double most = std::min(static_cast<double>(options.base_delay.count()) * factor,
                               static_cast<double>(options.max_delay.count()));
  return part(Duration(static_cast<Duration::rep>(most)));
}

class Retrying final : public ChatModel {
 public:
  Retrying(ChatModelPtr model, std::shared_ptr<const RetryOptions> options)
      : model_(std::move(model)), options_(std::move(options)) {}

  const ModelInfo& info() const noexcept override { return model_->info(); }

  Stream<ChatChunk> stream(ChatRequest request) override {
    return Stream<ChatChunk>::generate([model = model_, options = options_,
                                        request = std::move(request)](Yield<ChatChunk>& yield) mutable {
      bool given_out = false;  // something that is not void
      for (unsigned attempt = 1;; ++attempt) {
        const bool last = attempt >= options->max_attempts;
        std::optional<Error> error = try_once(*model, last ? std::move(request) : request, yield, given_out);
        if (!error) return;
        wait_or_throw(*error, attempt, *options);
        if (!given_out) continue;
        given_out = false;
        yield(ChatChunk{ResponseRestart{error->message()}});
      }
    });
  }

 private:
  /// Null when the response is complete; else the model's error.
  static std::optional<Error> try_once(ChatModel& model, ChatRequest request, Yield<ChatChunk>& yield,
                                       bool& given_out) {
    Stream<ChatChunk> chunks;
    bool started = false;
    for (;;) {
      ChatChunk* chunk = nullptr;
      // Only the model's errors are caught: what yield() throws means that nobody listens any more.
      try {
        if (!started) chunks = model.stream(std::move(request));
        started = true;
        chunk = chunks.next();
      } catch (const Error& error) {
        return error;
      }
      if (chunk == nullptr)
        return Error(ErrorCode::data_loss, "the model's stream ended before the response was complete")
            .with_retryable(true);
      const bool end = std::holds_alternative<ResponseEnd>(*chunk);
      given_out = !std::holds_alternative<ResponseRestart>(*chunk);
      yield(std::move(*chunk));
      if (end) return std::nullopt;
    }
  }

  static void wait_or_throw(const Error& error, unsigned attempt, const RetryOptions& options) {
    const Context context = Context::current();
    context.check();
    if (!error.retryable()) throw error;
    if (attempt >= options.max_attempts)
      throw attempt == 1 ? error : error.with_context("after " + std::to_string(attempt) + " attempts");
    const Duration delay = wait_after(error, attempt, options);
    if (options.honour_retry_after && error.retry_after() && *error.retry_after() > options.max_retry_after)
      throw error.with_context("not retried: the provider asks to wait longer than max_retry_after");
    if (const auto deadline = context.deadline(); deadline && Clock::current().now() + delay >= *deadline)
      throw error.with_context("not retried: the wait would pass the deadline");
    if (options.on_retry) options.on_retry(error, attempt, delay);
    sleep_for(delay);
  }

  const ChatModelPtr model_;
  const std::shared_ptr<const RetryOptions> options_;
};

}  // namespace

ChatMiddleware retry(RetryOptions options) {
  if (!options.random) options.random = process_random;
  return [shared =
              std::make_shared<const RetryOptions>(std::move(options))](ChatModelPtr model) -> ChatModelPtr {
    return std::make_shared<Retrying>(std::move(model), shared);
  };
}

}  // namespace beluga::llm
