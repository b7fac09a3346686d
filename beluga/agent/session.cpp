#include "beluga/agent/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "beluga/base/error.hpp"
#include "beluga/store/blob.hpp"
#include "beluga/store/database.hpp"

namespace beluga {
namespace {

constexpr std::size_t kMaxName = 200;
/// How a stored message refers to a blob, in the place of a URL.
constexpr std::string_view kBlob = "beluga-blob:";
/// A URL that itself starts with kBlob is stored behind this, so that no message can name a blob it does not
/// own.
constexpr std::string_view kLiteral = "beluga-blob:url:";

void check_name(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (name.empty() || name.size() > kMaxName || control)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a session name has 1 to {} bytes and no control characters", kMaxName));
}

Error conflict(std::string_view name, std::uint64_t expected, std::uint64_t found) {
  return Error(ErrorCode::aborted, fmt::format("session '{}' was continued by another writer (its last entry "
                                               "is {}, expected {}); ask again "
                                               "to continue from there",
                                               name, found, expected))
      .with_retryable(false);
}

Error missing(std::string_view name) {
  return Error(ErrorCode::not_found, fmt::format("there is no session '{}'", name));
}

/// Calls `f` with every Media of the message.
template <class F>
void each_media(Message& message, F f) {
  for (Part& part : message.parts) {
    if (auto* image = std::get_if<Image>(&part)) f(image->data);
    if (auto* audio = std::get_if<Audio>(&part)) f(audio->data);
    if (auto* file = std::get_if<File>(&part)) f(file->data);
    if (auto* result = std::get_if<ToolResult>(&part))
      for (auto& attachment : result->attachments)
        std::visit([&](auto& media) { f(media.data); }, attachment);
  }
}

WallTime wall_from(std::int64_t microseconds) {
  return WallTime(std::chrono::microseconds(microseconds));
}
std::int64_t microseconds(WallTime time) {
  return time.time_since_epoch().count();
}

class SqliteSessions final : public SessionStore {
 public:
  explicit SqliteSessions(std::shared_ptr<Database> database) : db_(std::move(database)) {
    // usage is summed per session, so that listing does not read every entry.
    db_->migrate("sessions", {R"(
CREATE TABLE sessions(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, updated INTEGER NOT NULL,
  last_seq INTEGER NOT NULL DEFAULT 0, usage TEXT NOT NULL DEFAULT '{}');
CREATE INDEX sessions_by_use ON sessions(updated);
CREATE TABLE session_entries(
  session INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE, seq INTEGER NOT NULL, time INTEGER NOT NULL,
  run_id TEXT NOT NULL, model TEXT NOT NULL, partial INTEGER NOT NULL, usage TEXT NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY(session, seq)) WITHOUT ROWID;
)"});
  }

  SessionInfo create(std::string_view name) override {
    check_name(name);
    return db_->write([&](Connection& c) {
      if (find_in(c, name))
        throw Error(ErrorCode::already_exists, fmt::format("there is already a session '{}'", name));
      return make(c, name, Clock::current().wall()).info;
    });
  }

  std::optional<SessionInfo> find(std::string_view name) override {
    check_name(name);
    return db_->read([&](Connection& c) {
      auto row = find_in(c, name);
      return row ? std::optional(row->info) : std::nullopt;
    });
  }

  std::vector<SessionInfo> list(std::size_t limit) override {
    return db_->read([&](Connection& c) {
      std::vector<SessionInfo> out;
      Query rows = c.query(
          "SELECT id, name, created, updated, last_seq, usage FROM sessions ORDER BY updated DESC, id DESC "
          "LIMIT ?",
          {static_cast<std::int64_t>(std::min<std::size_t>(limit, 1'000'000))});
      while (rows.next()) out.push_back(row_of(rows).info);
      return out;
    });
  }

  std::vector<SessionEntry> load(std::string_view name, std::uint64_t after) override {
    check_name(name);
    return db_->read([&](Connection& c) {
      const auto row = find_in(c, name);
      if (!row) throw missing(name);
      std::vector<SessionEntry> out;
      std::unordered_map<std::string, std::shared_ptr<const std::string>> blobs;
      Query rows = c.query(
          "SELECT seq, time, run_id, model, partial, usage, message FROM session_entries WHERE session = ? "
          "AND seq > ? ORDER BY seq",
          {row->id, after});
      while (rows.next()) {
        SessionEntry entry{.seq = static_cast<std::uint64_t>(rows.integer(0)),
                           .time = wall_from(rows.integer(1)),
                           .run_id = std::string(rows.text(2)),
                           .message = message_from_json(Json::parse(rows.text(6))),
                           .usage = usage_from_json(Json::parse(rows.text(5))),
                           .model = std::string(rows.text(3)),
                           .partial = rows.integer(4) != 0};
        each_media(entry.message, [&](Media& media) {
          if (media.url.starts_with(kLiteral)) {
            media.url.erase(0, kLiteral.size());
          } else if (media.url.starts_with(kBlob)) {
            auto& content = blobs[media.url];
            if (!content)
              content = std::make_shared<const std::string>(get_blob(c, media.url.substr(kBlob.size())));
            media.data = content;
            media.url.clear();
          }
        });
        out.push_back(std::move(entry));
      }
      return out;
    });
  }

  std::uint64_t append(std::string_view name, std::uint64_t expected_last,
                       std::vector<SessionEntry> entries) override {
    check_name(name);
    return db_->write([&](Connection& c) {
      auto row = find_in(c, name);
      if (!row && expected_last != 0) throw missing(name);
      if (!row) row = make(c, name, entries.empty() ? Clock::current().wall() : entries.front().time);
      if (row->info.last_seq != expected_last) throw conflict(name, expected_last, row->info.last_seq);
      const std::string owner = owner_of(row->id);
      std::uint64_t seq = expected_last;
      for (SessionEntry& entry : entries) {
        each_media(entry.message, [&](Media& media) {
          if (media.data) {
            media.url = std::string(kBlob).append(put_blob(c, owner, *media.data));
            media.data = nullptr;
          } else if (media.url.starts_with(kBlob)) {
            media.url.insert(0, kLiteral);
          }
        });
        row->info.usage += entry.usage;
        row->info.updated = std::max(row->info.updated, entry.time);
        const std::string usage = to_json(entry.usage).dump();
        const std::string message = to_json(entry.message).dump();
        c.execute(
            "INSERT INTO session_entries(session, seq, time, run_id, model, partial, usage, message) VALUES "
            "(?,?,?,?,?,?,?,?)",
            {row->id, ++seq, microseconds(entry.time), entry.run_id, entry.model, entry.partial, usage,
             message});
      }
      const std::string usage = to_json(row->info.usage).dump();
      c.execute("UPDATE sessions SET last_seq = ?, updated = ?, usage = ? WHERE id = ?",
                {seq, microseconds(row->info.updated), usage, row->id});
      return seq;
    });
  }

  bool remove(std::string_view name) override {
    check_name(name);
    return db_->write([&](Connection& c) {
      const auto row = find_in(c, name);
      if (!row) return false;
      release_blobs(c, owner_of(row->id));
      c.execute("DELETE FROM sessions WHERE id = ?", {row->id});
      return true;
    });
  }

 private:
  struct Row {
    std::int64_t id = 0;
    SessionInfo info{};
  };

  static std::string owner_of(std::int64_t id) { return fmt::format("session/{}", id); }

  static Row row_of(const Query& row) {
    return {.id = row.integer(0),
            .info = {.name = std::string(row.text(1)),
                     .created = wall_from(row.integer(2)),
                     .updated = wall_from(row.integer(3)),
                     .last_seq = static_cast<std::uint64_t>(row.integer(4)),
                     .usage = usage_from_json(Json::parse(row.text(5)))}};
  }

  static std::optional<Row> find_in(Connection& c, std::string_view name) {
    Query rows =
        c.query("SELECT id, name, created, updated, last_seq, usage FROM sessions WHERE name = ?", {name});
    if (!rows.next()) return std::nullopt;
    return row_of(rows);
  }

  static Row make(Connection& c, std::string_view name, WallTime now) {
    c.execute("INSERT INTO sessions(name, created, updated) VALUES (?, ?, ?)",
              {name, microseconds(now), microseconds(now)});
    return {.id = c.last_insert_id(), .info = {.name = std::string(name), .created = now, .updated = now}};
  }

  std::shared_ptr<Database> db_;
};

class MemorySessions final : public SessionStore {
 public:
  SessionInfo create(std::string_view name) override {
    check_name(name);
    const std::lock_guard lock(mutex_);
    if (sessions_.find(name) != sessions_.end())
      throw Error(ErrorCode::already_exists, fmt::format("there is already a session '{}'", name));
    return make(name).info;
  }
  std::optional<SessionInfo> find(std::string_view name) override {
    check_name(name);
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(name);
    return it == sessions_.end() ? std::nullopt : std::optional(it->second.info);
  }
  std::vector<SessionInfo> list(std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    std::vector<SessionInfo> out;
    for (const auto& [name, session] : sessions_) out.push_back(session.info);
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.updated > b.updated; });
    if (out.size() > limit) out.resize(limit);
    return out;
  }
  std::vector<SessionEntry> load(std::string_view name, std::uint64_t after) override {
    check_name(name);
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(name);
    if (it == sessions_.end()) throw missing(name);
    const auto& all = it->second.entries;
    return {all.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(after, all.size())), all.end()};
  }
  std::uint64_t append(std::string_view name, std::uint64_t expected_last,
                       std::vector<SessionEntry> entries) override {
    check_name(name);
    const std::lock_guard lock(mutex_);
    auto it = sessions_.find(name);
    if (it == sessions_.end() && expected_last != 0) throw missing(name);
    Session& session = it == sessions_.end() ? make(name) : it->second;
    if (session.info.last_seq != expected_last) throw conflict(name, expected_last, session.info.last_seq);
    for (SessionEntry& entry : entries) {
      entry.seq = ++session.info.last_seq;
      session.info.usage += entry.usage;
      session.info.updated = std::max(session.info.updated, entry.time);
      session.entries.push_back(std::move(entry));
    }
    return session.info.last_seq;
  }
  bool remove(std::string_view name) override {
    check_name(name);
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(name);
    if (it == sessions_.end()) return false;
    sessions_.erase(it);
    return true;
  }

 private:
  struct Session {
    SessionInfo info{};
    std::vector<SessionEntry> entries{};
  };
  Session& make(std::string_view name) {
    Session& session = sessions_[std::string(name)];
    const WallTime now = Clock::current().wall();
    session.info = {.name = std::string(name), .created = now, .updated = now};
    return session;
  }
  std::mutex mutex_;  // leaf
  std::map<std::string, Session, std::less<>> sessions_;
};

}  // namespace

std::shared_ptr<SessionStore> open_sessions(std::shared_ptr<Database> database) {
  return std::make_shared<SqliteSessions>(std::move(database));
}
std::shared_ptr<SessionStore> memory_sessions() {
  return std::make_shared<MemorySessions>();
}

}  // namespace beluga
