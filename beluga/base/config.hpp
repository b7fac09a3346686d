#pragma once
/// Configuration: a file (YAML, TOML or JSON), over it the environment, over that the flags.
///
///     Config config = Config::load({.file = "beluga.yaml"});
///     Config agent = config["agent"];
///     int steps = agent["max_steps"].in_range(1, 1000).get_or(10);
///     auto timeout = agent["timeout"].get_or(std::chrono::milliseconds(30'000));   // "30s", "1m30s"
///     Secret key = config.at("openai").at("api_key").get<Secret>();                // {env: OPENAI_API_KEY}
///     config.check_all_used();                                                     // typing errors in keys
///
/// Every value knows where it came from, and every error says it, with the key and the remedy:
///
///   beluga.yaml:7:14: agent.max_steps: expected a whole number from 1 to 1000, found "many"
///   beluga.yaml:9:3: unknown key agent.timout; did you mean 'timeout'?
///   environment variable BELUGA_AGENT__MAX_STEPS: agent.max_steps: expected a whole number, found "x"
///
/// A `Config` is a cheap view of one value in an immutable tree (it shares ownership). Views may be read from
/// any thread. Errors are Error{invalid_argument}; a file that cannot be read is {not_found} or
/// {permission_denied}. The file format, the mapping of the environment and secrets are described in
/// docs/configuration.md.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/secret.hpp"

namespace beluga {
namespace detail {
struct ConfigNode;
struct ConfigTree;
}  // namespace detail

class Config {
 public:
  enum class Format : std::uint8_t { yaml, toml, json };

  /// One value from the command line: the dotted path, the text, and how the flag is spelled ("--max-steps"),
  /// for errors. A path part with a dot in it is quoted: `models."gpt-4.1".price`.
  struct Flag {
    std::string path;
    std::string value;
    std::string name = {};
  };

  struct Sources {
    /// Path; the ending (.yaml, .yml, .toml, .json) says the format. Empty: no file.
    std::string file = {};
    /// BELUGA_AGENT__MAX_STEPS=5 sets agent.max_steps: without the prefix, in lower case, "__" between the
    /// levels. Empty: the environment is not read.
    std::string environment_prefix = "BELUGA_";
    /// Variables with the prefix that are no configuration.
    std::vector<std::string> environment_ignored = {};
    /// The environment as NAME=value; the process's own when it is not given.
    std::optional<std::vector<std::string>> environment = {};
    std::vector<Flag> flags = {};
    std::size_t max_file_bytes = 1024 * 1024;
  };

  static Config load(const Sources& sources);
  /// `name` stands for the file name in errors.
  static Config parse(std::string_view text, Format format, std::string name = "configuration");

  /// An empty configuration: every optional value has its default.
  Config();

  // Navigation. Asking for a key marks it as known and used.

  /// The member `key`; an error naming what is missing and where, when there is none.
  Config at(std::string_view key) const;
  /// The member `key`, or an absent view, on which get_or() and get<std::optional<T>>() give the default.
  Config operator[](std::string_view key) const;
  /// Whether there is a value here; null counts as none.
  bool exists() const noexcept;
  explicit operator bool() const noexcept { return exists(); }
  bool is_map() const noexcept;
  bool is_list() const noexcept;
  /// The items of a list. A text from the environment or a flag is split at commas (or is a JSON array).
  std::vector<Config> items() const;
  /// The members of a map in the order of the source; marks all as used.
  std::vector<std::pair<std::string, Config>> members() const;

  // Values.

  /// The value as T, an error when it is absent or of another type. T: bool, integers, double, float,
  /// std::string, std::chrono durations ("30s"), Secret, Json, std::optional<T>, std::vector<T>,
  /// std::map<std::string, T>, and every type with a function `void from_config(const Config&, T&)` in its
  /// namespace.
  template <class T>
  T get() const;
  /// The value as T, or `fallback` when it is absent. A wrong type is still an error.
  template <class T>
  T get_or(T fallback) const {
    return exists() ? get<T>() : std::move(fallback);
  }
  std::string get_or(const char* fallback) const { return get_or(std::string(fallback)); }
  /// The value as a number of bytes: 4096, "64KiB", "10MB".
  std::uint64_t bytes() const;
  std::uint64_t bytes_or(std::uint64_t fallback) const { return exists() ? bytes() : fallback; }
  /// This view, whose numbers must lie in [least, most].
  Config in_range(std::int64_t least, std::int64_t most) const;
  /// The text, which must be one of `choices`.
  std::string one_of(const std::vector<std::string>& choices) const;

