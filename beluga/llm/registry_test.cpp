#include "beluga/llm/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "beluga/base/result.hpp"
#include "beluga/llm/scripted.hpp"

namespace beluga::llm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Sets or removes an environment variable for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    if (value == nullptr)
      ::unsetenv(name);
    else
      ::setenv(name, value, 1);
  }
  ~Variable() {
    if (old_)
      ::setenv(name_, old_->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

ChatModelPtr scripted(std::string_view model, const OpenOptions&) {
  return std::make_shared<ScriptedModel>(
      std::vector<ScriptedTurn>{},
      ScriptedOptions{.info = {.provider = "mine", .model = std::string(model)}});
}

template <class F>
Error error_of(F f) {
  const auto result = attempt(f);
  return result.ok() ? Error(ErrorCode::internal, "no error") : result.error();
}

TEST(Registry, OpensByProviderAndModelWithSlashes) {
  Registry registry;
  registry.add({.name = "mine"}, scripted);
  EXPECT_EQ(registry.open("mine/org/model:7b")->info().model, "org/model:7b");
}

TEST(Registry, NamesTheKnownProvidersAndTheNearestOne) {
  Registry registry;
  registry.add({.name = "mine"}, scripted);
  registry.add({.name = "openai"}, scripted);
  const Error error = error_of([&] { return registry.open("opnai/gpt-4o"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.message(), HasSubstr("did you mean 'openai/gpt-4o'?"));
  EXPECT_THAT(error.message(), HasSubstr("known: mine, openai"));
  EXPECT_THAT(error_of([&] { return registry.open(""); }).message(), HasSubstr("known: mine, openai"));
}

TEST(Registry, AsksForAModelWhereOneIsNeeded) {
  Registry registry;
  registry.add({.name = "mine", .examples = {"small"}}, scripted);
  registry.add({.name = "single", .needs_model = false}, scripted);
  for (const char* name : {"mine", "mine/"}) {
    const Error error = error_of([&] { return registry.open(name); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.message(), HasSubstr("write mine/small"));
  }
  EXPECT_NE(registry.open("single"), nullptr);
}

TEST(Registry, RefusesDuplicatesAndReplacesOnlyWhatIsThere) {
  Registry registry;
  registry.add({.name = "mine"}, scripted);
  EXPECT_EQ(error_of([&] { registry.add({.name = "mine"}, scripted); }).code(), ErrorCode::already_exists);
  EXPECT_EQ(error_of([&] { registry.replace({.name = "other"}, scripted); }).code(), ErrorCode::not_found);
  registry.replace({.name = "mine", .description = "new"}, scripted);
  EXPECT_EQ(registry.list().at(0).description, "new");
}

TEST(Registry, RefusesBadNamesAndMissingFactories) {
  Registry registry;
  for (const char* name : {"", "Mine", "a/b", "a b"})
    EXPECT_EQ(error_of([&] { registry.add({.name = name}, scripted); }).code(), ErrorCode::invalid_argument)
        << name;
  EXPECT_EQ(error_of([&] { registry.add({.name = "mine"}, nullptr); }).code(), ErrorCode::invalid_argument);
}

TEST(Registry, IsFrozenByItsFirstUse) {
  Registry registry;
  registry.add({.name = "mine"}, scripted);
  registry.open("mine/a");
  EXPECT_EQ(error_of([&] { registry.add({.name = "late"}, scripted); }).code(),
            ErrorCode::failed_precondition);
  EXPECT_EQ(error_of([&] { registry.replace({.name = "mine"}, scripted); }).code(),
            ErrorCode::failed_precondition);
}

TEST(Open, KnowsTheProvidersThatComeWithTheLibrary) {
  bool openai = false;
  for (const ProviderInfo& info : registry().list())
    openai = openai || (info.name == "openai" && info.key_variable == "OPENAI_API_KEY");
  EXPECT_TRUE(openai);
}

TEST(Open, SaysWhichVariableHoldsTheMissingKey) {
  const Variable key("OPENAI_API_KEY", nullptr);
  const Variable base("OPENAI_BASE_URL", nullptr);
  const Error error = error_of([] { return open("openai/gpt-4o"); });
  EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
  EXPECT_THAT(error.message(), HasSubstr("OPENAI_API_KEY"));
  EXPECT_EQ(open("openai/gpt-4o", {.api_key = Secret("sk-1")})->info().model, "gpt-4o");
}

TEST(Open, NeedsNoKeyForAnotherServer) {
  const Variable key("OPENAI_API_KEY", nullptr);
  const Variable base("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1");
  EXPECT_EQ(open("openai/qwen3")->info().model, "qwen3");
  EXPECT_EQ(open("openai/qwen3")->info().provider, "openai");
}

TEST(Open, RefusesWrongOptionsWithoutShowingTheKey) {
  const auto message = [](OpenOptions options) {
    const Error error = error_of([&] { return open("openai/m", options); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  };
  message({.api_key = Secret("k"), .base_url = "ftp://x"});
  EXPECT_THAT(message({.base_url = "http://x/v1/chat/completions"}),
              HasSubstr("must not contain /chat/completions"));
  EXPECT_THAT(message({.base_url = "http://x/v1", .settings = Json::object({{"max_token_member", 1}})}),
              HasSubstr("did you mean 'max_tokens_member'"));
  EXPECT_THAT(message({.base_url = "http://x/v1", .settings = Json::object({{"stream_usage", "no"}})}),
              HasSubstr("true or false"));
  EXPECT_THAT(message({.api_key = Secret("secret\r\nkey"), .base_url = "http://x/v1"}),
              Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace beluga::llm
