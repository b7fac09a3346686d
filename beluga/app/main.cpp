/// The beluga binary.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <sstream>
#include <string_view>

#include "beluga/app/commands.hpp"
#include "beluga/app/output.hpp"
#include "beluga/base/did_you_mean.hpp"
#include "beluga/contract/event.hpp"
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

/// What CLI11 found, with the names that were perhaps meant.
std::string what_is_wrong(const CLI::App& cli, const CLI::ParseError& error, int argc, char** argv) {
  const auto chosen = cli.get_subcommands();
  std::vector<std::string> known;
  if (chosen.empty()) {
    for (const CLI::App* verb : cli.get_subcommands({})) known.push_back(verb->get_name());
    const std::string commands = fmt::format("{}", fmt::join(known, ", "));
    // The first word that is no option was to be the command.
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word.starts_with('-')) continue;
      const std::string_view near = nearest_name(word, known);
      return fmt::format("there is no command '{}'{}; the commands are {} (beluga --help)", word,
                         near.empty() ? "" : fmt::format("; did you mean '{}'?", near), commands);
    }
    return fmt::format("name a command: {} (beluga --help)", commands);
  }
  const CLI::App& verb = *chosen.front();
  for (const std::string& word : cli.remaining(true)) {
    if (!word.starts_with('-') || word == "-") continue;
    for (const CLI::Option* option : verb.get_options())
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    return fmt::format("{} has no option {}{}", verb.get_name(), word,
                       did_you_mean(word.substr(0, word.find('=')), known));
  }
  if (const auto rest = cli.remaining(true); !rest.empty())
    return fmt::format(
        "{} does not know what to do with '{}'; write the question as one word, in quotation marks",
        verb.get_name(), fmt::join(rest, " "));
  std::string text = error.what();
  if (text.find("At Most 1") != std::string::npos) text = text.substr(0, text.find(':')) + " is given twice";
  return fmt::format("{} (beluga {} --help)", text, verb.get_name());
}

/// Whether the user can mend it before anything has run: arguments, configuration, what they name.
bool is_usage_error(ErrorCode code) {
  return code == ErrorCode::invalid_argument || code == ErrorCode::not_found ||
         code == ErrorCode::failed_precondition || code == ErrorCode::already_exists ||
         code == ErrorCode::unauthenticated;
}

int dispatch(int argc, char** argv) {
  CLI::App cli{
      "Beluga: agents in one native binary.\n\n"
      "  beluga run \"What does --max-steps do?\" --root docs\n"
      "  beluga chat --session holiday -m openai/gpt-4o"};
  cli.name("beluga");
  cli.set_version_flag("-v,--version", std::string("beluga ") + BELUGA_VERSION);
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

  if (argc > 1 && std::string_view(argv[1]) == "help") argv[1] = const_cast<char*>("--help");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help and --version
    std::ostringstream text;
    cli.exit(help, text, text);
    app::print(text.str());
    return 0;
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::invalid_argument, what_is_wrong(cli, error, argc, argv));
  }

  for (const CLI::App* verb : {run, chat})
    if (verb->count("--session") > 0 && options.session.empty())
      throw Error(ErrorCode::invalid_argument, "--session: is empty; leave it out or give a name");
  if (models->parsed()) return app::list_models();
  if (sessions->parsed()) return doomed.empty() ? app::list_sessions() : app::delete_session(doomed);
  const app::Settings settings = app::load_settings(common.config, common.flags);
  if (tools->parsed()) return app::list_tools(settings);
  app::Interrupt interrupt;  // for what runs an agent; a signal ends the others as it ends any program
  return run->parsed() ? app::run(settings, options, interrupt) : app::chat(settings, options, interrupt);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace beluga;
  app::prepare_streams();
  int code = 1;
  // Errors that end the program before a run has: those of a run are its events.
  const auto report = [&](const Error& error) {
    // Looked for by hand: the arguments may be what is wrong.
    for (int i = 1; i < argc; ++i)
      if (std::string_view(argv[i]) == "--json") {
        app::print(Json::object({{"type", "error"}, {"error", to_json(error)}}).dump() + "\n");
        break;
      }
    app::notice(error.what());
    return is_usage_error(error.code()) ? 2 : 1;
  };
  try {
    install_fault_reporter();
    const auto telemetry = observe::Telemetry::create(observe::telemetry_options_from_environment());
    observe::Telemetry::set_process(telemetry);
    code = dispatch(argc, argv);
    telemetry->shutdown(std::chrono::seconds(2));
  } catch (const Error& error) {
    code = report(error);
  } catch (const std::exception& error) {
    code = report(Error(ErrorCode::internal, error.what()));
  }
  return app::finish_output(code);
}
