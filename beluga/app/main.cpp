/// The beluga binary.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "beluga/app/commands.hpp"
#include "beluga/base/redact.hpp"
#include "beluga/base/terminal.hpp"
#include "beluga/fiber/fault.hpp"
#include "beluga/observe/telemetry.hpp"

namespace {

using namespace beluga;

/// Options that several verbs share, kept as configuration flags so that their errors name the flag.
struct Common {
  std::string config;
  std::vector<Config::Flag> flags;

  void add(CLI::App& verb) {
    verb.add_option("--config", config, "Configuration file (.yaml, .toml or .json)")->type_name("FILE");
    text(verb, "-m,--model", "model", "Model, for example openai/gpt-4o or offline", "PROVIDER/MODEL");
    text(verb, "--base-url", "base_url", "Base URL of an OpenAI-compatible server", "URL");
    text(verb, "--root", "root", "The one folder that the file tools may read (default: the current one)",
         "DIR");
    list(verb, "--tool", "tools", "Offer only this tool; may be repeated", "NAME");
    verb.add_flag_callback(
        "--no-tools", [this] { flags.push_back({"no_tools", "true", "--no-tools"}); }, "Offer no tools");
    list(verb, "--allow-host", "allowed_hosts", "Let http_get reach this host; may be repeated", "HOST");
    text(verb, "--max-steps", "max_steps", "Most model turns (default: 25)", "N");
    text(verb, "--timeout", "timeout", "Most time for one question, such as 90s or 5m", "DURATION");
    text(verb, "--instructions", "instructions", "System prompt instead of the built-in one", "TEXT");
  }

 private:
  void text(CLI::App& verb, const std::string& names, const std::string& path, const std::string& help,
            const std::string& type) {
    const std::string shown = names.substr(names.rfind(',') == std::string::npos ? 0 : names.rfind(',') + 1);
    verb.add_option_function<std::string>(
            names, [this, path, shown](const std::string& value) { flags.push_back({path, value, shown}); },
            help)
        ->type_name(type);
  }
  void list(CLI::App& verb, const std::string& name, const std::string& path, const std::string& help,
            const std::string& type) {
    verb.add_option_function<std::vector<std::string>>(
            name,
            [this, path, name](const std::vector<std::string>& values) {
              flags.push_back({path, Json::array({values.begin(), values.end()}).dump(), name});
            },
            help)
        ->type_name(type)
        ->allow_extra_args(false);
  }
};

int dispatch(int argc, char** argv) {
  CLI::App cli{
      "Beluga: agents in one native binary.\n\n"
      "  beluga run \"What does --max-steps do?\" --root docs\n"
      "  beluga chat --session holiday -m openai/gpt-4o"};
  cli.name("beluga");
  cli.set_version_flag("--version", std::string("beluga ") + BELUGA_VERSION);
  cli.require_subcommand(1);
  Common common;
  app::RunOptions options;

  auto* run = cli.add_subcommand("run", "Ask one question and stream the answer");
  run->add_option("question", options.question, "The question; '-' reads it from stdin")->required();
  run->add_option("--session", options.session, "Continue (or begin) this stored conversation")
      ->type_name("NAME");
  run->add_flag("--json", options.json, "One event per line on stdout");
  common.add(*run);

  auto* chat = cli.add_subcommand("chat", "Talk, with history and line editing");
  chat->add_option("--session", options.session, "A conversation that survives a restart")->type_name("NAME");
  chat->add_flag("--json", options.json, "One event per line on stdout");
  common.add(*chat);

  auto* models = cli.add_subcommand("models", "List the providers and what each needs");
  auto* tools = cli.add_subcommand("tools", "List the built-in tools");
  common.add(*tools);

  auto* sessions = cli.add_subcommand("sessions", "List or delete stored conversations");
  std::string doomed;
  sessions->add_option("--delete", doomed, "Delete this one")->type_name("NAME");

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return code == 0 ? 0 : 2;
  }

  app::Interrupt interrupt;
  if (models->parsed()) return app::list_models();
  if (sessions->parsed()) return doomed.empty() ? app::list_sessions() : app::delete_session(doomed);
  const app::Settings settings = app::load_settings(common.config, common.flags);
  if (tools->parsed()) return app::list_tools(settings);
  return run->parsed() ? app::run(settings, options, interrupt) : app::chat(settings, options, interrupt);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace beluga;
  int code = 1;
  try {
    install_fault_reporter();
    const auto telemetry = observe::Telemetry::create(observe::telemetry_options_from_environment());
    observe::Telemetry::set_process(telemetry);
    code = dispatch(argc, argv);
    telemetry->shutdown(std::chrono::seconds(2));
  } catch (const Error& error) {
    fmt::print(stderr, "beluga: {}\n", redact(strip_terminal_controls(error.what())));
    code = error.code() == ErrorCode::invalid_argument ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "beluga: {}\n", redact(strip_terminal_controls(error.what())));
  }
  return code;
}