  // Errors and origin.

  /// "agent.max_steps"; empty for the root.
  const std::string& path() const noexcept { return path_; }
  /// "beluga.yaml:7:14", "environment variable BELUGA_X", "flag --max-steps"; empty for an absent value.
  std::string origin() const;
  /// An error about this value: "origin: path: message". For checks of your own.
  Error error(std::string_view message) const;
  /// Throws one error that lists every key below this one that nobody asked for.
  void check_all_used() const;
  /// Remarks that are no errors (a secret file that others can read), gathered so far.
  std::vector<std::string> warnings() const;

  /// The whole as JSON for people: secrets are "[redacted]".
  Json dump() const;

 private:
  using Tree = detail::ConfigTree;
  using Node = detail::ConfigNode;
  Config(std::shared_ptr<const Tree> tree, std::shared_ptr<const Node> node, std::string path);

  bool read_bool() const;
  std::int64_t read_signed(std::int64_t least, std::int64_t most) const;
  std::uint64_t read_unsigned(std::uint64_t most) const;
  double read_double() const;
  std::string read_string() const;
  std::chrono::nanoseconds read_duration() const;
  Secret read_secret() const;
  Json read_json() const;
  [[noreturn]] void expected(std::string_view what) const;
  [[noreturn]] void missing() const;
  std::string shown() const;
  Config child(std::string_view key) const;
  void find_unknown(std::vector<std::string>& unknown) const;
  Json to_json(bool redacted) const;

  template <class T>
  struct Reader;

  std::shared_ptr<const Tree> tree_;
  std::shared_ptr<const Node> node_;  // null: absent
  std::string path_;
  std::optional<std::pair<std::int64_t, std::int64_t>> range_;
};

template <class T>
struct Config::Reader {
  static T read(const Config& config) {
    if constexpr (std::is_same_v<T, bool>) {
      return config.read_bool();
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return static_cast<T>(config.read_signed(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(config.read_unsigned(std::numeric_limits<T>::max()));
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(config.read_double());
    } else if constexpr (std::is_same_v<T, std::string>) {
      return config.read_string();
    } else if constexpr (std::is_same_v<T, Secret>) {
      return config.read_secret();
    } else if constexpr (std::is_same_v<T, Json>) {
      return config.read_json();
    } else {
      T value{};
      from_config(config, value);
      return value;
    }
  }
};

template <class Rep, class Period>
struct Config::Reader<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static Duration read(const Config& config) {
    const std::chrono::nanoseconds exact = config.read_duration();
    const auto value = std::chrono::duration_cast<Duration>(exact);
    if (value == Duration::zero() && exact.count() != 0)
      config.expected("a longer duration (this one is rounded to 0)");
    return value;
  }
};

template <class T>
struct Config::Reader<std::optional<T>> {
  static std::optional<T> read(const Config& config) { return config.get<T>(); }
};

template <class T>
struct Config::Reader<std::vector<T>> {
  static std::vector<T> read(const Config& config) {
    std::vector<T> out;
    for (const Config& item : config.items()) out.push_back(item.get<T>());
    return out;
  }
};

template <class T>
struct Config::Reader<std::map<std::string, T>> {
  static std::map<std::string, T> read(const Config& config) {
    std::map<std::string, T> out;
    for (const auto& [key, value] : config.members()) out.emplace(key, value.template get<T>());
    return out;
  }
};

namespace detail {
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
}  // namespace detail

template <class T>
T Config::get() const {
  if constexpr (detail::IsOptional<T>::value) {
    if (!exists()) return std::nullopt;
  }
  return Reader<T>::read(*this);
}

}  // namespace beluga
