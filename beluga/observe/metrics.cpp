#include "beluga/observe/metrics.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <mutex>
#include <tuple>
#include <unordered_map>

namespace beluga::observe {
namespace {

// The bucket boundaries that the GenAI conventions advise.
constexpr std::array kSeconds{0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                              1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
constexpr std::array kTokens{1.0,     4.0,     16.0,     64.0,      256.0,     1024.0,     4096.0,
                             16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0};
using Kind = Instrument::Kind;

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

/// A key built on the stack; longer ones (never ours) are cut, which merges series rather than failing.
struct SeriesKey {
  std::array<char, 512> text{};
  std::size_t size = 0;
  void add(std::string_view part) noexcept {
    const std::size_t n = std::min(part.size(), text.size() - size);
    std::copy_n(part.data(), n, text.data() + size);
    size += n;
    if (size < text.size()) text[size++] = '\x1F';
  }
  std::string_view view() const noexcept { return {text.data(), size}; }
};

}  // namespace

namespace instruments {
const Instrument kOperationDuration{"gen_ai.client.operation.duration", "s", "Duration of model calls",
                                    Kind::histogram, kSeconds};
const Instrument kTimeToFirstChunk{"gen_ai.client.operation.time_to_first_chunk", "s",
                                   "Time until a model's first chunk", Kind::histogram, kSeconds};
const Instrument kTokenUsage{"gen_ai.client.token.usage", "{token}", "Tokens per model call", Kind::histogram,
                             kTokens};
const Instrument kToolDuration{"gen_ai.execute_tool.duration", "s", "Duration of tool calls", Kind::histogram,
                               kSeconds};
const Instrument kToolCalls{"beluga.tool.calls", "{call}", "Tool calls by outcome", Kind::counter, {}};
const Instrument kRuns{"beluga.agent.runs", "{run}", "Agent runs by outcome", Kind::counter, {}};
const Instrument kSpansDropped{
    "beluga.otlp.spans_dropped", "{span}", "Spans that could not be exported", Kind::counter, {}};
}  // namespace instruments

struct Metrics::Impl {
  mutable std::mutex mutex;  // leaf
  std::unordered_map<std::string, MetricPoint, Hash, std::equal_to<>> series;
  std::unordered_map<const Instrument*, std::size_t> series_of;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::record(const Instrument& instrument, double value, std::initializer_list<Label> labels) {
  SeriesKey key;
  key.add(instrument.name);
  for (const auto& [name, text] : labels) {
    key.add(name.name());
    key.add(text);
  }
  const std::lock_guard lock(impl_->mutex);
  auto it = impl_->series.find(key.view());
  if (it == impl_->series.end()) {
    MetricPoint fresh{.instrument = &instrument};
    if (++impl_->series_of[&instrument] <= kMaxSeries) {
      for (const auto& [name, text] : labels) fresh.labels.emplace_back(name.name(), text);
    } else {
      key.size = 0;
      key.add(instrument.name);
      key.add("otel.metric.overflow");
      fresh.labels.emplace_back("otel.metric.overflow", "true");
    }
    it = impl_->series.try_emplace(std::string(key.view()), std::move(fresh)).first;
  }
  MetricPoint& point = it->second;
  point.min = point.count == 0 ? value : std::min(point.min, value);
  point.max = point.count == 0 ? value : std::max(point.max, value);
  point.sum += value;
  ++point.count;
  if (instrument.kind == Kind::histogram) {
    if (point.buckets.empty()) point.buckets.resize(instrument.bounds.size() + 1);
    const auto bucket = std::lower_bound(instrument.bounds.begin(), instrument.bounds.end(), value);
    ++point.buckets[static_cast<std::size_t>(bucket - instrument.bounds.begin())];
  }
}

std::vector<MetricPoint> Metrics::snapshot() const {
  std::vector<MetricPoint> out;
  {
    const std::lock_guard lock(impl_->mutex);
    out.reserve(impl_->series.size());
    for (const auto& [key, point] : impl_->series) out.push_back(point);
  }
  std::sort(out.begin(), out.end(), [](const MetricPoint& a, const MetricPoint& b) {
    return std::tie(a.instrument->name, a.labels) < std::tie(b.instrument->name, b.labels);
  });
  return out;
}

}  // namespace beluga::observe
