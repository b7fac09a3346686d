#pragma once
/// `SessionStore`: conversations that survive the process.
///
///     auto sessions = open_sessions(Database::open({.path = default_database_path()}));
///     Agent agent{{.model = model, .sessions = sessions}};
///     RunInput input("Where did we want to go?");
///     input.session = "holiday";
///     agent.invoke(input);
///
/// A session is a name and an append-only list of entries numbered from 1. Whoever appends says which number
/// was the last that it saw: if another writer, in this process or another, was faster, append() throws
/// Error{aborted} and nothing is written. So two writers can never interleave. Errors beside those of the
/// database: invalid_argument (a name that is empty, longer than 200 bytes or holds control characters),
/// not_found, already_exists, aborted. Thread-safety: all members from any fiber or thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/contract/message.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

class Database;

struct SessionInfo {
  std::string name{};
  WallTime created{};
  WallTime updated{};
  std::uint64_t last_seq = 0;  ///< 0: no entries yet
  Usage usage{};               ///< sum over all entries
};

/// One message of a conversation. Tool results stand in the order in which they settled, see `replayable()`.
struct SessionEntry {
  std::uint64_t seq = 0;  ///< set by the store
  WallTime time{};
  std::string run_id{};  ///< the run that wrote it
  Message message{};
  Usage usage{};         ///< of the model turn that produced this message
  std::string model{};   ///< that wrote it; empty for everything but answers
  bool partial = false;  ///< what was kept of an answer that was cut short
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;
  virtual SessionInfo create(std::string_view name) = 0;
  virtual std::optional<SessionInfo> find(std::string_view name) = 0;
  /// The most recently used first.
  virtual std::vector<SessionInfo> list(std::size_t limit = 100) = 0;
  /// Entries with a number above `after`, in order.
  virtual std::vector<SessionEntry> load(std::string_view name, std::uint64_t after = 0) = 0;
  /// Writes all entries or none; returns the new last number. A session that does not exist is made when
  /// `expected_last` is 0.
  virtual std::uint64_t append(std::string_view name, std::uint64_t expected_last,
                               std::vector<SessionEntry> entries) = 0;
  /// False when there was none.
  virtual bool remove(std::string_view name) = 0;
};

/// Sessions in the SQLite file. Media are stored once, by content.
std::shared_ptr<SessionStore> open_sessions(std::shared_ptr<Database> database);
/// Sessions that die with the object: for tests and throw-away conversations.
std::shared_ptr<SessionStore> memory_sessions();

}  // namespace beluga
