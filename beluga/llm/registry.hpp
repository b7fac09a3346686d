#pragma once
/// Models by name: `llm::open("openai/gpt-4o")`, and the registry of providers behind it.
///
///     auto cloud = llm::open("openai/gpt-4o");                  // key from OPENAI_API_KEY
///     auto local = llm::open("openai/qwen3", {.base_url = "http://127.0.0.1:8080/v1"});
///     auto none = llm::open("offline");                         // no network, no weights
///
/// A name is "provider/model"; the model's own name may contain slashes. Providers built in are listed in one
/// table (registry.cpp); a program adds its own before the first open():
///
///     llm::registry().add(
///         {.name = "mine", .description = "our model"},
///         [](std::string_view model, const llm::OpenOptions& options) { return make(model, options); });

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/json.hpp"
#include "beluga/base/secret.hpp"
#include "beluga/contract/chat_model.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/net/http.hpp"

namespace beluga::llm {

/// Zero: no limit. A whole call is bounded by the Context's deadline.
struct Timeouts {
  Duration connect = std::chrono::seconds(10);
  Duration first_byte = std::chrono::seconds(120);  ///< until the answer's headers are there
  Duration idle =
      std::chrono::seconds(300);  ///< silence within the stream; some models think long before they speak
};

struct OpenOptions {
  Secret api_key{};            ///< empty: the provider's environment variable
  std::string base_url{};      ///< empty: the provider's environment variable, else its default
  std::string organization{};  ///< sent along where the provider knows it
  std::string project{};
  HttpHeaders headers{};  ///< sent with each request
  Timeouts timeouts{};
  unsigned max_retries = 2;  ///< by llm::retry; 0 when you compose your own
  Json settings{};           ///< the provider's own switches, an object; unknown ones are an error
};

/// What a person needs to know to use a provider: `beluga models` shows it.
struct ProviderInfo {
  std::string name{};  ///< [a-z0-9_-]+
  std::string description{};
  std::string key_variable{};           ///< environment variable with the API key; empty: none
  std::string base_url_variable{};      ///< environment variable that replaces the base URL; empty: none
  std::string base_url{};               ///< the default one; empty: no network
  bool needs_model = true;              ///< whether "provider" alone, without "/model", is an error
  std::vector<std::string> examples{};  ///< model names to show
};

/// Makes a model. `model` is what follows the slash. Retries are added by open().
using Factory = std::function<ChatModelPtr(std::string_view model, const OpenOptions& options)>;

/// Thread-safety: all members from any thread. Frozen by the first open() or list(): a later change would
/// make the same name mean different models in one process.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Throws Error{already_exists} for a name that is taken, {failed_precondition} once frozen,
  /// {invalid_argument} for a bad name or no factory.
  void add(ProviderInfo info, Factory factory);
  /// As add(), for a name that must be there ({not_found} otherwise).
  void replace(ProviderInfo info, Factory factory);
  /// All providers, by name.
  std::vector<ProviderInfo> list();
  ChatModelPtr open(std::string_view name, const OpenOptions& options = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The process's registry, with the built-in providers.
Registry& registry();

/// registry().open(): a model ready for use. Does not touch the network.
/// Errors: not_found (unknown provider; names the known ones), invalid_argument (no model, a bad option),
/// unauthenticated (no key; names the variable).
ChatModelPtr open(std::string_view name, const OpenOptions& options = {});

}  // namespace beluga::llm
