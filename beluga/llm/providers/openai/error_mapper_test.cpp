#include "beluga/llm/providers/openai/internal/error_mapper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/llm/errors.hpp"

namespace beluga::llm::openai {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

// 2026-03-01T09:30:00Z
const WallTime kNow{std::chrono::microseconds(1772357400000000)};
constexpr const char* kKey = "sk-test-0123456789abcdef";

Error map(FailedResponse response) {
  const ErrorMapper mapper({.provider = "openai",
                            .model = "gpt-4o",
                            .base_url = "http://127.0.0.1:9/v1",
                            .key_variable = "OPENAI_API_KEY",
                            .secrets = {kKey}});
  return mapper.from_response(response, kNow);
}
Error map(int status, std::string_view body) {
  return map({.status = status, .body = body});
}

TEST(ErrorMapper, GivesEachStatusItsCode) {
  const struct {
    int status;
    ErrorCode code;
    bool retryable;
  } cases[] = {{400, ErrorCode::invalid_argument, false},
               {401, ErrorCode::unauthenticated, false},
               {402, ErrorCode::resource_exhausted, false},
               {403, ErrorCode::permission_denied, false},
               {404, ErrorCode::not_found, false},
               {408, ErrorCode::unavailable, true},
               {409, ErrorCode::aborted, true},
               {413, ErrorCode::invalid_argument, false},
               {418, ErrorCode::unknown, false},
               {422, ErrorCode::invalid_argument, false},
               {429, ErrorCode::resource_exhausted, true},
               {500, ErrorCode::unavailable, true},
               {501, ErrorCode::unimplemented, false},
               {502, ErrorCode::unavailable, true},
               {503, ErrorCode::unavailable, true},
               {529, ErrorCode::unavailable, true},
               {302, ErrorCode::failed_precondition, false}};
  for (const auto& expected : cases) {
    const Error error = map(expected.status, R"({"error":{"message":"said so"}})");
    EXPECT_EQ(error.code(), expected.code) << expected.status;
    EXPECT_EQ(error.retryable(), expected.retryable) << expected.status;
    EXPECT_EQ(error.http_status(), expected.status);
    EXPECT_EQ(error.provider(), "openai");
    EXPECT_THAT(error.message(), HasSubstr("said so"));
  }
}

TEST(ErrorMapper, QuotesMessageCodeAndParameter) {
  const Error error = map(
      {.status = 400,
       .body =
           R"({"error":{"message":"Unknown parameter: 'foo'.","type":"invalid_request_error","param":"foo","code":"unknown_parameter"}})",
       .content_type = "application/json",
       .request_id = "req_123"});
  EXPECT_THAT(error.message(), HasSubstr("Unknown parameter: 'foo'."));
  EXPECT_THAT(error.message(), HasSubstr("[unknown_parameter, param foo]"));
  EXPECT_EQ(error.request_id(), "req_123");
}

TEST(ErrorMapper, NamesTheVariableOfAWrongKeyAndNeverTheKey) {
  const Error error = map(
      {.status = 401,
       .body =
           R"({"error":{"message":"Incorrect API key provided: sk-test-0123456789abcdef. Also sk-proj-abcd***********wxyz.","code":"invalid_api_key"}})",
       .request_id = "r-sk-test-0123456789abcdef"});
  EXPECT_THAT(error.message(), HasSubstr("OPENAI_API_KEY"));
  EXPECT_THAT(error.message(), HasSubstr("http://127.0.0.1:9/v1"));
  EXPECT_THAT(std::string(error.what()), Not(HasSubstr("0123456789")));
  EXPECT_THAT(std::string(error.what()), Not(HasSubstr("wxyz")));
}

TEST(ErrorMapper, NamesModelAndBaseUrlOfAnUnknownModel) {
  const Error error =
      map(404, R"({"error":{"message":"The model `gpt-9` does not exist","code":"model_not_found"}})");
  EXPECT_THAT(error.message(), HasSubstr("'gpt-4o' at http://127.0.0.1:9/v1"));
}

TEST(ErrorMapper, RecognisesAnOverlongConversation) {
  for (
      const char* body :
      {R"({"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}})",
       R"({"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}})",
       R"({"object":"error","message":"This model's maximum context length is 4096 tokens","type":"BadRequestError","code":400})"}) {
    const Error error = map(400, body);
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_TRUE(is_context_overflow(error)) << error.what();
  }
  EXPECT_FALSE(is_context_overflow(map(400, R"({"error":{"message":"no"}})")));
}

