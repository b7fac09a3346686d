#include "beluga/llm/providers/openai/openai.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "beluga/base/result.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/llm/errors.hpp"
#include "beluga/llm/retry.hpp"
#include "beluga/net/http_client.hpp"
#include "beluga/observe/telemetry.hpp"
#include "tests/fault_server/fault_server.hpp"

namespace beluga::llm::openai {
namespace {

using namespace std::chrono_literals;
using testing::FaultConnection;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::http_response;
using ::testing::Not;
using testing::sse_response;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif
/// 10 ms is the promise; a sanitized build on a busy machine gets more.
constexpr Duration kPromptly = kSanitized ? Duration(500ms) : Duration(10ms);

constexpr const char* kKey = "sk-live-0123456789abcdef";
const ChatRequest kHello{.messages = {Message::user("hello")}};

std::string fixture(const std::string& name) {
  std::ifstream file(std::string(BELUGA_SOURCE_DIR "/beluga/llm/testdata/openai/") + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

ChatModelPtr model_at(const FaultServer& server, Timeouts timeouts = {}) {
  return chat_model(
      {.model = "gpt-4o", .api_key = Secret(kKey), .base_url = server.url("/v1"), .timeouts = timeouts});
}

Result<ChatResponse> generate(const ChatModelPtr& model, ChatRequest request = kHello) {
  return attempt([&] { return model->generate(std::move(request)); });
}
Result<ChatResponse> answer_to(std::string response) {
  const FaultServer server(FaultServer::always(std::move(response)));
  return generate(model_at(server));
}
Error error_for(std::string status, std::string headers, std::string body) {
  const auto result = answer_to(http_response(status, headers, body));
  return result.ok() ? Error(ErrorCode::internal, "no error") : result.error();
}

TEST(OpenAi, SendsTheRequestAndFoldsTheAnswer) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  const ChatModelPtr model =
      chat_model({.model = "gpt-4o",
                  .api_key = Secret(std::string(kKey) + "\n"),  // as `cat file` gives it
                  .base_url = server.url("/v1/"),
                  .organization = "org-1",
                  .project = "proj-1",
                  .headers = {{"X-Team", "whales"}}});
  const auto result = generate(model);
  ASSERT_TRUE(result.ok()) << result.error().what();
  EXPECT_THAT(result->message.text(), HasSubstr("Beluga whales sing"));
  EXPECT_EQ(result->end.usage.cache_read, 16);
  const auto request = server.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/chat/completions");
  EXPECT_EQ(request.header("Authorization"), std::string("Bearer ") + kKey);
  EXPECT_EQ(request.header("Content-Type"), "application/json");
  EXPECT_EQ(request.header("Accept"), "text/event-stream");
  EXPECT_EQ(request.header("OpenAI-Organization"), "org-1");
  EXPECT_EQ(request.header("OpenAI-Project"), "proj-1");
  EXPECT_EQ(request.header("X-Team"), "whales");
  EXPECT_EQ(
      request.body,
      R"({"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"stream":true,"stream_options":{"include_usage":true}})");
}

TEST(OpenAi, SendsNoAuthorizationWithoutAKey) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  ASSERT_TRUE(generate(chat_model({.model = "m", .base_url = server.url("/v1")})).ok());
  EXPECT_FALSE(server.requests().at(0).has_header("Authorization"));
}

TEST(OpenAi, TellsTheServerUnderWhichSpanItIsCalled) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  const ChatModelPtr model = model_at(server);
  const auto telemetry = observe::Telemetry::create({});
  const observe::Span span = telemetry->start_span("chat gpt-4o", observe::SpanKind::client);
  std::optional<Stream<ChatChunk>> chunks;
  {
    const ContextScope scope(span.context_for_children());
    ASSERT_TRUE(generate(model).ok());
    chunks = model->stream(kHello);
  }
  while (chunks->next() != nullptr) {  // pulled from outside the span, made in it
  }
  ASSERT_TRUE(generate(model).ok());
  const auto requests = server.requests();
  EXPECT_EQ(requests.at(0).header("traceparent"), observe::traceparent(span.context()));
  EXPECT_EQ(requests.at(1).header("traceparent"), observe::traceparent(span.context()));
  EXPECT_FALSE(requests.at(2).has_header("traceparent")) << "no span, no trace";
}

