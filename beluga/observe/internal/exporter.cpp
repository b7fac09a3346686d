#include "beluga/observe/internal/exporter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/observe/internal/otlp.hpp"

namespace beluga::observe {
namespace {

constexpr Duration kFirstBackoff = std::chrono::seconds(1);

/// https://opentelemetry.io/docs/specs/otlp/#failures-1
bool worth_retrying(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

using SpanPtr = std::shared_ptr<const SpanData>;

}  // namespace

struct OtlpExporter::Impl {
  OtlpOptions options;
  std::string service_name;
  Metrics& metrics;
  Log& log;
  WallTime started = Clock::current().wall();

  std::mutex mutex;  // leaf: the queue
  std::deque<SpanPtr> queue;
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<bool> closed{false};
  Signal wake;
  Mutex sending;  // one request at a time, whoever sends
  std::unique_ptr<Scope> scope;

  Impl(OtlpOptions given, std::string name, Metrics& all_metrics, Log& to_log)
      : options(std::move(given)), service_name(std::move(name)), metrics(all_metrics), log(to_log) {
    while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
    options.batch = std::max<std::size_t>(options.batch, 1);
    options.headers.emplace_back("Content-Type", "application/json");
    if (!options.transport) options.transport = http_transport(options.timeout);
  }

  void drop(std::size_t spans) {
    dropped.fetch_add(spans, std::memory_order_relaxed);
    metrics.record(instruments::kSpansDropped, static_cast<double>(spans));
  }

  std::vector<SpanPtr> take() {
    const std::lock_guard lock(mutex);
    const std::size_t n = std::min(options.batch, queue.size());
    std::vector<SpanPtr> batch(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(n));
    queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(n));
    return batch;
  }

  void put_back(std::vector<SpanPtr> batch) {
    const std::lock_guard lock(mutex);
    queue.insert(queue.begin(), batch.begin(), batch.end());
  }

  /// False when the collector does not want it or cannot be reached. Throws only for the caller's own
  /// cancellation.
  bool post(std::string_view path, const std::string& body) {
    const std::string url = options.endpoint + std::string(path);
    Duration backoff = kFirstBackoff;
    for (unsigned attempt_number = 1;; ++attempt_number) {
      Context::current().check();
      Duration wait = backoff;
      std::string problem;
      bool again = false;
      const auto status = attempt([&] { return options.transport(url, options.headers, body); });
      if (status.ok() && *status >= 200 && *status <= 299) return true;
      if (status.ok()) {
        problem = fmt::format("HTTP status {}", *status);
        again = worth_retrying(*status);
      } else {
        Context::current().check();
        problem = status.error().what();
        again = status.error().retryable() || status.error().code() == ErrorCode::deadline_exceeded;
        if (const auto asked = status.error().retry_after()) wait = *asked;
      }
      if (!again || attempt_number >= options.attempts) {
        log.write(LogLevel::warn, "telemetry could not be exported", {{"url", url}, {"problem", problem}});
        return false;
      }
      sleep_for(wait);
      backoff *= 2;
    }
  }

  /// Sends all that waits. Throws for the caller's own cancellation or deadline; then the batch in flight is
  /// kept.
  bool send_all() {
    const std::lock_guard lock(sending);
    bool delivered = true;
    for (std::vector<SpanPtr> batch = take(); !batch.empty(); batch = take()) {
      const auto sent = attempt([&] { return post("/v1/traces", otlp_traces(batch, service_name)); });
      if (!sent.ok()) {
        put_back(std::move(batch));
        raise(sent.error());
      }
      if (!*sent) {
        drop(batch.size());
        delivered = false;
      }
    }
    const std::vector<MetricPoint> points = metrics.snapshot();
    if (!points.empty())
      delivered = post("/v1/metrics", otlp_metrics(points, service_name, started, Clock::current().wall())) &&
                  delivered;
    return delivered;
  }

  void loop() {
    while (!closed) {
      wake.wait_until(Clock::current().now() + options.interval);
      wake.reset();
      if (!closed) send_all();
    }
  }
};

OtlpExporter::OtlpExporter(OtlpOptions options, std::string service_name, Metrics& metrics, Log& log)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(service_name), metrics, log)) {
  // Lives as long as the exporter, not as the piece of work that happened to make it.
  ContextScope fresh{Context()};
  impl_->scope = std::make_unique<Scope>(Scope::OnFailure::keep_going);
  impl_->scope->spawn("otlp exporter", [impl = impl_.get()] { impl->loop(); });
}

OtlpExporter::~OtlpExporter() {
  shutdown(std::chrono::milliseconds(100));
}

void OtlpExporter::push(std::shared_ptr<const SpanData> span) noexcept {
  bool full = true;
  bool wake = false;
  const auto pushed = attempt([&] {
    const std::lock_guard lock(impl_->mutex);
    full = impl_->closed || impl_->queue.size() >= impl_->options.max_queue;
    if (full) return;
    impl_->queue.push_back(std::move(span));
    wake = impl_->queue.size() == impl_->options.batch;
  });
  if (!pushed.ok() || full) impl_->drop(1);
  if (wake) impl_->wake.set();
}

bool OtlpExporter::flush(Duration deadline) {
  ContextScope scope(Context().with_timeout(deadline));
  const auto sent = attempt([&] { return impl_->send_all(); });
  return sent.ok() && *sent;
}

bool OtlpExporter::shutdown(Duration deadline) {
  if (impl_->scope == nullptr) return true;
  impl_->closed = true;
  impl_->wake.set();
  impl_->scope->cancel(Error(ErrorCode::cancelled, "telemetry is shutting down"));
  impl_->scope.reset();
  const bool sent = flush(deadline);
  std::size_t left = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    left = impl_->queue.size();
    impl_->queue.clear();
  }
  if (left > 0) impl_->drop(left);
  return sent;
}

std::uint64_t OtlpExporter::dropped() const noexcept {
  return impl_->dropped.load(std::memory_order_relaxed);
}

}  // namespace beluga::observe
