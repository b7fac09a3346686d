#include "beluga/base/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace my {
struct Budget {
  int steps = 0;
  double cost = 0;
};
void from_config(const beluga::Config& config, Budget& out) {
  out.steps = config.at("steps").in_range(1, 100).get<int>();
  out.cost = config["cost"].get_or(1.5);
}
}  // namespace my

// As in docs/configuration.md.
namespace docs {
struct AgentSettings {
  int max_steps = 10;
  std::chrono::milliseconds timeout{30'000};
  std::vector<std::string> tools;
};
void from_config(const beluga::Config& config, AgentSettings& out) {
  out.max_steps = config["max_steps"].in_range(1, 1000).get_or(out.max_steps);
  out.timeout = config["timeout"].get_or(out.timeout);
  out.tools = config["tools"].get_or(out.tools);
}
}  // namespace docs

namespace beluga {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

Config yaml(std::string_view text) {
  return Config::parse(text, Config::Format::yaml, "beluga.yaml");
}
Config toml(std::string_view text) {
  return Config::parse(text, Config::Format::toml, "beluga.toml");
}
Config json(std::string_view text) {
  return Config::parse(text, Config::Format::json, "beluga.json");
}

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() { std::filesystem::create_directories(folder_); }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("beluga_config_test_" + std::to_string(::getpid()));
};

TEST(Config, ReadsTheSameFromEveryFormat) {
  const Config formats[] = {
      yaml("agent:\n  max_steps: 5\n  timeout: 1m30s\n  cost: 0.5\n  tools: [read, list]\n  stream: yes\n"
           "  limits: {a: 1, b: 2}\n  size: 64KiB\n  name: \"x\"\n"),
      toml("[agent]\nmax_steps = 5\ntimeout = '1m30s'\ncost = 0.5\ntools = ['read', 'list']\nstream = true\n"
           "size = '64KiB'\nname = 'x'\n[agent.limits]\na = 1\nb = 2\n"),
      json(
          R"({"agent": {"max_steps": 5, "timeout": "1m30s", "cost": 0.5, "tools": ["read", "list"], "stream": true,
               "limits": {"a": 1, "b": 2}, "size": "64KiB", "name": "x"}})")};
  for (const Config& config : formats) {
    const Config agent = config.at("agent");
    EXPECT_EQ(agent.at("max_steps").get<int>(), 5);
    EXPECT_EQ(agent.at("timeout").get<std::chrono::milliseconds>(), 90s);
    EXPECT_EQ(agent.at("cost").get<double>(), 0.5);
    EXPECT_EQ(agent.at("tools").get<std::vector<std::string>>(), (std::vector<std::string>{"read", "list"}));
    EXPECT_TRUE(agent.at("stream").get<bool>());
    EXPECT_EQ((agent.at("limits").get<std::map<std::string, unsigned>>()),
              (std::map<std::string, unsigned>{{"a", 1}, {"b", 2}}));
    EXPECT_EQ(agent.at("size").bytes(), 65536U);
    EXPECT_EQ(agent.at("name").get<std::string>(), "x");
    config.check_all_used();
  }
}

TEST(Config, NamesThePlaceTheKeyAndTheRemedyOfAWrongType) {
  const Config config = yaml(
      "agent:\n  budget:\n    max_steps: many\n    timeout: 30\n    on: maybe\n    list: 5\n    quoted: "
      "\"5\"\n    big: 300\n");
  const Config budget = config["agent"]["budget"];
  EXPECT_EQ(message_of([&] {
              budget["max_steps"].in_range(1, std::numeric_limits<std::int64_t>::max()).get<int>();
            }),
            "beluga.yaml:3:16: agent.budget.max_steps: expected a whole number from 1 to 2147483647, found "
            "\"many\"");
  EXPECT_EQ(message_of([&] { budget["max_steps"].get<int>(); }),
            "beluga.yaml:3:16: agent.budget.max_steps: expected a whole number, found \"many\"");
  EXPECT_EQ(message_of([&] {
              budget["max_steps"].in_range(1, std::numeric_limits<std::int64_t>::max()).get<std::int64_t>();
            }),
            "beluga.yaml:3:16: agent.budget.max_steps: expected a whole number above 0, found \"many\"");
  EXPECT_EQ(message_of([&] { budget["timeout"].get<std::chrono::seconds>(); }),
            "beluga.yaml:4:14: agent.budget.timeout: expected a duration such as 30s, 1m30s or 250ms, found "
            "\"30\"");
  EXPECT_THAT(message_of([&] { budget["on"].get<bool>(); }),
              HasSubstr("expected true or false, found \"maybe\""));
  EXPECT_THAT(message_of([&] { budget["list"].get<std::vector<int>>(); }),
              HasSubstr("expected a list, found \"5\""));
  EXPECT_THAT(message_of([&] { budget["quoted"].get<int>(); }), HasSubstr("found \"5\" (remove the quotes)"));
  EXPECT_THAT(message_of([&] { budget["big"].get<std::uint8_t>(); }),
              HasSubstr("expected a whole number from 0 to 255, found \"300\""));
  EXPECT_THAT(message_of([&] { budget["big"].get<std::int8_t>(); }), HasSubstr("from -128 to 127"));
  EXPECT_THAT(message_of([&] { budget["max_steps"]["x"]; }),
              HasSubstr("agent.budget.max_steps: expected a map"));
}

