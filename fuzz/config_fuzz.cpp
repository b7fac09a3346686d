// Config: any file is either read or refused with an Error that names its line; what is read can be walked,
// dumped and merged. The first byte chooses the format, a byte 0x1E separates the file from environment-like
// overlays.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/config.hpp"
#include "beluga/base/redact.hpp"

namespace {

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what.c_str());
  std::abort();
}

template <class F>
void tolerate(F f, bool secret = false) {
  using beluga::ErrorCode;
  try {
    f();
  } catch (const beluga::Error& error) {
    require(error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::failed_precondition ||
                error.code() == ErrorCode::not_found || error.code() == ErrorCode::permission_denied,
            error.what());
    require(!secret || error.message().find("hunter2") == std::string::npos, "a secret is never shown");
  }
}

void walk(const beluga::Config& config, int depth, bool secret = false) {
  require(depth < 70, "nesting is limited");
  tolerate([&] { static_cast<void>(config.get<bool>()); }, secret);
  tolerate([&] { static_cast<void>(config.get<std::int8_t>()); }, secret);
  tolerate([&] { static_cast<void>(config.get<std::uint64_t>()); }, secret);
  tolerate([&] { static_cast<void>(config.in_range(-5, 5).get<double>()); }, secret);
  tolerate([&] { static_cast<void>(config.get<std::chrono::seconds>()); }, secret);
  tolerate([&] { static_cast<void>(config.bytes()); }, secret);
  tolerate([&] { static_cast<void>(config.one_of({"a", "b"})); }, secret);
  static_cast<void>(config.origin());
  if (config.is_list())
    for (const auto& item : config.items()) walk(item, depth + 1, secret);
  if (config.is_map())
    for (const auto& [key, value] : config.members()) walk(value, depth + 1, beluga::is_secret_name(key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using beluga::Config;
  if (size == 0) return 0;
  const auto format = static_cast<Config::Format>(data[0] % 3);
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> environment;
  if (const std::size_t cut = text.find('\x1E'); cut != std::string_view::npos) {
    environment.push_back("BELUGA_" + std::string(text.substr(cut + 1)));
    text = text.substr(0, cut);
  }
  try {
    const Config config = Config::parse(text, format, "fuzz");
    tolerate([&] { config.check_all_used(); });
    const beluga::Json dump = config.dump();
    require(beluga::Json::parse(dump.dump()) == dump, "a dump is JSON");
    walk(config, 0);
    config.check_all_used();
  } catch (const beluga::Error& error) {
    require(error.message().rfind("fuzz:", 0) == 0, error.message());
  }
  tolerate([&] {
    const Config config = Config::load({.environment = environment});
    walk(config, 0);
  });
  return 0;
}