TEST(OpenAi, UsesOneConnectionForManyCalls) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  const ChatModelPtr model = model_at(server);
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    for (int i = 0; i < 5; ++i) {
      // A reader that leaves right after the end must not cost the connection either.
      Stream<ChatChunk> chunks = model->stream(kHello);
      while (const ChatChunk* chunk = chunks.next())
        if (std::holds_alternative<ResponseEnd>(*chunk)) break;
    }
  });
  EXPECT_EQ(server.requests().size(), 5u);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(OpenAi, SendsNothingForAnInvalidRequest) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  const auto result = generate(model_at(server), {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(server.connections(), 0u);
}

TEST(OpenAi, SendsNothingBeforeTheFirstPull) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  {
    const Stream<ChatChunk> unused = model_at(server)->stream(kHello);
  }
  EXPECT_EQ(server.connections(), 0u);
}

TEST(OpenAi, ReadsAnAnswerThatIsNoStream) {
  const auto result = answer_to(http_response(
      "200 OK", "Content-Type: application/json\r\n",
      R"({"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]})"));
  ASSERT_TRUE(result.ok()) << result.error().what();
  EXPECT_EQ(result->message.text(), "Hi");
}

TEST(OpenAi, GivesStatusRequestIdAndWaitOfARateLimit) {
  const Error error = error_for(
      "429 Too Many Requests", "Content-Type: application/json\r\nx-request-id: req_9\r\nRetry-After: 3\r\n",
      R"({"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}})");
  EXPECT_EQ(error.code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(error.retryable());
  EXPECT_EQ(error.retry_after(), 3s);
  EXPECT_EQ(error.request_id(), "req_9");
  EXPECT_EQ(error.http_status(), 429);
  EXPECT_EQ(error.provider(), "openai");
}

TEST(OpenAi, NeverTellsTheKey) {
  const Error error = error_for("401 Unauthorized", std::string("x-request-id: ") + kKey + "\r\n",
                                std::string(R"({"error":{"message":"Incorrect API key provided: )") + kKey +
                                    R"(.","code":")" + kKey + "\"}}");
  EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
  EXPECT_THAT(error.message(), HasSubstr("OPENAI_API_KEY"));
  EXPECT_THAT(std::string(error.what()), Not(HasSubstr("0123456789")));
}

TEST(OpenAi, NeverTellsAKeyOfAnyShapeEchoedByTheServer) {
  const FaultServer server(
      FaultServer::always(http_response("403 Forbidden", "", "no: plainkey1234 and otherkey5678")));
  const auto result = generate(chat_model({.model = "m",
                                           .api_key = Secret("plainkey1234\n"),
                                           .base_url = server.url("/v1"),
                                           .headers = {{"api-key", "otherkey5678"}}}));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), Not(HasSubstr("key1234")));
  EXPECT_THAT(result.error().message(), Not(HasSubstr("key5678")));
}

TEST(OpenAi, ToleratesErrorBodiesThatAreCutOrHuge) {
  const std::string whole =
      http_response("503 Service Unavailable", "", R"({"error":{"message":"overloaded"}})");
  const FaultServer server(FaultServer::cut(whole, whole.size() - 5));
  const auto cut = generate(model_at(server));
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().http_status(), 503);
  EXPECT_TRUE(cut.error().retryable());
  const Error huge = error_for("500 Internal Server Error", "", std::string(5U << 20U, 'x'));
  EXPECT_EQ(huge.code(), ErrorCode::unavailable);
  EXPECT_LT(huge.message().size(), 1000u);
}

TEST(OpenAi, SaysThatAPageCameInsteadOfAStream) {
  const Error error =
      error_for("200 OK", "Content-Type: text/html\r\n", "<html><head><title>Sign in</title></head></html>");
  EXPECT_FALSE(error.retryable());
  EXPECT_THAT(error.message(), HasSubstr("Sign in"));
}

