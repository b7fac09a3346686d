#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "beluga/net/http_client.hpp"
#include "beluga/net/internal/http_client_testing.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga {
namespace {

using ::testing::AllOf;
using testing::FaultConnection;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using ::testing::Not;
using testing_support::error_of;

/// Sets the proxy variables to these and no others, and puts back what was there.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY",
                             "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      const auto wanted = variables.find(name);
      set(name, wanted == variables.end() ? std::nullopt : std::optional(wanted->second));
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    if (value)
      ::setenv(name.c_str(), value->c_str(), 1);
    else
      ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};

TEST(HttpClient, GoesThroughAProxyUnlessTheHostIsExempt) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer proxy([](FaultConnection& peer) { peer.act_as_proxy(); });
  const std::string url = "http://name.invalid:" + std::to_string(server.port()) + "/p";
  HttpClientOptions options{.proxy = {.http = "http://me:secret@" + proxy.authority()}};
  EXPECT_EQ(HttpClient(options).send({.url = url, .headers = {{"Authorization", "Bearer s"}}}).body, "x");
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].target, url);
  EXPECT_TRUE(proxy.requests()[0].has_header("Proxy-Authorization"));
  EXPECT_EQ(server.requests()[0].target, "/p");
  options.proxy.no_proxy = "127.0.0.1";
  EXPECT_EQ(HttpClient(options).send({.url = server.url()}).body, "x");
  EXPECT_EQ(proxy.requests().size(), 1U);
}

TEST(HttpClient, TakesItsProxiesFromTheEnvironmentWhenItsOptionsAreMade) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer proxy([](FaultConnection& peer) { peer.act_as_proxy(); });
  FaultServer refusing(FaultServer::always(http_response("403 Forbidden", "", "")));
  HttpClientOptions options;
  {
    const Environment environment({{"http_proxy", "http://" + proxy.authority()},
                                   {"HTTP_PROXY", "http://attacker.invalid:1"},
                                   {"HTTPS_PROXY", "http://" + refusing.authority()},
                                   {"NO_PROXY", "direct.invalid, 127.0.0.0/8"}});
    options = HttpClientOptions();
  }
  options.resolve = [](const std::string&) { return std::vector<IpAddress>{*IpAddress::parse("127.0.0.1")}; };
  const HttpClient client(options);
  const std::string port = ":" + std::to_string(server.port()) + "/";
  EXPECT_EQ(client.send({.url = "http://far.invalid" + port}).body, "x");
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].target, "http://far.invalid" + port);
  for (const char* host : {"direct.invalid", "under.direct.invalid", "127.0.0.1"}) {
    EXPECT_EQ(client.send({.url = "http://" + std::string(host) + port}).body, "x") << host;
  }
  EXPECT_EQ(proxy.requests().size(), 1U) << "none of these went through it";
  const Error tunnel = error_of([&] { client.send({.url = "https://far.invalid/"}); });
  EXPECT_EQ(tunnel.code(), ErrorCode::permission_denied) << tunnel.what();
  EXPECT_EQ(refusing.requests().at(0).method, "CONNECT");
  EXPECT_EQ(refusing.requests()[0].target, "far.invalid:443");
}

TEST(HttpClient, ReportsAProxyThatRefusesTheTunnel) {
  FaultServer proxy(FaultServer::always(http_response("407 Proxy Authentication Required", "", "")));
  const HttpClient client({.proxy = {.https = "http://me:hunter2@" + proxy.authority()}});
  const Error error = error_of([&] { client.send({.url = "https://name.invalid/"}); });
  EXPECT_EQ(error.code(), ErrorCode::unauthenticated) << error.what();
  EXPECT_THAT(error.message(), AllOf(HasSubstr("407"), Not(HasSubstr("hunter2"))));
  EXPECT_EQ(proxy.requests().at(0).method, "CONNECT");
  EXPECT_FALSE(proxy.requests()[0].has_header("Authorization"));
}

TEST(HttpClient, AnAddressFilterDoesNotTrustAProxyByItself) {
  FaultServer server(FaultServer::always(http_response("200 OK", "", "x")));
  FaultServer proxy([](FaultConnection& peer) { peer.act_as_proxy(); });
  HttpClientOptions options{.proxy = {.http = "http://" + proxy.authority()}};
  options.address_filter = [](const IpAddress&) { return true; };
  EXPECT_EQ(error_of([&] { HttpClient(options).send({.url = server.url()}); }).code(),
            ErrorCode::permission_denied);
  options.filter_trusts_proxy = true;
  EXPECT_EQ(HttpClient(options).send({.url = server.url()}).body, "x");
}

}  // namespace
}  // namespace beluga
