#pragma once
/// The trace on its way to another process, in the headers of a request: W3C Trace Context.
///
///     HttpRequest request{.method = "POST", .url = url, .body = text};
///     observe::propagate(request.headers);   // the server's spans become children of the current span
///     HttpClient().send(std::move(request));
///
/// It is said where a request is made, not in the HTTP client: a trace goes to the services that a program
/// works with, not to every address that a tool fetches.

#include "beluga/fiber/context.hpp"
#include "beluga/net/http.hpp"

namespace beluga::observe {

/// Adds `traceparent` for the span that `context` is under: flags 01 when it is recorded, 00 when its trace was
/// not sampled, so that the other side does not sample it either. Nothing without a span (tracing is off), or
/// when the headers name a parent already.
void propagate(HttpHeaders& headers, const Context& context = Context::current());

}  // namespace beluga::observe