TEST(Config, ListsUnknownKeysWithSuggestions) {
  const Config config = yaml("agent:\n  max_step: 5\n  name: x\nzebra: 1\n");
  config["agent"]["max_steps"].get_or(10);
  config["agent"]["name"].get_or("y");
  EXPECT_EQ(message_of([&] { config.check_all_used(); }),
            "beluga.yaml:2:3: unknown key agent.max_step; did you mean 'max_steps'?\n"
            "beluga.yaml:4:1: unknown key zebra; known: agent");
}

TEST(Config, NamesWhatIsMissingAndHowToSetIt) {
  const Config config = Config::load({.environment = std::vector<std::string>{"BELUGA_AGENT__NAME=x"}});
  EXPECT_EQ(message_of([&] { config.at("agent").at("max-steps"); }),
            "agent.max-steps is missing; set it with BELUGA_AGENT__MAX_STEPS");
  EXPECT_EQ(message_of([&] { config["agent"]["deep"]["er"].get<int>(); }),
            "agent.deep.er is missing; set it with BELUGA_AGENT__DEEP__ER");
  EXPECT_EQ(message_of([&] { yaml("modle: x").at("model"); }),
            "beluga.yaml:1:1: model is missing; did you mean it by 'modle'?");
  EXPECT_EQ(config["agent"]["deep"]["er"].get_or(7), 7);
  EXPECT_EQ(config["none"].get<std::optional<int>>(), std::nullopt);
}

TEST(Config, TreatsNullAsAbsent) {
  const Config config = yaml("a:\nb: ~\nc: null\nd: \"null\"\n");
  for (const char* key : {"a", "b", "c"}) {
    EXPECT_FALSE(config[key]) << key;
    EXPECT_EQ(config[key].get_or(3), 3);
    EXPECT_THROW(config.at(key), Error);
  }
  EXPECT_EQ(config["d"].get<std::string>(), "null");
}

TEST(Config, ReadsTheEnvironmentOfTheProcess) {
  ::setenv("BELUGA_CONFIG_TEST__ONE", "from the process", 1);
  EXPECT_EQ(Config::load({})["config_test"]["one"].get<std::string>(), "from the process");
  ::unsetenv("BELUGA_CONFIG_TEST__ONE");
}

