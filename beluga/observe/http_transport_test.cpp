#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <string>

#include "beluga/base/json.hpp"
#include "beluga/net/http_server.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga::observe {
namespace {

using namespace std::chrono_literals;

TEST(OtlpOverHttp, ArrivesAtACollectorWithItsHeaders) {
  std::mutex mutex;
  std::vector<std::string> seen;
  std::string body;
  HttpServer server({}, [&](HttpServerRequest& request, HttpServerResponse& response) {
    const std::string content = request.body();
    const std::lock_guard lock(mutex);
    seen.push_back(std::string(request.method()) + " " + std::string(request.path()) + " " +
                   std::string(request.headers().get_or("content-type", "")) + " " +
                   std::string(request.headers().get_or("authorization", "")));
    if (request.path() == "/v1/traces") body = content;
    response.send(200, "application/json", "{}");
  });
  const auto telemetry =
      Telemetry::create({.otlp = {.endpoint = "http://127.0.0.1:" + std::to_string(server.port()),
                                  .headers = {{"authorization", "Basic x"}}}});
  telemetry->start_span("over the wire", SpanKind::internal);
  telemetry->metrics().record(instruments::kRuns, 1);
  EXPECT_TRUE(telemetry->shutdown(10s));
  const std::lock_guard lock(mutex);
  EXPECT_THAT(seen, ::testing::ElementsAre("POST /v1/traces application/json Basic x",
                                           "POST /v1/metrics application/json Basic x"));
  EXPECT_EQ(Json::parse(body).pointer("/resourceSpans/0/scopeSpans/0/spans/0/name")->as_string(),
            "over the wire");
}

TEST(OtlpOverHttp, GivesUpInTimeWhenNobodyListens) {
  std::uint16_t port = 0;
  {
    port = HttpServer({}, [](HttpServerRequest&, HttpServerResponse&) {}).port();
  }  // free again
  const auto telemetry = Telemetry::create(
      {.log = {.level = LogLevel::off}, .otlp = {.endpoint = "http://127.0.0.1:" + std::to_string(port)}});
  telemetry->start_span("lost", SpanKind::internal);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(telemetry->shutdown(200ms));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_EQ(telemetry->spans_dropped(), 1U);
}

}  // namespace
}  // namespace beluga::observe
