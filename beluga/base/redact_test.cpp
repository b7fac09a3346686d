#include "beluga/base/redact.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace beluga {
namespace {

TEST(Redact, TakesOutKeysByTheirShape) {
  const std::string tail = "abcDEF0123456789abcDEF0123456789abcdef";
  for (const char* prefix : {"sk-", "sk-ant-api03-", "sk-proj-", "ghp_", "github_pat_", "AIza", "gsk_", "hf_",
                             "xoxb-", "glpat-", "xai-"})
    EXPECT_EQ(redact("use " + (prefix + tail) + ", please"), "use [redacted], please") << prefix;
  EXPECT_EQ(redact("id AKIAIOSFODNN7EXAMPLE."), "id [redacted].");
  EXPECT_EQ(redact("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P end"),
            "jwt [redacted] end");
}

TEST(Redact, TakesOutCredentialsByTheirPlace) {
  EXPECT_EQ(redact("Authorization: Bearer abc.def-123\r\nAccept: */*"),
            "Authorization: [redacted]\r\nAccept: */*");
  EXPECT_EQ(redact("sent Bearer 0123456789abcdef now"), "sent Bearer [redacted] now");
  EXPECT_EQ(redact("{\"api_key\": \"s3cret\", \"model\": \"x\"}"),
            "{\"api_key\": \"[redacted]\", \"model\": \"x\"}");
  EXPECT_EQ(redact("{\\\"password\\\":\\\"hunter2\\\",\\\"a\\\":1}"),
            "{\\\"password\\\":\\\"[redacted]\\\",\\\"a\\\":1}");
  EXPECT_EQ(redact("https://h/p?api_key=s3cret&q=1"), "https://h/p?api_key=[redacted]&q=1");
  EXPECT_EQ(redact("OPENAI_API_KEY=s3cret ./run"), "OPENAI_API_KEY=[redacted] ./run");
  EXPECT_EQ(redact("x-api-key: s3cret"), "x-api-key: [redacted]");
  EXPECT_EQ(redact("clientSecret='a b\\'c' z"), "clientSecret='[redacted]\\'c' z");
  EXPECT_EQ(redact("postgres://me:hunter2@db/x"), "postgres://me:[redacted]@db/x");
  EXPECT_EQ(redact("Cookie: a=b; c=d\nnext"), "Cookie: [redacted]\nnext");
  EXPECT_EQ(redact("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"),
            "-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\n");
}

TEST(Redact, LeavesOrdinaryTextAlone) {
  for (const char* text :
       {"", "The basic instructions are here, bearer of news.", "max_tokens: 100", "\"token\": \"hello\"",
        "total_tokens=12", "a risk-based approach to sk-learn", "https://host:8080/path@x", "mailto:a@b.c",
        "the password is asked for", "password: null", "\"secret\": true", "tokens 1:2@3", "AKIA and ASIA",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "eyJust a word", "insecret=1"}) {
    EXPECT_EQ(redact(text), text);
    EXPECT_FALSE(looks_secret(text)) << text;
  }
}

TEST(Redact, ChangesNothingTheSecondTime) {
  for (const char* text : {"password=x", "Authorization: Basic dXNlcjpwYXNz", "{\"api_key\":\"v\"}",
                           "a://u:p@h", "sk-0123456789abcdefgh"}) {
    const std::string once = redact(text);
    EXPECT_TRUE(looks_secret(text)) << text;
    EXPECT_EQ(redact(once), once);
  }
}

TEST(Redact, IsLinearInHostileText) {
  // Each of these made a naive matcher rescan its tail at every step. Time grows with the length, not with
  // its square.
  for (const char* part :
       {"eyJaaaaaaaaaa.", "-----BEGIN ", "://a:", "password=", "sk-", "\"api_key\" ", "bearer "}) {
    std::string text;
    while (text.size() < 2'000'000) text += part;
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(redact(text));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5)) << part;
  }
}

}  // namespace
}  // namespace beluga
