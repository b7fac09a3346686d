#include <gmock/gmock.h>

#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/internal/html_text.hpp"
#include "beluga/tool/tool_set.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga::tool::builtin {
namespace {

using beluga::detail::html_text;
using ::testing::ElementsAre;
using testing::FaultConnection;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using ::testing::Not;

constexpr std::string_view kPlain = "Content-Type: text/plain; charset=utf-8\r\n";

/// Allows `server` only.
HttpGetOptions only(const FaultServer& server) {
  return {.allowed_hosts = {server.authority()}, .allow_private = true};
}
Result<ToolOutput> get(const HttpGetOptions& options, const std::string& url, bool raw = false) {
  return attempt([&] { return http_get(options)->call(Json::object({{"url", url}, {"raw", raw}}), {}); });
}
/// The code of the error that reading `url` ends in.
ErrorCode refusal(const HttpGetOptions& options, const std::string& url) {
  const auto out = get(options, url);
  if (out.ok()) {
    ADD_FAILURE() << url << " was read: " << out.value().content;
    return ErrorCode::unknown;
  }
  return out.error().code();
}

TEST(HttpGet, ReadsAnAllowedHostAndNamesTheSource) {
  FaultServer server(FaultServer::always(http_response("200 OK", kPlain, "Fibers park.\n")));
  const auto out = get(only(server), server.url("/doc?x=1")).value();
  EXPECT_EQ(out.content, "Fibers park.\n");
  EXPECT_FALSE(out.is_error);
  EXPECT_THAT(out.sources, ElementsAre(server.url("/doc?x=1")));
  EXPECT_EQ(server.requests().at(0).method, "GET");
  EXPECT_EQ(server.requests().at(0).target, "/doc?x=1");
}

TEST(HttpGet, ReadsOnAFiberToo) {
  FaultServer server(
      FaultServer::always(http_response("200 OK", "Content-Type: text/html\r\n", "<p>parked</p>")));
  Runtime runtime({.workers = 1});
  EXPECT_EQ(runtime.run([&] { return get(only(server), server.url()).value().content; }), "parked\n");
}

TEST(HttpGet, IsOfferedOnlyWhenAHostIsAllowed) {
  const auto has = [](const StandardOptions& options) {
    return ToolSet(standard(options)).find("http_get") != nullptr;
  };
  EXPECT_FALSE(has({.root = "/"}));
  EXPECT_TRUE(has({.root = "/", .allowed_hosts = {"example.org"}}));
  EXPECT_EQ(attempt([] { http_get({}); }).error().code(), ErrorCode::invalid_argument);
}

TEST(HttpGet, NeverConnectsToAHostThatIsNotAllowed) {
  FaultServer server(FaultServer::always(http_response("200 OK", kPlain, "secret")));
  const std::string port = ":" + std::to_string(server.port());
  const HttpGetOptions options{
      .allowed_hosts = {"example.org", "*.example.net", "127.0.0.2" + port, "127.0.0.1:1"},
      .allow_private = true,
      .resolve = [](const std::string&) -> std::vector<IpAddress> {
        return {*IpAddress::parse("127.0.0.1")};
      }};
  for (const std::string& url : std::initializer_list<std::string>{
           server.url(), "http://example.org" + port + "/", "http://example.net" + port + "/",
           "http://evil-example.net/", "http://example.net/", "http://a.example.net" + port + "/",
           "http://example.org.evil.test/", "http://example.org@127.0.0.1" + port + "/",
           "http://user:word@example.org/", "http://example.org./"})
    EXPECT_EQ(refusal(options, url), ErrorCode::permission_denied) << url;
  EXPECT_EQ(refusal(options, "file:///etc/passwd"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(options, "ws://example.org/"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(options, "/relative"), ErrorCode::invalid_argument);
  EXPECT_EQ(server.connections(), 0U);
  EXPECT_THAT(get(options, server.url("/path?token=x")).error().message(), Not(HasSubstr("token")));
}

TEST(HttpGet, AStarStandsForSubdomainsAndAPortForItself) {
  FaultServer server(FaultServer::always(http_response("200 OK", kPlain, "read")));
  const std::string port = ":" + std::to_string(server.port());
  const HttpGetOptions options{.allowed_hosts = {"*.Example.NET" + port},
                               .allow_private = true,
                               .resolve = [](const std::string&) -> std::vector<IpAddress> {
                                 return {*IpAddress::parse("127.0.0.1")};
                               }};
  EXPECT_EQ(get(options, "http://a.b.example.net" + port + "/").value().content, "read");
  EXPECT_EQ(get(options, "http://A.EXAMPLE.net" + port + "/").value().content, "read");
  EXPECT_EQ(refusal(options, "http://example.net" + port + "/"), ErrorCode::permission_denied);
  EXPECT_EQ(refusal(options, "http://a.example.net/"), ErrorCode::permission_denied);
}

TEST(HttpGet, RefusesListEntriesThatAreNoHost) {
  for (const std::string entry :
       {"", "*", "*.", "https://example.org", "example.org/path", "a@example.org", "exa*mple.org",
        "*.*.example.org", "*.127.0.0.1", "example.org:port", "example.org:99999", "two hosts"}) {
    const auto made = attempt([&] { return http_get({.allowed_hosts = {entry}}); });
    ASSERT_FALSE(made.ok()) << entry;
    EXPECT_EQ(made.error().code(), ErrorCode::invalid_argument) << entry;
    EXPECT_THAT(made.error().message(), HasSubstr("'*.example.org'")) << entry;
  }
  EXPECT_TRUE(attempt([] { return http_get({.allowed_hosts = {"[2001:db8::1]:8080", "10.0.0.1"}}); }).ok());
}

TEST(HttpGet, FollowsARedirectToAnAllowedHostOnly) {
  FaultServer inside(FaultServer::always(http_response("200 OK", kPlain, "internal")));
  FaultServer outside([&](FaultConnection& peer) {
    for (;;) {
      const bool first = peer.read_request().target == "/here";
      peer.send(
          http_response("302 Found", "Location: " + (first ? "/moved" : inside.url("/admin")) + "\r\n", ""));
    }
  });
  EXPECT_EQ(refusal(only(outside), outside.url("/here")), ErrorCode::permission_denied);
  EXPECT_EQ(inside.connections(), 0U);
  ASSERT_EQ(outside.requests().size(), 2U);

  HttpGetOptions both = only(outside);
  both.allowed_hosts.push_back(inside.authority());
  const auto out = get(both, outside.url("/here")).value();
  EXPECT_EQ(out.content, "internal");
  EXPECT_THAT(out.sources, ElementsAre(inside.url("/admin")));
}

TEST(HttpGet, EndsARedirectThatGoesInCircles) {
  FaultServer server(FaultServer::always(http_response("302 Found", "Location: /again\r\n", "")));
  EXPECT_EQ(refusal(only(server), server.url()), ErrorCode::resource_exhausted);
  EXPECT_LE(server.requests().size(), 6U);
}

TEST(HttpGet, RefusesPrivateAddressesHoweverTheyAreReached) {
  FaultServer server(FaultServer::always(http_response("200 OK", kPlain, "internal")));
  const std::string port = ":" + std::to_string(server.port());
  for (const std::string address : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1",
                                    "::ffff:127.0.0.1", "fe80::1", "fd00::1", "0.0.0.0"}) {
    const HttpGetOptions options{.allowed_hosts = {"innocent.example" + port, server.authority()},
                                 .resolve = [&](const std::string&) -> std::vector<IpAddress> {
                                   return {*IpAddress::parse(address)};
                                 }};
    EXPECT_EQ(refusal(options, "http://innocent.example" + port + "/"), ErrorCode::permission_denied)
        << address;
    EXPECT_EQ(refusal(options, server.url()), ErrorCode::permission_denied);
  }
  EXPECT_EQ(server.connections(), 0U);
}

TEST(HttpGet, CutsABigBodyAndSaysSo) {
  const HttpGetOptions options{.allow_private = true, .max_bytes = 1000};
  const auto read = [&](const std::string& type, const std::string& body, bool raw = false) {
    FaultServer server(FaultServer::always(http_response("200 OK", "Content-Type: " + type + "\r\n", body)));
    HttpGetOptions own = options;
    own.allowed_hosts = {server.authority()};
    return get(own, server.url(), raw).value().content;
  };
  EXPECT_EQ(read("text/plain", std::string(1000, 'x')), std::string(1000, 'x'));
  const std::string cut = read("text/plain", std::string(8'000'000, 'x'));
  EXPECT_THAT(cut, HasSubstr("[cut: these are the first 1000 bytes of text; the page is longer]"));
  EXPECT_LT(cut.size(), 1100U);
  // Within a character: the whole character goes.
  EXPECT_THAT(read("text/plain", "x" + std::string(999, '\xC3') + "\xA9"), Not(HasSubstr("\xC3\n")));
  EXPECT_THAT(read("text/html", "<p>" + std::string(1500, 'x')), HasSubstr("[cut: these are the first 1000"));
  EXPECT_THAT(read("text/html", "<p>short" + std::string(8'000'000, ' ')), HasSubstr("[cut: these"));
  EXPECT_EQ(read("text/html", "<p>short" + std::string(10'000, ' ')), "short\n");
  EXPECT_THAT(read("text/html", "<p>" + std::string(1500, 'x'), true), HasSubstr("<p>xxx"));
}

TEST(HttpGet, DoesNotFetchTheRestOfAnEndlessBody) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    for (;;) peer.send(std::string(65536, 'x'));  // ends when the client hangs up
  });
  EXPECT_THAT(get(only(server), server.url()).value().content, HasSubstr("[cut:"));
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(HttpGet, RefusesWhatIsNotText) {
  for (const std::string type : {"image/png", "application/pdf", "application/octet-stream", "video/mp4"}) {
    FaultServer server(FaultServer::always(http_response("200 OK", "Content-Type: " + type + "\r\n", "x")));
    const auto out = get(only(server), server.url());
    ASSERT_FALSE(out.ok()) << type;
    EXPECT_EQ(out.error().code(), ErrorCode::failed_precondition);
    EXPECT_THAT(out.error().message(), HasSubstr(type));
  }
  FaultServer liar(FaultServer::always(http_response("200 OK", kPlain, std::string("a\0b", 3))));
  EXPECT_EQ(refusal(only(liar), liar.url()), ErrorCode::failed_precondition);
  FaultServer latin(FaultServer::always(http_response("200 OK", kPlain, "caf\xE9")));
  EXPECT_EQ(get(only(latin), latin.url()).value().content, "caf\xEF\xBF\xBD");
  for (const std::string type : {"application/json", "application/problem+json", "TEXT/Plain ; x=y"}) {
    FaultServer server(FaultServer::always(http_response("200 OK", "Content-Type: " + type + "\r\n", "{}")));
    EXPECT_EQ(get(only(server), server.url()).value().content, "{}") << type;
  }
}

TEST(HttpGet, AStatusOfFailureIsAnErrorWithWhatTheServerSays) {
  const auto answer = [](const std::string& status, std::string_view headers, const std::string& body) {
    FaultServer server(FaultServer::always(http_response(status, headers, body)));
    const auto out = get(only(server), server.url());
    return out.ok() ? Error(ErrorCode::unknown, "it was read") : out.error();
  };
  const Error missing =
      answer("404 Not Found", "Content-Type: text/html\r\n", "<h1>No such page</h1><script>x</script>");
  EXPECT_EQ(missing.code(), ErrorCode::not_found);
  EXPECT_EQ(missing.http_status(), 404);
  EXPECT_EQ(missing.message(), "the server answered 404 Not Found: No such page");
  EXPECT_EQ(answer("403 Forbidden", "", "").message(), "the server answered 403 Forbidden");
  EXPECT_EQ(answer("429 Too Many Requests", kPlain, "slow down").code(), ErrorCode::resource_exhausted);
  const Error down = answer("503 Service Unavailable", kPlain, std::string(100'000, 'x'));
  EXPECT_EQ(down.code(), ErrorCode::unavailable);
  EXPECT_LT(down.message().size(), 400U);
  EXPECT_EQ(answer("304 Not Modified", "", "").code(), ErrorCode::failed_precondition);
  EXPECT_EQ(answer("500 Oops", "Content-Type: image/png\r\n", "x").message(),
            "the server answered 500 Internal Server Error");
}

TEST(HttpGet, AModelGetsStructuredErrorsAndATimeLimit) {
  FaultServer server([](FaultConnection& peer) {
    peer.read_request();
    peer.stall();
  });
  HttpGetOptions options = only(server);
  options.timeout = std::chrono::milliseconds(50);
  const ToolSet tools({http_get(options)});
  const auto call = [&](const std::string& arguments) {
    return tools.call({.id = "1", .name = "http_get", .arguments = arguments}, {});
  };
  const auto slow = call(Json::object({{"url", server.url()}}).dump());
  EXPECT_TRUE(slow.is_error);
  EXPECT_EQ(
      slow.content,
      R"({"error":{"code":"deadline_exceeded","message":"the tool 'http_get' did not finish within 0.05 s"}})");
  EXPECT_TRUE(server.wait_until_open_at_most(0)) << "the request is aborted on the wire";
  EXPECT_THAT(call(R"({"url":"http://elsewhere.test/"})").content,
              HasSubstr(R"("code":"permission_denied")"));
  EXPECT_THAT(call(R"({"url":""})").content, HasSubstr(R"("path":"/url")"));
}

TEST(HtmlText, KeepsWhatAPersonWouldRead) {
  EXPECT_EQ(
      html_text("<!DOCTYPE html><html><head><title>Fibers &amp; more</title><style>p{}</style></head>"
                "<body><h1>One</h1>\n <p>A  <b>fiber</b>\nparks.<br>Then &lt;runs&gt;&#33;&#x21;</p>"
                "<ul><li>first<li>second</ul><table><tr><td>a<td>b</table><script>if (1<2) x()</script>"),
      "Fibers & more\nOne\nA fiber parks.\nThen <runs>!!\n- first\n- second\na b\n");
  EXPECT_EQ(html_text("a &unknown; b & c &; &#xD800;&#x1b;&#99999999999;"),
            "a &unknown; b & c &; \xEF\xBF\xBD\xEF\xBF\xBD&#99999999999;\n");
  EXPECT_EQ(html_text("<a title='x>y' href=it's>in</a> 1 < 2 <3"), "in 1 < 2 <3\n");
  EXPECT_EQ(html_text("x<!-- <p>no</p> -->y"), "xy\n");
  EXPECT_EQ(html_text("<SCRIPT>a</scripty>b</Script >c"), "c\n");
}

TEST(HtmlText, SurvivesBrokenAndHostilePages) {
  for (const std::string broken : {"<", "</", "<p", "<p a='", "<!--", "<!", "&", "&#", "&#x;", "<script>",
                                   "<script></", "<script></script", "<script>x</scrip"})
    EXPECT_LE(html_text(broken).size(), broken.size() + 1) << broken;
  // Each of these would take hours if looking for an end began anew at every place.
  for (const std::string piece : {"<", "<!--", "<p a='", "</script", "&", "<script>", "&amp"}) {
    std::string page = "<script></script>";
    while (page.size() < 4'000'000) page += piece;
    EXPECT_LE(html_text(page).size(), page.size() + 1) << piece;
  }
}

}  // namespace
}  // namespace beluga::tool::builtin
