#include "beluga/observe/telemetry.hpp"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <random>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/observe/internal/exporter.hpp"

namespace beluga::observe {
namespace {

/// Random enough for identifiers, a few nanoseconds, any thread: splitmix64 (Steele, Lea, Flood, OOPSLA 2014)
/// over a shared counter that starts at a random place.
class IdSource {
 public:
  IdSource() {
    std::random_device device;
    counter_ = (static_cast<std::uint64_t>(device()) << 32U) | device();
  }
  std::uint64_t next() noexcept {
    std::uint64_t z = counter_.fetch_add(0x9E3779B97F4A7C15, std::memory_order_relaxed);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
    z ^= z >> 31U;
    return z != 0 ? z : 1;
  }

 private:
  std::atomic<std::uint64_t> counter_{0};
};

struct Process {
  std::mutex mutex;
  std::shared_ptr<Telemetry> telemetry;
  bool used = false;
};
/// Never destroyed: spans may still end while the program's other statics are destroyed.
Process& process_wide() {
  static auto* const kProcess = new Process;
  return *kProcess;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

bool truth(const char* name, std::string_view text) {
  if (text == "true" || text == "TRUE" || text == "True" || text == "1") return true;
  if (text == "false" || text == "FALSE" || text == "False" || text == "0") return false;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("environment: {}='{}': expected true or false", name, text));
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

TelemetryOptions telemetry_options_from_environment() {
  TelemetryOptions options;
  if (const char* name = variable("OTEL_SERVICE_NAME")) options.service_name = name;
  if (const char* text = variable("OTEL_TRACES_SAMPLER_ARG")) {
    const std::string_view view = text;
    const auto parsed = std::from_chars(view.data(), view.data() + view.size(), options.sample_ratio);
    if (parsed.ec != std::errc() || parsed.ptr != view.data() + view.size() || options.sample_ratio < 0 ||
        options.sample_ratio > 1)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("environment: OTEL_TRACES_SAMPLER_ARG='{}': expected a number from 0 to 1", view));
  }
  constexpr const char* kContent = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
  if (const char* text = variable(kContent)) options.capture_content = truth(kContent, text);
  if (const char* text = variable("OTEL_EXPORTER_OTLP_ENDPOINT")) {
    options.otlp.endpoint = text;
    if (!options.otlp.endpoint.starts_with("http://") && !options.otlp.endpoint.starts_with("https://"))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("environment: OTEL_EXPORTER_OTLP_ENDPOINT='{}': expected http:// or https://", text));
  }
  if (const char* text = variable("OTEL_EXPORTER_OTLP_HEADERS")) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view pair = trimmed(rest.substr(0, comma));
      const std::size_t equal = pair.find('=');
      // The value may be a secret: it is not repeated.
      if (equal == std::string_view::npos || equal == 0)
        throw Error(ErrorCode::invalid_argument,
                    "environment: OTEL_EXPORTER_OTLP_HEADERS: expected name=value,name=value");
      options.otlp.headers.emplace_back(trimmed(pair.substr(0, equal)),
                                        percent_decoded(trimmed(pair.substr(equal + 1))));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  if (const char* text = variable("BELUGA_LOG")) {
    std::string_view level = text;
    if (level.starts_with("json:")) {
      options.log.json = true;
      level.remove_prefix(5);
    }
    const auto parsed = parse_log_level(level);
    if (!parsed)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("environment: BELUGA_LOG='{}': expected trace, debug, info, warn, error or off", text));
    options.log.level = *parsed;
  }
  if (const char* text = variable("OTEL_SDK_DISABLED"); text != nullptr && truth("OTEL_SDK_DISABLED", text)) {
    options.tracing = false;
    options.otlp.endpoint.clear();
  }
  return options;
}

struct Telemetry::Impl {
  TelemetryOptions options;
  IdSource ids;
  Metrics metrics;
  Log log;
  std::mutex mutex;  // leaf: the ring
  std::vector<std::shared_ptr<const SpanData>> ring;
  std::size_t next = 0;
  std::unique_ptr<OtlpExporter> exporter;  // last: it uses what stands above

