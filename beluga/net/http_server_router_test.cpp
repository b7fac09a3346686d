#include "beluga/net/http_server_router.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "beluga/net/internal/http_server_testing.hpp"
#include "beluga/net/internal/raw_peer.hpp"

namespace beluga {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using testing_support::echo;
using testing_support::get;
using testing_support::RawPeer;

TEST(HttpRouter, ChoosesTheMostSpecificRouteWhateverTheOrder) {
  HttpRouter router;
  const auto say = [](std::string name, std::string param) {
    return [name = std::move(name), param = std::move(param)](HttpServerRequest& request,
                                                              HttpServerResponse& response) {
      response.send(name + ":" + std::string(request.param(param)));
    };
  };
  router.on("GET", "/{rest...}", say("rest", "rest"));
  router.on("GET", "/s/{id}", say("param", "id"));
  router.on("GET", "/s/new", say("literal", "none"));
  router.on("DELETE", "/s/{id}", say("delete", "id"));
  router.on("GET", "/s/{id}/events", say("events", "id"));
  EXPECT_THROW(router.on("GET", "/s/{other}", say("", "")), Error);
  EXPECT_THROW(router.on("GET", "s", say("", "")), Error);
  EXPECT_THROW(router.on("GET", "/a{b}", say("", "")), Error);
  EXPECT_THROW(router.on("GET", "/{a...}/b", say("", "")), Error);
  HttpServer server({}, std::move(router));
  RawPeer peer(server.port());
  const auto ask = [&](std::string_view method, std::string_view path) {
    peer.send(std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    if (method == "HEAD") return peer.until("\r\n\r\n");
    const auto [head, body] = peer.response();
    return head.starts_with("HTTP/1.1 200") ? body : head;
  };
  EXPECT_EQ(ask("GET", "/s/new"), "literal:");
  EXPECT_EQ(ask("GET", "/s/a%20b"), "param:a b");
  EXPECT_EQ(ask("GET", "/s/7/events"), "events:7");
  EXPECT_EQ(ask("GET", "/other/x/y"), "rest:other/x/y");
  EXPECT_EQ(ask("DELETE", "/s/9"), "delete:9");
  EXPECT_THAT(ask("HEAD", "/s/9"), HasSubstr("Content-Length: 7"));
  EXPECT_THAT(ask("PUT", "/s/9"),
              testing::AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, DELETE, HEAD, OPTIONS")));
  EXPECT_THAT(ask("OPTIONS", "/s/9"), StartsWith("HTTP/1.1 204"));
}

TEST(HttpRouter, AnswersAnUnknownPathWithNotFound) {
  HttpRouter router;
  router.on("GET", "/a", echo);
  HttpServer server({}, std::move(router));
  RawPeer peer(server.port());
  peer.send(get("/b"));
  const auto [head, body] = peer.response();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(body, HasSubstr("\"not_found\""));
}

}  // namespace
}  // namespace beluga
