#include "beluga/llm/registry.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include "beluga/base/did_you_mean.hpp"
#include "beluga/llm/internal/builtin_providers.hpp"
#include "beluga/llm/retry.hpp"

namespace beluga::llm {

struct Registry::State {
  struct Provider {
    ProviderInfo info;
    Factory factory;
  };
  std::mutex mutex;  // leaf: guards what follows
  std::map<std::string, Provider, std::less<>> providers;
  bool frozen = false;

  void check(const ProviderInfo& info, const Factory& factory) const {
    const bool good = !info.name.empty() && std::all_of(info.name.begin(), info.name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    if (!good)
      throw Error(ErrorCode::invalid_argument,
                  "model provider '" + info.name + "': a name consists of a-z, 0-9, '_' and '-'");
    if (!factory)
      throw Error(ErrorCode::invalid_argument, "model provider '" + info.name + "': there is no factory");
    if (frozen)
      throw Error(ErrorCode::failed_precondition,
                  "model provider '" + info.name +
                      "': the registry is in use already; register providers before the first open()");
  }
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

void Registry::add(ProviderInfo info, Factory factory) {
  const std::lock_guard lock(state_->mutex);
  state_->check(info, factory);
  if (state_->providers.contains(info.name))
    throw Error(ErrorCode::already_exists,
                "model provider '" + info.name + "' is registered already; use replace() if that is meant");
  std::string name = info.name;
  state_->providers.emplace(std::move(name), State::Provider{std::move(info), std::move(factory)});
}

void Registry::replace(ProviderInfo info, Factory factory) {
  const std::lock_guard lock(state_->mutex);
  state_->check(info, factory);
  const auto found = state_->providers.find(info.name);
  if (found == state_->providers.end())
    throw Error(ErrorCode::not_found, "model provider '" + info.name + "' is not registered; use add()");
  found->second = State::Provider{std::move(info), std::move(factory)};
}

std::vector<ProviderInfo> Registry::list() {
  const std::lock_guard lock(state_->mutex);
  state_->frozen = true;
  std::vector<ProviderInfo> infos;
  for (const auto& [name, provider] : state_->providers) infos.push_back(provider.info);
  return infos;
}

ChatModelPtr Registry::open(std::string_view name, const OpenOptions& options) {
  const std::size_t slash = name.find('/');
  const std::string_view provider_name = name.substr(0, slash);
  const std::string_view model =
      slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
  State::Provider* provider = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    state_->frozen = true;  // from here on the table is immutable, and its entries stay where they are
    const auto found = state_->providers.find(provider_name);
    if (found != state_->providers.end()) provider = &found->second;
    if (provider == nullptr) {
      std::vector<std::string_view> known;
      std::string list;
      for (const auto& [other, entry] : state_->providers) {
        known.push_back(other);
        list += (list.empty() ? "" : ", ") + other;
      }
      std::string guess(nearest_name(provider_name, known));
      if (!guess.empty())
        guess = "; did you mean '" + guess +
                (slash == std::string_view::npos ? "" : "/" + std::string(model)) + "'?";
      throw Error(ErrorCode::not_found, "model '" + std::string(name) + "': no provider is called '" +
                                            std::string(provider_name) + "'" + guess + "; known: " + list +
                                            " (the form is provider/model)");
    }
  }
  const ProviderInfo& info = provider->info;
  if (model.empty() && info.needs_model)
    throw Error(ErrorCode::invalid_argument, "model '" + std::string(name) +
                                                 "' names a provider but no model; write " + info.name + "/" +
                                                 (info.examples.empty() ? "MODEL" : info.examples.front()));
  ChatModelPtr opened = provider->factory(model, options);
  if (!opened)
    throw Error(ErrorCode::internal, "model provider '" + info.name + "': its factory returned no model");
  if (options.max_retries == 0 || info.base_url.empty()) return opened;
  return opened | retry({.max_attempts = options.max_retries + 1});
}

Registry& registry() {
  static Registry& instance = *[] {
    auto* made = new Registry;  // lives as long as the process: models may be opened while it ends
    add_builtin_providers(*made);
    return made;
  }();
  return instance;
}

ChatModelPtr open(std::string_view name, const OpenOptions& options) {
  return registry().open(name, options);
}

}  // namespace beluga::llm