TEST(OpenAi, CutAtAnyByteIsATypedErrorOrTheWholeAnswer) {
  for (const FaultServer::End end : {FaultServer::End::close, FaultServer::End::reset}) {
    const std::string wire =
        sse_response({fixture("ollama_tools.sse").substr(0, 400), fixture("ollama_tools.sse").substr(400)});
    // Each call comes on a connection of its own, cut one byte later than the one before.
    const FaultServer server([&](FaultConnection& peer) { FaultServer::cut(wire, peer.index(), end)(peer); });
    const ChatModelPtr model = model_at(server);
    bool complete = false;
    for (std::size_t length = 0; length <= wire.size(); ++length) {
      const auto result = generate(model);
      if (result.ok()) {
        EXPECT_EQ(result->message.tool_calls().size(), 2u) << "cut at " << length;
        complete = true;
        continue;
      }
      const ErrorCode code = result.error().code();
      EXPECT_TRUE(code == ErrorCode::data_loss || code == ErrorCode::unavailable)
          << "cut at " << length << ": " << result.error().what();
      EXPECT_TRUE(result.error().retryable()) << result.error().what();
      EXPECT_EQ(result.error().provider(), "openai");
    }
    EXPECT_TRUE(complete);
    EXPECT_GE(server.connections(), wire.size());
  }
}

TEST(OpenAi, ReadsAStreamThatComesByteByByte) {
  const std::string wire = sse_response({fixture("text.sse")});
  const FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    peer.send_apart(wire);
  });
  const auto result = generate(model_at(server));
  ASSERT_TRUE(result.ok()) << result.error().what();
  EXPECT_THAT(result->message.text(), HasSubstr("\U0001F40B, \u00e9"));
}

TEST(OpenAi, RefusesGarbage) {
  for (const std::string& wire :
       {std::string("SSH-2.0-OpenSSH\r\n"), sse_response({"data: garbage\n\n"}), sse_response({"garbage"}),
        sse_response({}),
        sse_response({std::string("data: {\"choices\":[{\"delta\":{\"content\":\"\xc3\"}}]}\n\n")})}) {
    const FaultServer server(FaultServer::cut(wire, wire.size()));
    const auto result = generate(model_at(server));
    ASSERT_FALSE(result.ok()) << wire;
    EXPECT_TRUE(result.error().code() == ErrorCode::data_loss ||
                result.error().code() == ErrorCode::unavailable)
        << result.error().what();
  }
}

TEST(OpenAi, ReadsALongLineAndRefusesAnEndlessOne) {
  const std::string text(3U << 20U, 'w');
  const auto result = answer_to(
      sse_response({R"(data: {"choices":[{"delta":{"content":")" + text + R"("},"finish_reason":"stop"}]})",
                    "\n\ndata: [DONE]\n\n"}));
  ASSERT_TRUE(result.ok()) << result.error().what();
  EXPECT_EQ(result->message.text().size(), text.size());

  const FaultServer endless([&](FaultConnection& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ");
    for (;;) peer.send(text);
  });
  const auto refused = generate(model_at(endless));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
}

TEST(OpenAi, ThrowsAnErrorThatComesWithinTheStream) {
  const FaultServer server(FaultServer::always(sse_response({fixture("openrouter_error.sse")})));
  std::string seen;
  const auto result = attempt([&] {
    for (const ChatChunk& chunk : model_at(server)->stream(kHello))
      if (const auto* text = std::get_if<TextDelta>(&chunk)) seen += text->text;
  });
  EXPECT_EQ(seen, "Once");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().http_status(), 502);
}

/// A server that begins to answer and falls silent.
FaultServer::Handler silent_after(std::string sent) {
  return [sent](FaultConnection& peer) {
    peer.read_request();
    peer.send(sent);
    peer.stall();
  };
}
const std::string kBegun =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "
    "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";

