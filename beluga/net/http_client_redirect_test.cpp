#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "beluga/fiber/runtime.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using testing::FaultConnection;
using testing::FaultServer;
using testing::http_response;
using testing_support::error_of;
using testing_support::plain;

TEST(HttpClient, HandsOutRedirectsUnlessAskedToFollow) {
  FaultServer server(FaultServer::always(http_response("302 Found", "Location: /there\r\n", "")));
  EXPECT_EQ(HttpClient(plain()).send({.url = server.url()}).status, 302);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, FollowsRedirectsUpToALimit) {
  FaultServer server([](FaultConnection& peer) {
    for (;;) {
      const std::string target = peer.read_request().target;
      if (target == "/3")
        peer.send(http_response("200 OK", "", "end"));
      else if (target == "/loop")
        peer.send(http_response("302 Found", "Location: /loop\r\n", "again"));
      else
        peer.send(http_response("301 Moved Permanently",
                                "Location: ./" + std::to_string(target[1] - '0' + 1) + "\r\n", "gone"));
    }
  });
  const HttpClient client(plain());
  Runtime runtime({.workers = 1});
  runtime.run([&] {
    const auto answer = client.send({.url = server.url("/1")}, {.max_redirects = 2});
    EXPECT_EQ(answer.body, "end");
    EXPECT_EQ(answer.url, server.url("/3"));
    EXPECT_EQ(client.open({.url = server.url("/1")}, {.max_redirects = 2}).read_all(), "end");
    EXPECT_EQ(error_of([&] { client.send({.url = server.url("/loop")}, {.max_redirects = 3}); }).code(),
              ErrorCode::resource_exhausted);
  });
  EXPECT_EQ(server.requests().size(), 3U + 3U + 4U);
}

TEST(HttpClient, ChangesTheMethodAsTheStandardSays) {
  struct Case {
    const char* status;
    const char* method;
    const char* then;
    const char* body;
  };
  for (const Case& c :
       {Case{"301 Moved Permanently", "POST", "GET", ""}, Case{"302 Found", "POST", "GET", ""},
        Case{"303 See Other", "PUT", "GET", ""}, Case{"307 Temporary Redirect", "POST", "POST", "b"},
        Case{"308 Permanent Redirect", "PUT", "PUT", "b"}, Case{"302 Found", "PUT", "PUT", "b"}}) {
    FaultServer server([&](FaultConnection& peer) {
      for (;;) {
        if (peer.read_request().target == "/a")
          peer.send(http_response(c.status, "Location: /b\r\n", ""));
        else
          peer.send(http_response("200 OK", "", "x"));
      }
    });
    HttpClient(plain()).send({.method = c.method,
                              .url = server.url("/a"),
                              .headers = {{"Content-Type", "text/plain"}},
                              .body = "b"},
                             {.max_redirects = 5});
    ASSERT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[1].method, c.then) << c.status;
    EXPECT_EQ(server.requests()[1].body, c.body) << c.status;
    EXPECT_EQ(server.requests()[1].has_header("Content-Type"), *c.body != '\0');
  }
}

TEST(HttpClient, DropsCredentialsWhenARedirectLeavesTheOrigin) {
  FaultServer other(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer server([&](FaultConnection& peer) {
    for (;;) {
      const std::string target = peer.read_request().target;
      if (target == "/away")
        peer.send(http_response("307 Temporary Redirect", "Location: " + other.url("/x") + "\r\n", ""));
      else if (target == "/near")
        peer.send(http_response("307 Temporary Redirect", "Location: /here\r\n", ""));
      else
        peer.send(http_response("200 OK", "", "x"));
    }
  });
  const HttpClient client(plain());
  const HttpHeaders headers{
      {"Authorization", "Bearer s"}, {"X-Api-Key", "s"}, {"Cookie", "s"}, {"Accept", "text/plain"}};
  client.send({.url = server.url("/near"), .headers = headers}, {.max_redirects = 1});
  EXPECT_EQ(server.requests().back().header("Authorization"), "Bearer s") << "the same origin keeps them";
  client.send({.url = server.url("/away"), .headers = headers}, {.max_redirects = 1});
  const auto request = other.requests().at(0);
  for (const char* name : {"Authorization", "X-Api-Key", "Cookie"})
    EXPECT_FALSE(request.has_header(name)) << name;
  EXPECT_EQ(request.header("Accept"), "text/plain");
  client.send({.url = "http://u:p@" + server.authority() + "/away"}, {.max_redirects = 1});
  EXPECT_FALSE(other.requests().at(1).has_header("Authorization"));
}

TEST(HttpClient, ChecksTheUrlOfEachHop) {
  FaultServer other(FaultServer::always(http_response("200 OK", "", "internal")));
  FaultServer server(
      FaultServer::always(http_response("302 Found", "Location: " + other.url("/admin") + "\r\n", "")));
  HttpClientOptions options = plain();
  std::vector<std::string> seen;
  options.url_filter = [&](const Url& url) {
    seen.push_back(url.str());
    if (url.port() == other.port()) raise(Error(ErrorCode::permission_denied, "host not allowed"));
  };
  options.max_redirects = 5;
  const Error error = error_of([&] { HttpClient(options).send({.url = server.url("/")}); });
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_THAT(seen, ElementsAre(server.url("/"), other.url("/admin")));
  EXPECT_EQ(other.connections(), 0U);
}

TEST(HttpClient, RefusesRedirectsToOtherSchemes) {
  for (const char* target : {"file:///etc/passwd", "ftp://h/x", "gopher://h/", "ws://h/"}) {
    FaultServer server(
        FaultServer::always(http_response("302 Found", "Location: " + std::string(target) + "\r\n", "")));
    const Error error =
        error_of([&] { HttpClient(plain()).send({.url = server.url()}, {.max_redirects = 1}); });
    EXPECT_THAT(error.code(), AnyOf(ErrorCode::permission_denied, ErrorCode::invalid_argument)) << target;
  }
}

}  // namespace
}  // namespace beluga
