#include "beluga/net/http_server_router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace beluga {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::vector<HttpRouter::Segment> HttpRouter::parse(std::string_view pattern) {
  const auto wrong = [&](std::string_view why) {
    return Error(ErrorCode::invalid_argument, fmt::format("HttpRouter: pattern '{}': {}", pattern, why));
  };
  if (pattern.empty() || pattern.front() != '/') throw wrong("must start with '/'");
  std::vector<Segment> out;
  for (const std::string_view part : split(pattern)) {
    if (!out.empty() && out.back().kind == Segment::Kind::rest) throw wrong("nothing may follow {name...}");
    if (part.find_first_of("{}") == std::string_view::npos) {
      out.push_back({Segment::Kind::literal, std::string(part)});
      continue;
    }
    if (part.size() < 3 || part.front() != '{' || part.back() != '}' ||
        part.find_first_of("{}", 1) != part.size() - 1)
      throw wrong("a parameter is a whole segment: {name} or {name...}");
    std::string_view name = part.substr(1, part.size() - 2);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    if (!is_http_token(name)) throw wrong("a parameter needs a name");
    for (const Segment& other : out)
      if (other.kind != Segment::Kind::literal && other.text == name)
        throw wrong("a parameter's name is used twice");
    out.push_back({rest ? Segment::Kind::rest : Segment::Kind::parameter, std::string(name)});
  }
  return out;
}

HttpRouter& HttpRouter::on(std::string_view method, std::string_view pattern, HttpServer::Handler handler) {
  if (!is_http_token(method))
    throw Error(ErrorCode::invalid_argument, fmt::format("HttpRouter: '{}' is no method", method));
  Route route{std::string(method), parse(pattern), std::move(handler)};
  const auto same = [&](const Route& other) {
    return other.method == route.method &&
           std::equal(other.segments.begin(), other.segments.end(), route.segments.begin(),
                      route.segments.end(), [](const Segment& a, const Segment& b) {
                        return a.kind == b.kind && (a.kind != Segment::Kind::literal || a.text == b.text);
                      });
  };
  if (std::any_of(routes_.begin(), routes_.end(), same))
    throw Error(ErrorCode::already_exists,
                fmt::format("HttpRouter: {} {} is registered already", method, pattern));
  const auto more_specific = [](const Route& a, const Route& b) {
    return std::lexicographical_compare(a.segments.begin(), a.segments.end(), b.segments.begin(),
                                        b.segments.end(),
                                        [](const Segment& x, const Segment& y) { return x.kind < y.kind; });
  };
  routes_.insert(std::upper_bound(routes_.begin(), routes_.end(), route, more_specific), std::move(route));
  return *this;
}

void HttpRouter::operator()(HttpServerRequest& request, HttpServerResponse& response) {
  const std::string_view path = request.path();
  std::string allowed;
  const auto match =
      [&](const Route& route) -> std::optional<std::vector<std::pair<std::string, std::string>>> {
    if (path.empty() || path.front() != '/') return std::nullopt;
    std::vector<std::pair<std::string, std::string>> params;
    std::string_view rest = path.substr(1);
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
      const Segment& segment = route.segments[i];
      if (segment.kind == Segment::Kind::rest) {
        params.emplace_back(segment.text, rest);
        return params;
      }
      const std::size_t slash = rest.find('/');
      const std::string_view part = rest.substr(0, slash);
      if (segment.kind == Segment::Kind::literal) {
        if (part != segment.text) return std::nullopt;
      } else {
        if (part.empty()) return std::nullopt;
        params.emplace_back(segment.text, part);
      }
      const bool last = i + 1 == route.segments.size();
      if (last != (slash == std::string_view::npos)) return std::nullopt;
      if (!last) rest.remove_prefix(slash + 1);
    }
    return params;
  };
  Route* chosen = nullptr;
  std::vector<std::pair<std::string, std::string>> params;
  for (Route& route : routes_) {
    auto found = match(route);
    if (!found) continue;
    const bool exact = route.method == request.method();
    if (exact || (chosen == nullptr && request.method() == "HEAD" && route.method == "GET")) {
      chosen = &route;
      params = std::move(*found);
      if (exact) break;
    }
    if (allowed.find(route.method) == std::string::npos)
      allowed.append(allowed.empty() ? "" : ", ").append(route.method);
  }
  if (chosen != nullptr) {
    request.set_params(std::move(params));
    chosen->handler(request, response);
    return;
  }
  if (allowed.empty())
    return response.send_error(Error(ErrorCode::not_found, "nothing is served at this path"));
  if (allowed.find("GET") != std::string::npos && allowed.find("HEAD") == std::string::npos)
    allowed += ", HEAD";
  response.headers().set("Allow", allowed + ", OPTIONS");
  if (request.method() == "OPTIONS") {
    response.status(204).send("");
    return;
  }
  response.send(
      405, "application/json",
      "{\"error\":{\"code\":\"unimplemented\",\"message\":\"this path does not take that method\"}}\n");
}

}  // namespace beluga
