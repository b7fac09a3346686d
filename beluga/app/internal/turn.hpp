#pragma once
/// One question to an agent, shown on a console.

#include <cstddef>
#include <memory>
#include <string>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/app/console.hpp"
#include "beluga/app/interrupt.hpp"

namespace beluga::app {

/// Of stdin: more is no question but a document, or no end.
inline constexpr std::size_t kMaxQuestion = std::size_t{16} << 20;

/// "new session 'holiday'" or how far it has come.
std::string session_state(SessionStore& sessions, const std::string& name);

/// Runs until the terminal event; Ctrl-C cancels. Returns the exit code.
int turn(const Agent& agent, RunInput input, Console& console, Interrupt& interrupt);

/// The sessions in the user's database file.
std::shared_ptr<SessionStore> stored_sessions();

}  // namespace beluga::app
