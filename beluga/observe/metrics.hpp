#pragma once
/// Counters and histograms with attributes, bounded in number.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/fiber/clock.hpp"
#include "beluga/observe/gen_ai.hpp"

namespace beluga::observe {

/// What is measured. Instances are constants with static storage.
struct Instrument {
  enum class Kind : std::uint8_t { counter, histogram };
  std::string_view name;
  std::string_view unit;
  std::string_view description;
  Kind kind = Kind::counter;
  std::span<const double> bounds{};  ///< of a histogram: inclusive upper bounds
};

namespace instruments {
extern const Instrument kOperationDuration;  ///< gen_ai.client.operation.duration, s
extern const Instrument kTimeToFirstChunk;   ///< gen_ai.client.operation.time_to_first_chunk, s
extern const Instrument kTokenUsage;         ///< gen_ai.client.token.usage, {token}
extern const Instrument kToolDuration;       ///< gen_ai.execute_tool.duration, s
extern const Instrument kToolCalls;          ///< beluga.tool.calls, {call}
extern const Instrument kRuns;               ///< beluga.agent.runs, {run}
extern const Instrument kSpansDropped;       ///< beluga.otlp.spans_dropped, {span}
}  // namespace instruments

using Label = std::pair<Key, std::string_view>;

/// One series at one moment. Sums are cumulative since `start`.
struct MetricPoint {
  const Instrument* instrument = nullptr;
  std::vector<std::pair<std::string, std::string>> labels{};
  double sum = 0;
  std::uint64_t count = 0;
  double min = 0;
  double max = 0;
  std::vector<std::uint64_t> buckets{};  ///< bounds.size() + 1
};

/// Thread-safety: all members from any thread. Recording to a known series allocates nothing.
class Metrics {
 public:
  /// More series than this go to one series labelled otel.metric.overflow=true, per instrument.
  static constexpr std::size_t kMaxSeries = 2000;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  void record(const Instrument& instrument, double value, std::initializer_list<Label> labels = {});
  std::vector<MetricPoint> snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga::observe
