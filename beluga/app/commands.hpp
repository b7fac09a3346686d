#pragma once
/// The verbs of the beluga binary. Each returns the process's exit code.

#include <string>

#include "beluga/app/interrupt.hpp"
#include "beluga/app/settings.hpp"

namespace beluga::app {

struct RunOptions {
  std::string question{};  ///< "-": read stdin
  std::string session{};
  bool json = false;
};

int run(const Settings& settings, const RunOptions& options, Interrupt& interrupt);
int chat(const Settings& settings, const RunOptions& options, Interrupt& interrupt);
int list_models();
int list_tools(const Settings& settings);
/// What list_tools() prints.
std::string describe_tools(const Settings& settings);
int list_sessions();
int delete_session(const std::string& name);

}  // namespace beluga::app