TEST(OpenAi, IsCancelledAtOnceWhileTheServerIsSilent) {
  for (const std::string& sent : {std::string(), kBegun}) {
    const FaultServer server(silent_after(sent));
    const ChatModelPtr model = model_at(server);
    const CancelSource source;
    Signal begun;
    Scope scope;
    auto call = scope.spawn("call", [&] {
      const ContextScope own(Context::current().with_cancel(source.token()));
      return attempt([&] {
        for (const ChatChunk& chunk : model->stream(kHello))
          if (std::holds_alternative<TextDelta>(chunk)) begun.set();
      });
    });
    ASSERT_TRUE(server.wait_for_requests(1));
    if (!sent.empty()) begun.wait();
    const auto start = std::chrono::steady_clock::now();
    source.cancel(Error(ErrorCode::cancelled, "enough"));
    const auto& result = call.get();
    EXPECT_LT(std::chrono::steady_clock::now() - start, kPromptly);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::cancelled);
    EXPECT_TRUE(server.wait_until_open_at_most(0)) << "the request still runs";
    EXPECT_LT(server.last_end() - start, kPromptly + 10ms);
  }
}

TEST(OpenAi, ObeysTheDeadlineWhileTheServerIsSilent) {
  const FaultServer server(silent_after(kBegun));
  const ChatModelPtr model = model_at(server);
  const auto start = std::chrono::steady_clock::now();
  const ContextScope scope(Context::current().with_timeout(100ms));
  const auto result = generate(model);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_FALSE(result.error().retryable());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 100ms + kPromptly);
  EXPECT_TRUE(server.wait_until_open_at_most(0));
}

TEST(OpenAi, AbortsTheRequestWhenTheStreamIsDropped) {
  const FaultServer server(silent_after(kBegun));
  const ChatModelPtr model = model_at(server);
  const auto start = [&] {
    Stream<ChatChunk> chunks = model->stream(kHello);
    EXPECT_NE(chunks.next(), nullptr);
    return std::chrono::steady_clock::now();
  }();
  EXPECT_TRUE(server.wait_until_open_at_most(0));
  EXPECT_LT(server.last_end() - start, kPromptly + 10ms);
}

TEST(OpenAi, CallsASilentServerRetryable) {
  const FaultServer server(silent_after(kBegun));
  const auto result = generate(model_at(server, {.idle = 50ms}));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_TRUE(result.error().retryable());
}

TEST(OpenAi, SaysThatNobodyListens) {
  const auto port = testing::refused_port();
  const auto result =
      generate(chat_model({.model = "m", .base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1"}));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("127.0.0.1"));
}

TEST(OpenAi, IsRetriedThroughAServerThatRecovers) {
  const std::string good = sse_response({fixture("parallel_tools.sse")});
  const FaultServer server([&](FaultConnection& peer) {
    peer.read_request();
    switch (peer.index()) {
      case 0:
        peer.send(http_response("500 Internal Server Error", "Connection: close\r\n", "oops"));
        break;
      case 1:
        peer.send(http_response("429 Too Many Requests", "Connection: close\r\nretry-after-ms: 1\r\n", "{}"));
        break;
      case 2:
        peer.send(good.substr(0, good.size() / 2));
        peer.reset();
      default:
        peer.send(good);
    }
  });
  const auto result = generate(model_at(server) | retry({.max_attempts = 4, .base_delay = 1ms}));
  ASSERT_TRUE(result.ok()) << result.error().what();
  EXPECT_EQ(result->message.tool_calls().size(), 2u);
  EXPECT_EQ(server.requests().size(), 4u);
  for (const auto& request : server.requests()) EXPECT_EQ(request.body, server.requests()[0].body);
}

TEST(OpenAi, ServesManyStreamsAtOnce) {
  const FaultServer server(FaultServer::always(sse_response({fixture("text.sse")})));
  const ChatModelPtr model = model_at(server);
  Runtime runtime{{.workers = 2}};
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < 50; ++i)
      scope.spawn("call", [&] { EXPECT_EQ(model->generate(kHello).end.reason, StopReason::end); });
    scope.join();
  });
  EXPECT_EQ(server.requests().size(), 50u);
}

TEST(OpenAi, RefusesOptionsThatCannotWork) {
  const auto code = [](Options options) {
    const auto result = attempt([&] { return chat_model(std::move(options)); });
    return result.ok() ? ErrorCode::internal : result.error().code();
  };
  EXPECT_EQ(code({.base_url = "http://x/v1"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.model = "m", .base_url = "not a url"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.model = "m", .base_url = "http://x/v1?a=b"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.model = "m", .api_key = Secret(" \n"), .base_url = "http://x/v1"}),
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace beluga::llm::openai