  explicit Impl(TelemetryOptions given) : options(std::move(given)), log(std::move(options.log)) {
    ring.reserve(options.keep_spans);
    if (!options.otlp.endpoint.empty())
      exporter = std::make_unique<OtlpExporter>(options.otlp, options.service_name, metrics, log);
  }
};

Telemetry::Telemetry(TelemetryOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Telemetry::~Telemetry() = default;

std::shared_ptr<Telemetry> Telemetry::create(TelemetryOptions options) {
  return std::shared_ptr<Telemetry>(new Telemetry(std::move(options)));
}

std::shared_ptr<Telemetry> Telemetry::current() {
  const Context context = Context::current();
  if (const ActiveSpan* active = context.get<ActiveSpan>(); active != nullptr && active->telemetry)
    return active->telemetry;
  return process();
}

std::shared_ptr<Telemetry> Telemetry::process() {
  Process& process = process_wide();
  const std::lock_guard lock(process.mutex);
  process.used = true;
  if (!process.telemetry) process.telemetry = create();
  return process.telemetry;
}

void Telemetry::set_process(std::shared_ptr<Telemetry> telemetry) {
  Process& process = process_wide();
  const std::lock_guard lock(process.mutex);
  if (process.used)
    throw Error(ErrorCode::failed_precondition,
                "Telemetry::set_process() comes too late: the process's telemetry is in use; call it first "
                "in main()");
  process.telemetry = std::move(telemetry);
}

bool Telemetry::tracing() const noexcept {
  return impl_->options.tracing;
}
bool Telemetry::capture_content() const noexcept {
  return impl_->options.capture_content;
}
Metrics& Telemetry::metrics() noexcept {
  return impl_->metrics;
}
Log& Telemetry::log() noexcept {
  return impl_->log;
}

Span Telemetry::start_span(std::string_view name, SpanKind kind, const Context& parent) {
  Span span;
  if (!impl_->options.tracing) return span;
  const ActiveSpan* active = parent.get<ActiveSpan>();
  SpanContext& context = span.context_;
  std::uint64_t parent_id = 0;
  if (active != nullptr && active->span.valid()) {
    context.trace = active->span.trace;
    context.sampled = active->span.sampled;
    parent_id = active->span.span;
  } else {
    context.trace = {.high = impl_->ids.next(), .low = impl_->ids.next()};
    const double position = static_cast<double>(context.trace.low >> 11U) * 0x1p-53;  // uniform in [0, 1)
    context.sampled = position < impl_->options.sample_ratio;
  }
  context.span = impl_->ids.next();
  span.telemetry_ = shared_from_this();
  if (!context.sampled) return span;
  Clock& clock = Clock::current();
  span.started_ = clock.now();
  span.data_ = std::make_shared<SpanData>();
  SpanData& data = *span.data_;
  data.name = name;
  data.kind = kind;
  data.context = context;
  data.parent = parent_id;
  data.start = clock.wall();
  data.attributes.reserve(12);
  return span;
}

void Telemetry::finish(std::shared_ptr<SpanData> span) noexcept {
  if (impl_->exporter) impl_->exporter->push(span);
  if (impl_->options.keep_spans == 0) return;
  std::shared_ptr<const SpanData> evicted = std::move(span);  // freed outside the lock
  const std::lock_guard lock(impl_->mutex);
  if (impl_->ring.size() < impl_->options.keep_spans) {
    impl_->ring.push_back(std::move(evicted));  // never grows: reserved
    return;
  }
  std::swap(impl_->ring[impl_->next], evicted);
  impl_->next = (impl_->next + 1) % impl_->ring.size();
}

std::vector<std::shared_ptr<const SpanData>> Telemetry::recent_spans() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::shared_ptr<const SpanData>> out;
  out.reserve(impl_->ring.size());
  for (std::size_t i = 0; i < impl_->ring.size(); ++i)
    out.push_back(impl_->ring[(impl_->next + i) % impl_->ring.size()]);
  return out;
}

std::uint64_t Telemetry::spans_dropped() const noexcept {
  return impl_->exporter ? impl_->exporter->dropped() : 0;
}

bool Telemetry::flush(Duration deadline) {
  return !impl_->exporter || impl_->exporter->flush(deadline);
}
bool Telemetry::shutdown(Duration deadline) {
  return !impl_->exporter || impl_->exporter->shutdown(deadline);
}

}  // namespace beluga::observe