TEST_F(ConfigFile, LaysEnvironmentOverFileAndFlagsOverBoth) {
  const std::string path = write(
      "beluga.yaml", "agent:\n  max-steps: 1\n  name: file\n  tools: [a]\nmodels:\n  gpt-4.1: {price: 1}\n");
  Config::Sources sources{
      .file = path,
      .environment_ignored = {"BELUGA_HOME"},
      .environment = std::vector<std::string>{"BELUGA_AGENT__MAX_STEPS=2", "BELUGA_AGENT__NAME=env",
                                              "BELUGA_AGENT__TOOLS=b, c", "BELUGA_HOME=/x",
                                              "BELUGA_EMPTY=", "OTHER=1", "BELUGA_NEW__DEEP={\"x\":[1,2]}"}};
  sources.flags = {{"agent.name", "flag", "--name"}, {"models.\"gpt-4.1\".price", "2.5"}};
  const Config config = Config::load(sources);
  EXPECT_EQ(config["agent"]["max-steps"].get<int>(), 2);
  EXPECT_EQ(config["agent"]["max-steps"].origin(), "environment variable BELUGA_AGENT__MAX_STEPS");
  EXPECT_EQ(config["agent"]["name"].get<std::string>(), "flag");
  EXPECT_EQ(config["agent"]["name"].origin(), "flag --name");
  EXPECT_EQ(config["agent"]["tools"].get<std::vector<std::string>>(), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(config["models"]["gpt-4.1"]["price"].get<double>(), 2.5);
  EXPECT_EQ(config["models"]["gpt-4.1"]["price"].path(), "models.\"gpt-4.1\".price");
  EXPECT_EQ(config["new"]["deep"]["x"].get<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_FALSE(config["home"]);
  EXPECT_FALSE(config["empty"]);
  config.check_all_used();
  EXPECT_EQ(config["agent"].origin(), path + ":2:3");
}

TEST_F(ConfigFile, SaysWhichVariableOrFlagIsWrong) {
  const std::string path = write("b.toml", "a = 1\n");
  const auto load = [&](std::vector<std::string> environment, std::vector<Config::Flag> flags) {
    return Config::load({.file = path, .environment = std::move(environment), .flags = std::move(flags)});
  };
  EXPECT_EQ(message_of([&] { load({"BELUGA_A=x"}, {})["a"].get<int>(); }),
            "environment variable BELUGA_A: a: expected a whole number, found \"x\"");
  EXPECT_EQ(message_of([&] { load({}, {{"a", "x", "--a"}})["a"].get<int>(); }),
            "flag --a: a: expected a whole number, found \"x\"");
  EXPECT_EQ(message_of([&] { load({"BELUGA_A__B=1"}, {}); }),
            "environment variable BELUGA_A__B: sets 'b' inside of what is no map (" + path + ":1:5)");
  EXPECT_THAT(message_of([&] { load({"BELUGA_A____B=1"}, {}); }),
              HasSubstr("must have a name on both sides"));
  EXPECT_THAT(message_of([&] { load({"BELUGA_B=[1,"}, {}); }),
              HasSubstr("environment variable BELUGA_B: this begins like JSON, but: line 1, column 4"));
  EXPECT_THAT(message_of([&] { load({}, {{"a..b", "1", ""}}); }),
              HasSubstr("flag --set a..b: expected a path"));
  EXPECT_THAT(message_of([&] {
                const Config config = load({"BELUGA_AGNET__X=1"}, {});
                config["agent"];
                config["a"];
                config.check_all_used();
              }),
              HasSubstr("environment variable BELUGA_AGNET__X: unknown key agnet; did you mean 'agent'?"));
}

TEST_F(ConfigFile, ExplainsAFileThatCannotBeRead) {
  EXPECT_THAT(message_of([&] { Config::load({.file = (folder_ / "no.yaml").string()}); }),
              HasSubstr("does not exist"));
  EXPECT_THAT(message_of([&] { Config::load({.file = write("a.ini", "")}); }), HasSubstr("name it .yaml"));
  EXPECT_THAT(message_of([&] { Config::load({.file = folder_.string()}); }), HasSubstr("is a directory"));
  EXPECT_THAT(message_of([&] {
                Config::load({.file = write("big.yaml", std::string(3000, '#')), .max_file_bytes = 2048});
              }),
              HasSubstr("larger than 2 KiB"));
  EXPECT_THAT(message_of([&] { Config::load({.file = write("bad.yaml", "a: 1\nb: \xFF\n")}); }),
              HasSubstr("bad.yaml:2:4: this is not UTF-8"));
}

TEST(Config, RefusesDuplicateKeysNamingBothLines) {
  EXPECT_EQ(message_of([] { yaml("a: 1\nb: 2\na: 3\n"); }),
            "beluga.yaml:3:1: the key 'a' occurs twice; it is already set in line 1");
  EXPECT_THAT(
      message_of([] { json("{\"a\": 1,\n \"a\": 2}"); }),
      HasSubstr("beluga.json:2:2: the key \"a\" occurs twice in this object; it is already in line 1"));
  EXPECT_THAT(message_of([] { toml("a = 1\na = 2\n"); }), HasSubstr("beluga.toml:2:"));
}

TEST(Config, GivesTheLineOfASyntaxErrorInEveryFormat) {
  EXPECT_THAT(message_of([] { yaml("a: [1\nb: 2\n"); }), HasSubstr("beluga.yaml:2:"));
  EXPECT_THAT(message_of([] { yaml("- 1\n"); }),
              HasSubstr("beluga.yaml:1:1: expected a map of keys and values"));
  EXPECT_THAT(message_of([] { json("{\"a\":\n  tru}"); }), HasSubstr("beluga.json:2:3: expected a value"));
  EXPECT_THAT(message_of([] { toml("a = 1\nb =\n"); }), HasSubstr("beluga.toml:2:"));
  EXPECT_THAT(message_of([] { yaml(std::string_view("a: 1\nb: x\0y", 11)); }),
              HasSubstr("beluga.yaml:2:5: a control character"));
  EXPECT_THAT(message_of([] { yaml("a: 1\n---\nb: 2\n"); }), HasSubstr("a configuration is one document"));
  EXPECT_THAT(message_of([] { yaml("a: !custom 1\n"); }), HasSubstr("the tag"));
  EXPECT_THAT(message_of([] { yaml("<<: {a: 1}\n"); }), HasSubstr("merge keys"));
  EXPECT_THAT(message_of([] { yaml("? [a]\n: 1\n"); }), HasSubstr("a key must be a text"));
}

TEST(Config, SurvivesTheBillionLaughs) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    text += "]\n";
  }
  EXPECT_THAT(message_of([&] { yaml(text); }), HasSubstr("are aliases multiplying them?"));
  EXPECT_THAT(message_of([] { yaml("a: &a [*a]\n"); }), HasSubstr("beluga.yaml:1:"));
  EXPECT_THAT(message_of([] { yaml("a: " + std::string(5000, '[') + std::string(5000, ']')); }),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(message_of([] { json("{\"a\":" + std::string(5000, '[')); }),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_NE(message_of([] { toml("a = " + std::string(5000, '[')); }), "no error");
  const Config shared = yaml("base: &b {x: 1}\nother: *b\n");
  EXPECT_EQ(shared["other"]["x"].get<int>(), 1);
}

TEST(Config, KnowsThePlaceOfEveryValueInJson) {
  const Config config =
      json("\xEF\xBB\xBF{\n  \"a\": [1, {\"\\\"}\": \"x\\\\\"},\n    -2.5e3],\n  \"\xC3\xA9\": true\n}");
  EXPECT_EQ(config["a"].origin(), "beluga.json:2:8");
  EXPECT_EQ(config["a"].items()[0].origin(), "beluga.json:2:9");
  EXPECT_EQ(config["a"].items()[1]["\"}"].origin(), "beluga.json:2:20");
  EXPECT_EQ(config["a"].items()[2].origin(), "beluga.json:3:5");
  EXPECT_EQ(config["a"].items()[2].path(), "a[2]");
  EXPECT_EQ(config["\xC3\xA9"].origin(), "beluga.json:4:8");
}

TEST_F(ConfigFile, ReadsSecretsByReference) {
  write("key", "from file\n");
  std::filesystem::permissions(folder_ / "key",
                               std::filesystem::perms::owner_all | std::filesystem::perms::others_read);
  ::setenv("CONFIG_TEST_KEY", "from env", 1);
  const std::string path =
      write("b.yaml",
            "a: {env: CONFIG_TEST_KEY}\nb: env:CONFIG_TEST_KEY\nc: {file: key}\nd: file:key\n"
            "e: literal\nf: {env: CONFIG_TEST_ABSENT}\ng: {what: x}\nh: [1]\ni: {file: nowhere}\n");
  const Config config = Config::load({.file = path});
  EXPECT_EQ(config["a"].get<Secret>().reveal(), "from env");
  EXPECT_EQ(config["b"].get<Secret>().reveal(), "from env");
  EXPECT_EQ(config["c"].get<Secret>().reveal(), "from file");
  EXPECT_EQ(config["d"].get<Secret>().reveal(), "from file");
  EXPECT_EQ(config["e"].get<Secret>().reveal(), "literal");
  EXPECT_EQ(
      message_of([&] { config["f"].get<Secret>(); }),
      path + ":6:4: f: the environment variable CONFIG_TEST_ABSENT is not set; it must hold the secret");
  EXPECT_THAT(message_of([&] { config["g"].get<Secret>(); }),
              HasSubstr("expected a text, {env: NAME} or {file: PATH}, found a map"));
  EXPECT_THROW(config["h"].get<Secret>(), Error);
  EXPECT_THAT(message_of([&] { config["i"].get<Secret>(); }), HasSubstr("nowhere does not exist"));
  EXPECT_EQ(config.warnings().size(), 2U);
  EXPECT_THAT(config.warnings()[0], HasSubstr("chmod 600"));
  ::unsetenv("CONFIG_TEST_KEY");
}

TEST(Config, NeverShowsASecret) {
  const Config config = yaml(
      "openai:\n  api_key: hunter2\n  other: sk-0123456789abcdef0123\n  mine: swordfish\n  ref: env:NAME\n  "
      "api-key: {env: NAME}\n  list: [password=hunter2]\n");
  static_cast<void>(config["openai"]["mine"].get<Secret>());
  const std::string dump = config.dump().dump();
  EXPECT_EQ(
      dump,
      R"({"openai":{"api_key":"[redacted]","other":"[redacted]","mine":"[redacted]","ref":"env:NAME","api-key":{"env":"NAME"},"list":["[redacted]"]}})");
  for (const char* key : {"api_key", "other"})
    EXPECT_THAT(message_of([&] { config["openai"][key].get<int>(); }), HasSubstr("found [redacted]")) << key;
  EXPECT_THAT(message_of([&] { config["openai"]["api_key"].one_of({"a", "b"}); }), Not(HasSubstr("hunter2")));
  const Config odd = yaml("\"x.api_key\": hunter2\npassword: [hunter2]\n");
  EXPECT_THAT(message_of([&] { odd["x.api_key"].get<int>(); }), HasSubstr("found [redacted]"));
  EXPECT_THAT(message_of([&] { odd["password"].items()[0].get<int>(); }), HasSubstr("found [redacted]"));
  EXPECT_THROW(config.check_all_used(), Error) << "a dump must not count as use";
}

TEST(Config, FillsStructsThroughFromConfig) {
  const Config config = yaml("budget: {steps: 5}\nall: [{steps: 1, cost: 2}, {steps: 200}]\n");
  EXPECT_EQ(config["budget"].get<my::Budget>().steps, 5);
  EXPECT_EQ(config["none"].get<std::optional<my::Budget>>().has_value(), false);
  EXPECT_THAT(
      message_of([&] { config["all"].get<std::vector<my::Budget>>(); }),
      HasSubstr("beluga.yaml:2:36: all[1].steps: expected a whole number from 1 to 100, found \"200\""));
}

TEST(Config, ReadsTheExampleOfTheDocumentation) {
  const Config config = toml(
      "[agent]\nmodel = 'x'\nmax_steps = 12\ntimeout = '1m30s'\ntools = ['read_file', "
      "'calculator']\n[openai]\napi_key = 'k'\n");
  const auto settings = config["agent"].get_or(docs::AgentSettings{});
  EXPECT_EQ(settings.max_steps, 12);
  EXPECT_EQ(settings.timeout, 90s);
  EXPECT_EQ(settings.tools.size(), 2U);
  EXPECT_EQ(config["none"].get_or(docs::AgentSettings{}).max_steps, 10);
  EXPECT_EQ(config.at("openai").at("api_key").get<Secret>().reveal(), "k");
  EXPECT_EQ(message_of([&] { config.check_all_used(); }),
            "beluga.toml:2:1: unknown key agent.model; known: max_steps, timeout, tools");
}

TEST(Config, OffersChoicesAndOwnErrors) {
  const Config config = yaml("level: inof\nport: 70000\n");
  EXPECT_EQ(
      message_of([&] { config["level"].one_of({"debug", "info", "error"}); }),
      "beluga.yaml:1:8: level: expected one of debug, info, error, found \"inof\"; did you mean 'info'?");
  EXPECT_EQ(config["port"].error("no such port").message(), "beluga.yaml:2:7: port: no such port");
  EXPECT_EQ(config["port"].error("x").code(), ErrorCode::invalid_argument);
}

TEST(Config, BecomesJson) {
  EXPECT_EQ(yaml("a: {b: [1, 1.50, yes, true, \"5\", ~, text]}\n")["a"].get<Json>().dump(),
            R"({"b":[1,1.50,"yes",true,"5",null,"text"]})");
  EXPECT_EQ(toml("d = 2024-01-02\nf = 1.5\n[t]\nx = 1\n").get<Json>().dump(),
            R"({"d":"2024-01-02","f":1.5,"t":{"x":1}})");
  EXPECT_EQ(Config().dump().dump(), "{}");
  EXPECT_EQ(yaml("# nothing\n").dump().dump(), "{}");
}

}  // namespace
}  // namespace beluga
