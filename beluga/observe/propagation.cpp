#include "beluga/observe/propagation.hpp"

#include "beluga/observe/span.hpp"
#include "beluga/observe/trace_context.hpp"

namespace beluga::observe {

void propagate(HttpHeaders& headers, const Context& context) {
  constexpr const char* kName = "traceparent";
  const auto* active = context.get<ActiveSpan>();
  if (active == nullptr || !active->span.valid() || headers.contains(kName)) return;
  headers.add(kName, traceparent(active->span));
}

}  // namespace beluga::observe
