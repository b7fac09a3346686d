#include "beluga/observe/span.hpp"

#include "beluga/base/redact.hpp"
#include "beluga/base/result.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga::observe {

const AttributeValue* SpanData::find(std::string_view key) const noexcept {
  for (const Attribute& attribute : attributes)
    if (attribute.key == key) return &attribute.value;
  return nullptr;
}

Span& Span::operator=(Span&& other) noexcept {
  if (this != &other) {
    end();
    telemetry_ = std::move(other.telemetry_);
    data_ = std::move(other.data_);
    context_ = std::exchange(other.context_, {});
    started_ = other.started_;
  }
  return *this;
}

Context Span::context_for_children(const Context& base) const {
  if (!telemetry_) return base;
  return base.with<ActiveSpan>(
      std::make_shared<const ActiveSpan>(ActiveSpan{.telemetry = telemetry_, .span = context_}));
}

void Span::put(Key key, AttributeValue value) {
  if (!data_) return;
  for (Attribute& attribute : data_->attributes) {
    if (attribute.key != key.name()) continue;
    attribute.value = std::move(value);
    return;
  }
  data_->attributes.push_back({key.name(), std::move(value)});
}

void Span::fail(const Error& error) {
  fail(to_string(error.code()), error.message());
}

void Span::fail(std::string_view error_type, std::string_view message) {
  if (!data_) return;
  data_->failed = true;
  data_->status = redact(message);
  set(kErrorType, error_type);
}

void Span::end() noexcept {
  if (!data_) return;
  data_->elapsed = Clock::current().now() - started_;
  telemetry_->finish(std::move(data_));
  data_ = nullptr;
}

}  // namespace beluga::observe
