#pragma once
/// Routes for HttpServer: method and path pattern to handler.
///
///     HttpRouter router;
///     router.on("GET", "/sessions/{id}", [](HttpServerRequest& request, HttpServerResponse& response) {
///       response.send_json(200, load(request.param("id")));
///     });
///     router.on("GET", "/files/{path...}", serve_file);     // "path" takes the rest, slashes included
///     HttpServer server({.port = 8080}, std::move(router));
///
/// A literal segment beats a parameter, a parameter beats a rest; the order of registration does not matter.
/// HEAD is served by GET's handler, OPTIONS answers with Allow, a known path with another method is 405, an
/// unknown one 404. Thread-safety: register first, then serve.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/net/http_server.hpp"

namespace beluga {

class HttpRouter {
 public:
  /// Throws Error{invalid_argument} for a malformed pattern, Error{already_exists} for a route that is taken.
  HttpRouter& on(std::string_view method, std::string_view pattern, HttpServer::Handler handler);

  void operator()(HttpServerRequest& request, HttpServerResponse& response);

 private:
  struct Segment {
    enum class Kind : std::uint8_t { literal, parameter, rest } kind;
    std::string text;
  };
  struct Route {
    std::string method;
    std::vector<Segment> segments;
    HttpServer::Handler handler;
  };
  static std::vector<Segment> parse(std::string_view pattern);
  std::vector<Route> routes_;  ///< most specific first
};

}  // namespace beluga
