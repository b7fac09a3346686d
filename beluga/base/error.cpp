#include "beluga/base/error.hpp"

#include <cxxabi.h>

#include <new>
#include <system_error>
#include <utility>

#include "beluga/base/result.hpp"

namespace beluga {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::unknown:
      return "unknown";
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::permission_denied:
      return "permission_denied";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::failed_precondition:
      return "failed_precondition";
    case ErrorCode::aborted:
      return "aborted";
    case ErrorCode::out_of_range:
      return "out_of_range";
    case ErrorCode::unimplemented:
      return "unimplemented";
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::data_loss:
      return "data_loss";
    case ErrorCode::unauthenticated:
      return "unauthenticated";
  }
  return "unknown";
}

struct Error::Detail {
  ErrorCode code = ErrorCode::unknown;
  std::string message;
  std::optional<bool> retryable;
  std::optional<std::chrono::milliseconds> retry_after;
  int http_status = 0;
  std::string provider;
  std::string request_id;
  std::optional<Error> cause;
  std::string what;

  /// Renders `what`; the last step of every construction, so that what() never allocates.
  std::shared_ptr<const Detail> sealed() && {
    what.assign(to_string(code)).append(": ").append(message);
    std::string origin;
    const auto add = [&origin](std::string_view label, std::string_view text) {
      origin.append(origin.empty() ? "" : ", ").append(label).append(text);
    };
    if (!provider.empty()) add("", provider);
    if (http_status != 0) add("HTTP ", std::to_string(http_status));
    if (!request_id.empty()) add("request ", request_id);
    if (!origin.empty()) what.append(" (").append(origin).append(")");
    return std::make_shared<const Detail>(std::move(*this));
  }

  static Error error(Detail detail) { return Error(std::move(detail).sealed()); }
  /// What a moved-from Error still answers with.
  static const Detail& of(const std::shared_ptr<const Detail>& detail) noexcept;
};

namespace {
/// Made before main, because it is needed exactly when nothing can be allocated any more.
const Error kOutOfMemory(ErrorCode::resource_exhausted, "out of memory");
}  // namespace

const Error::Detail& Error::Detail::of(const std::shared_ptr<const Detail>& detail) noexcept {
  return detail != nullptr ? *detail : *kOutOfMemory.detail_;
}

Error::Error(std::shared_ptr<const Detail> detail) noexcept : detail_(std::move(detail)) {}

Error::Error(ErrorCode code, std::string message) {
  Detail detail;
  detail.code = code;
  detail.message = std::move(message);
  detail_ = std::move(detail).sealed();
}

ErrorCode Error::code() const noexcept {
  return Detail::of(detail_).code;
}
const std::string& Error::message() const noexcept {
  return Detail::of(detail_).message;
}
const char* Error::what() const noexcept {
  return Detail::of(detail_).what.c_str();
}
bool Error::retryable() const noexcept {
  const Detail& detail = Detail::of(detail_);
  return detail.retryable.value_or(detail.code == ErrorCode::unavailable ||
                                   detail.code == ErrorCode::aborted);
}
std::optional<std::chrono::milliseconds> Error::retry_after() const noexcept {
  return Detail::of(detail_).retry_after;
}
int Error::http_status() const noexcept {
  return Detail::of(detail_).http_status;
}
const std::string& Error::provider() const noexcept {
  return Detail::of(detail_).provider;
}
const std::string& Error::request_id() const noexcept {
  return Detail::of(detail_).request_id;
}
const Error* Error::cause() const noexcept {
  const Detail& detail = Detail::of(detail_);
  return detail.cause ? &*detail.cause : nullptr;
}

Error Error::with_retryable(bool retryable) const {
  Detail copy = Detail::of(detail_);
  copy.retryable = retryable;
  return Detail::error(std::move(copy));
}
Error Error::with_retry_after(std::chrono::milliseconds delay) const {
  Detail copy = Detail::of(detail_);
  copy.retry_after = delay;
  return Detail::error(std::move(copy));
}
Error Error::with_http_status(int status) const {
  Detail copy = Detail::of(detail_);
  copy.http_status = status;
  return Detail::error(std::move(copy));
}
Error Error::with_provider(std::string provider) const {
  Detail copy = Detail::of(detail_);
  copy.provider = std::move(provider);
  return Detail::error(std::move(copy));
}
Error Error::with_request_id(std::string id) const {
  Detail copy = Detail::of(detail_);
  copy.request_id = std::move(id);
  return Detail::error(std::move(copy));
}
Error Error::with_cause(Error cause) const {
  Detail copy = Detail::of(detail_);
  copy.cause = std::move(cause);
  return Detail::error(std::move(copy));
}
Error Error::with_context(std::string_view prefix) const {
  Detail copy = Detail::of(detail_);
  copy.message.insert(0, ": ").insert(0, prefix);
  return Detail::error(std::move(copy));
}

void raise(Error error) {
  throw error;
}

Error current_error() {
  try {
    if (std::current_exception() == nullptr)
      return Error(ErrorCode::internal, "current_error() was called outside a catch block");
    try {
      throw;
    } catch (const abi::__forced_unwind&) {
      throw;  // pthread_cancel and friends: the runtime aborts the process when this is not passed on
    } catch (const Error& error) {
      return error;
    } catch (const std::bad_alloc&) {
      return kOutOfMemory;
    } catch (const std::exception& error) {
      return Error(ErrorCode::unknown, error.what());
    } catch (...) {
      const std::type_info* type = abi::__cxa_current_exception_type();
      int status = -1;
      char* name = type != nullptr ? abi::__cxa_demangle(type->name(), nullptr, nullptr, &status) : nullptr;
      const std::unique_ptr<char, void (*)(void*)> owned(name, std::free);
      return Error(ErrorCode::unknown, std::string("an exception of type ") +
                                           (status == 0 && name != nullptr ? name : "unknown") +
                                           " that does not derive from std::exception");
    }
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

namespace detail {

void rethrow(Failure failure) {
  if (failure.original) std::rethrow_exception(std::move(failure.original));
  throw std::move(failure.error);
}

std::optional<Failure> catching_as_thrown(void (*call)(void*), void* object) {
  try {
    call(object);
    return std::nullopt;
  } catch (const Error& error) {
    return Failure{error};
  } catch (...) {
    return Failure{current_error(), std::current_exception()};
  }
}

std::optional<Error> catching(void (*call)(void*), void* object) {
  try {
    call(object);
    return std::nullopt;
  } catch (...) {
    return current_error();
  }
}

}  // namespace detail
}  // namespace beluga
