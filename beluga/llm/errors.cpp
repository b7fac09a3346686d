#include "beluga/llm/errors.hpp"

namespace beluga::llm {
namespace {

// The canonical code is too coarse for these two, so providers put the tag of the wire format into the
// message.
bool tagged(const Error& error, ErrorCode code, std::string_view tag) noexcept {
  for (const Error* e = &error; e != nullptr; e = e->cause())
    if (e->code() == code && e->message().find(tag) != std::string::npos) return true;
  return false;
}

}  // namespace

bool is_context_overflow(const Error& error) noexcept {
  return tagged(error, ErrorCode::invalid_argument, "[context_length_exceeded");
}

bool is_quota_exhausted(const Error& error) noexcept {
  return tagged(error, ErrorCode::resource_exhausted, "[insufficient_quota");
}

}  // namespace beluga::llm