TEST(ErrorMapper, TellsAnEmptyAccountFromARateLimit) {
  const Error quota = map(
      429,
      R"({"error":{"message":"You exceeded your current quota, please check your plan","type":"insufficient_quota","code":"insufficient_quota"}})");
  EXPECT_EQ(quota.code(), ErrorCode::resource_exhausted);
  EXPECT_FALSE(quota.retryable());
  EXPECT_TRUE(is_quota_exhausted(quota));
  const Error rate =
      map({.status = 429,
           .body = R"({"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}})",
           .retry_after = "20"});
  EXPECT_TRUE(rate.retryable());
  EXPECT_FALSE(is_quota_exhausted(rate));
  EXPECT_EQ(rate.retry_after(), 20s);
}

TEST(ErrorMapper, SaysThatAPageCameInsteadOfJson) {
  const Error error = map({.status = 502,
                           .body = "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head></html>",
                           .content_type = "text/html"});
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_THAT(error.message(), HasSubstr("\"502 Bad Gateway\""));
  EXPECT_THAT(error.message(), Not(HasSubstr("<")));
}

TEST(ErrorMapper, ReadsTheOtherShapesOfErrors) {
  EXPECT_THAT(map(400, R"({"error":"plain"})").message(), HasSubstr("plain"));
  EXPECT_THAT(map(400, R"({"detail":"Not here"})").message(), HasSubstr("Not here"));
  EXPECT_THAT(map(422, R"({"detail":[{"loc":["body"],"msg":"bad"}]})").message(), HasSubstr("bad"));
  EXPECT_THAT(
      map(400, R"([{"error":{"code":400,"message":"in a list","status":"INVALID_ARGUMENT"}}])").message(),
      HasSubstr("in a list"));
  EXPECT_THAT(map(500, "upstream exploded\r\n\x1b[31m").message(), HasSubstr("upstream exploded"));
  EXPECT_THAT(map(500, "upstream\x1b[31m").message(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(map(500, "").message(), HasSubstr("the server failed"));
  EXPECT_LT(map(500, std::string(100000, 'x')).message().size(), 1000u);
}

TEST(ErrorMapper, NeverCutsASecretOrACharacterInHalf) {
  EXPECT_THAT(map(500, std::string(490, 'x') + " " + kKey).message(), Not(HasSubstr("sk-te")));
  const std::string message = map(500, std::string(499, 'x') + "\u00e9\u00e9").message();
  EXPECT_EQ(message.find('\xc3'), std::string::npos);
}

TEST(ErrorMapper, ObeysTheServersWordOnRetrying) {
  EXPECT_FALSE(map({.status = 500, .should_retry = "false"}).retryable());
  EXPECT_TRUE(map({.status = 400, .should_retry = "true"}).retryable());
}

TEST(RetryAfter, IsReadInAllItsForms) {
  EXPECT_EQ(parse_retry_after("0", kNow), 0ms);
  EXPECT_EQ(parse_retry_after("7", kNow), 7000ms);
  EXPECT_EQ(parse_retry_after("1.5", kNow), 1500ms);
  EXPECT_EQ(parse_retry_after("Sun, 01 Mar 2026 09:30:42 GMT", kNow), 42s);
  EXPECT_EQ(parse_retry_after("Sun, 01 Mar 2026 09:29:00 GMT", kNow), 0ms);  // clocks differ
  for (const char* bad :
       {"", "soon", "-1", "1e3", "7 s", "Sun, 01 Mar 2026 09:30:42 CET", "Sun, 01 Mxr 2026 09:30:42 GMT",
        "Sun, 31 Feb 2026 09:30:42 GMT", "Sun, 01 Mar 2026 25:30:42 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
        "inf", "99999999999"})
    EXPECT_EQ(parse_retry_after(bad, kNow), std::nullopt) << bad;
}

TEST(RetryAfter, PrefersMillisecondsWhenTheServerGivesThem) {
  EXPECT_EQ(map({.status = 429, .retry_after = "7", .retry_after_ms = "250"}).retry_after(), 250ms);
  EXPECT_EQ(map({.status = 429, .retry_after = "7", .retry_after_ms = "x"}).retry_after(), 7s);
}

}  // namespace
}  // namespace beluga::llm::openai
