#pragma once
/// Failures of models that a caller may want to tell apart within one error code.

#include "beluga/base/error.hpp"

namespace beluga::llm {

/// The prompt does not fit into the model's context window: shorten the conversation and try again.
/// (An Error{invalid_argument} of a model.)
bool is_context_overflow(const Error& error) noexcept;
/// The account's quota or credit is used up, as opposed to a rate limit that passes: do not retry.
/// (An Error{resource_exhausted} of a model.)
bool is_quota_exhausted(const Error& error) noexcept;

}  // namespace beluga::llm
