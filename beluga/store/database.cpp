#include "beluga/store/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {
namespace {

constexpr std::int64_t kApplicationId =
    0x424C4741;                      // "BLGA"; see https://www.sqlite.org/pragma.html#pragma_application_id
constexpr std::int64_t kFormat = 1;  // PRAGMA user_version: layout of the tables below
constexpr std::string_view kMemory = ":memory:";
constexpr std::size_t kCachedStatements = 64;

constexpr std::string_view kFormatScript = R"(
CREATE TABLE components(name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs(hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE blob_refs(owner TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(owner, hash)) WITHOUT ROWID;
CREATE INDEX blob_refs_by_hash ON blob_refs(hash);
)";

ErrorCode code_of_errno(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission_denied;
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
      return ErrorCode::not_found;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return ErrorCode::resource_exhausted;
    default:
      return ErrorCode::failed_precondition;
  }
}

Error place_error(int error, std::string_view what, std::string_view path) {
  return Error(code_of_errno(error), fmt::format("{} '{}': {}; choose another place with BELUGA_HOME", what,
                                                 path, std::strerror(error)));
}

/// mkdir -p; what is new is ours alone.
void make_folders(const std::string& file) {
  for (std::size_t slash = file.find('/', 1); slash != std::string::npos; slash = file.find('/', slash + 1)) {
    const std::string folder = file.substr(0, slash);
    if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    struct ::stat info{};
    if (::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      continue;  // an existing, read-only ancestor
    throw place_error(error, "cannot make folder", folder);
  }
}

/// SQLite makes its -wal and -shm files with the permissions of the main file, so that one decides.
void make_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw place_error(errno, "cannot open database", path);
  struct ::stat info{};
  int error = ::fstat(fd, &info) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(info.st_mode)) error = EISDIR;
  if (error == 0 && (info.st_mode & 077) != 0 && info.st_uid == ::geteuid()) ::fchmod(fd, 0600);
  ::close(fd);
  if (error != 0) throw place_error(error, "cannot open database", path);
}

/// Interrupts what runs too long for the job's own context.
int stop_if_interrupted(void*) {
  const Context context = Context::current();
  if (context.cancel_token().cancelled()) return 1;
  const auto deadline = context.deadline();
  return deadline && Clock::current().now() >= *deadline ? 1 : 0;
}

}  // namespace

std::string default_database_path() {
  struct Place {
    const char* variable;
    std::string_view below;
  };
  for (const Place& place : {Place{"BELUGA_HOME", "/beluga.db"}, Place{"XDG_DATA_HOME", "/beluga/beluga.db"},
                             Place{"HOME", "/.local/share/beluga/beluga.db"}}) {
    const char* folder = std::getenv(place.variable);
    // The XDG base directory specification: relative paths are invalid and ignored.
    if (folder != nullptr && (folder[0] == '/' || std::string_view(place.variable) == "BELUGA_HOME") &&
        folder[0] != '\0')
      return std::string(folder).append(place.below);
  }
  throw Error(ErrorCode::failed_precondition,
              "no place for the database: none of BELUGA_HOME, XDG_DATA_HOME and HOME is set; set "
              "BELUGA_HOME to a folder");
}

struct Connection::Impl {
  std::string path;
  Duration busy_timeout{};
  std::chrono::steady_clock::time_point busy_since{};
  sqlite3* db = nullptr;
  std::unordered_map<std::string_view, sqlite3_stmt*> statements;  // keys point into the statements' own text

  ~Impl() {
    for (auto& [sql, statement] : statements) sqlite3_finalize(statement);
    sqlite3_close_v2(db);
  }

  /// Why the caller's own context ended the work, if it did.
  std::optional<Error> interruption(std::string_view doing) const {
    const auto check = attempt([] { Context::current().check(); });
    if (check.ok()) return std::nullopt;
    return check.error().with_context(fmt::format("database '{}': {}", path, doing));
  }

  Error error(int code, std::string_view doing) const {
    const std::string_view text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    const auto make = [&](ErrorCode error_code, std::string_view remedy) {
      return Error(error_code, fmt::format("database '{}': {}: {}{}", path, doing, text, remedy));
    };
    switch (code & 0xFF) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        if (auto stopped = interruption(doing)) return *std::move(stopped);
        return make(ErrorCode::unavailable, "; another process holds it: end that one or try again")
            .with_retryable(true);
      case SQLITE_FULL:
        return make(ErrorCode::resource_exhausted, "; free some space, or delete old sessions");
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return make(ErrorCode::data_loss,
                    "; move the file away (a new one is made) or restore a backup of it");
      case SQLITE_READONLY:
      case SQLITE_PERM:
      case SQLITE_AUTH:
        return make(ErrorCode::permission_denied,
                    "; make it writable or choose another place with BELUGA_HOME");
      case SQLITE_CANTOPEN: {
        const int system = db != nullptr ? sqlite3_system_errno(db) : 0;
        return make(system != 0 ? code_of_errno(system) : ErrorCode::not_found,
                    "; choose another place with BELUGA_HOME");
      }
      case SQLITE_INTERRUPT:
        if (auto stopped = interruption(doing)) return *std::move(stopped);
        return make(ErrorCode::cancelled, "");
      case SQLITE_IOERR:
        // A short write is how a quota (RLIMIT_FSIZE, a full network share) shows itself.
        if (const int system = sqlite3_system_errno(db);
            system == ENOSPC || system == EDQUOT || system == EFBIG)
          return make(ErrorCode::resource_exhausted, "; free some space, or delete old sessions");
        return make(ErrorCode::unavailable, "; check the disk").with_retryable(false);
      case SQLITE_NOMEM:
        return make(ErrorCode::resource_exhausted, "");
      case SQLITE_TOOBIG:
        return make(ErrorCode::resource_exhausted, "; the value is larger than SQLite stores (1 GB)");
      case SQLITE_CONSTRAINT:
        return make(ErrorCode::already_exists, "");
      default:
        return make(ErrorCode::internal, "");
    }
  }

  /// Waits in small steps, so that a cancelled caller does not wait the whole time.
  static int on_busy(void* self, int count) {
    auto& impl = *static_cast<Impl*>(self);
    const auto now = std::chrono::steady_clock::now();
    if (count == 0) impl.busy_since = now;
    if (now - impl.busy_since >= impl.busy_timeout || stop_if_interrupted(nullptr) != 0) return 0;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(200 << std::min(count, 5), 5000)));
    return 1;
  }

  sqlite3_stmt* prepare(std::string_view sql, bool keep) {
    if (keep) {
      if (auto it = statements.find(sql); it != statements.end()) {
        sqlite3_stmt* statement = it->second;
        statements.erase(it);
        return statement;
      }
    }
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()),
                                        keep ? SQLITE_PREPARE_PERSISTENT : 0, &statement, nullptr);
    if (code != SQLITE_OK) throw error(code, fmt::format("preparing '{}'", sql));
    return statement;
  }

  void give_back(sqlite3_stmt* statement) noexcept {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (statements.size() >= kCachedStatements) {
      sqlite3_finalize(statement);
      return;
    }
    const auto added = attempt([&] {
      const std::string_view sql = sqlite3_sql(statement);
      if (!statements.emplace(sql, statement).second) sqlite3_finalize(statement);
    });
    if (!added.ok()) sqlite3_finalize(statement);
  }

  void bind(sqlite3_stmt* statement, std::initializer_list<SqlValue> values) {
    int index = 0;
    for (const SqlValue& value : values) {
      ++index;
      const int code = std::visit(
          [&](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::nullptr_t>)
              return sqlite3_bind_null(statement, index);
            else if constexpr (std::is_same_v<T, std::int64_t>)
              return sqlite3_bind_int64(statement, index, v);
            else if constexpr (std::is_same_v<T, double>)
              return sqlite3_bind_double(statement, index, v);
            else if constexpr (std::is_same_v<T, std::string_view>)
              return sqlite3_bind_text64(statement, index, v.data() != nullptr ? v.data() : "", v.size(),
                                         SQLITE_STATIC, SQLITE_UTF8);
            else
              return sqlite3_bind_blob64(statement, index, v.data.data() != nullptr ? v.data.data() : "",
                                         v.data.size(), SQLITE_STATIC);
          },
          value.stored());
      if (code != SQLITE_OK) throw error(code, "binding a parameter");
    }
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

std::int64_t Connection::execute(std::string_view sql, std::initializer_list<SqlValue> values) {
  Query running = query(sql, values);
  while (running.next()) {
  }
  return sqlite3_changes64(impl_->db);
}

Query Connection::query(std::string_view sql, std::initializer_list<SqlValue> values) {
  Query running(*this, sql, impl_->prepare(sql, true));
  impl_->bind(running.statement_, values);
  return running;
}

void Connection::script(std::string_view sql) {
  const std::string text(sql);
  const int code = sqlite3_exec(impl_->db, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw impl_->error(code, "running a script");
}

std::int64_t Connection::last_insert_id() const noexcept {
  return sqlite3_last_insert_rowid(impl_->db);
}

Query::Query(Connection& connection, std::string_view sql, sqlite3_stmt* statement) noexcept
    : connection_(&connection), sql_(sql), statement_(statement) {}
Query::Query(Query&& other) noexcept
    : connection_(other.connection_),
      sql_(other.sql_),
      statement_(std::exchange(other.statement_, nullptr)) {}
Query::~Query() {
  if (statement_ != nullptr) connection_->impl_->give_back(statement_);
}

bool Query::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  throw connection_->impl_->error(code, fmt::format("running '{}'", sql_));
}

bool Query::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::int64_t Query::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_, column);
}
double Query::real(int column) const noexcept {
  return sqlite3_column_double(statement_, column);
}

std::string_view Query::text(int column) const noexcept {
  const auto* data = sqlite3_column_text(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr
             ? std::string_view()
             : std::string_view(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
}

std::string_view Query::blob(int column) const noexcept {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

std::optional<std::int64_t> Query::maybe_integer() {
  if (!next() || is_null(0)) return std::nullopt;
  return integer(0);
}

std::int64_t Query::only_integer() {
  if (auto value = maybe_integer()) return *value;
  throw Error(ErrorCode::internal, fmt::format("'{}' gave no row", sql_));
}

struct Database::Impl {
  DatabaseOptions options;
  // Shared with the job that runs in the pool, so that destruction can never pull it away under the job.
  std::shared_ptr<Connection> connection;
  Mutex one_at_a_time;

  static std::shared_ptr<Connection> connect(const DatabaseOptions& options);
  static void prepare_format(Connection& connection, const std::string& path);
  static void in_transaction(Connection& c, Access access, Function<void(Connection&)>& work);
};

std::shared_ptr<Connection> Database::Impl::connect(const DatabaseOptions& options) {
  if (options.path.empty()) throw Error(ErrorCode::invalid_argument, "DatabaseOptions::path is empty");
  const bool memory = options.path == kMemory;
  if (!memory) {
    make_folders(options.path);
    make_file(options.path);
  }
  auto impl = std::make_unique<Connection::Impl>();
  impl->path = options.path;
  impl->busy_timeout = options.busy_timeout;
  int code = sqlite3_open_v2(
      options.path.c_str(), &impl->db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) throw impl->error(code, "opening");
  sqlite3_busy_handler(impl->db, &Connection::Impl::on_busy, impl.get());
  sqlite3_progress_handler(impl->db, 20'000, &stop_if_interrupted, nullptr);
  // A hostile or damaged file must not run code through its schema (https://www.sqlite.org/security.html).
  sqlite3_db_config(impl->db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(impl->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  std::shared_ptr<Connection> connection(new Connection(std::move(impl)), [](Connection* c) { delete c; });

  prepare_format(*connection, options.path);
  connection->script(
      fmt::format("PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON; PRAGMA secure_delete=FAST;"
                  "PRAGMA journal_size_limit=67108864; PRAGMA synchronous={};",
                  options.power_safe ? "FULL" : "NORMAL"));
  if (options.max_bytes > 0) {
    const std::int64_t page = connection->query("PRAGMA page_size").only_integer();
    connection->script(
        fmt::format("PRAGMA max_page_count={}", std::max<std::int64_t>(1, options.max_bytes / page)));
  }
  return connection;
}

void Database::Impl::prepare_format(Connection& c, const std::string& path) {
  // Changing the journal mode does not call the busy handler; two processes may do it at once on a new file.
  const auto give_up = std::chrono::steady_clock::now() + c.impl_->busy_timeout;
  for (;;) {
    auto changed = attempt([&] { c.script("PRAGMA journal_mode=WAL"); });
    if (changed.ok()) break;
    if (changed.error().code() != ErrorCode::unavailable || std::chrono::steady_clock::now() >= give_up ||
        stop_if_interrupted(nullptr) != 0)
      throw changed.error();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto check = [&]() -> bool {  // true: the file is new
    const std::int64_t application = c.query("PRAGMA application_id").only_integer();
    const std::int64_t format = c.query("PRAGMA user_version").only_integer();
    if (application == kApplicationId) {
      if (format > kFormat)
        throw Error(
            ErrorCode::failed_precondition,
            fmt::format(
                "database '{}' was written by a newer Beluga (format {}, this one knows {}); upgrade, or "
                "choose another place with BELUGA_HOME",
                path, format, kFormat));
      return format == 0;
    }
    if (application != 0 || format != 0 || c.query("SELECT count(*) FROM sqlite_schema").only_integer() != 0)
      throw Error(
          ErrorCode::failed_precondition,
          fmt::format("'{}' is an SQLite file of another program; choose another place with BELUGA_HOME",
                      path));
    return true;
  };
  if (!check()) return;
  Function<void(Connection&)> make = [&](Connection& connection) {
    if (!check()) return;  // another process was first
    connection.script(kFormatScript);
    connection.script(
        fmt::format("PRAGMA application_id={}; PRAGMA user_version={}", kApplicationId, kFormat));
  };
  in_transaction(c, Access::write, make);
}

void Database::Impl::in_transaction(Connection& c, Access access, Function<void(Connection&)>& work) {
  c.execute(access == Access::write ? "BEGIN IMMEDIATE" : "BEGIN");
  try {
    work(c);
    c.execute("COMMIT");
  } catch (...) {
    // SQLite has already rolled back after some errors (disk full); then this is a harmless error of its own.
    if (sqlite3_get_autocommit(c.impl_->db) == 0) {
      sqlite3_progress_handler(c.impl_->db, 0, nullptr, nullptr);
      sqlite3_exec(c.impl_->db, "ROLLBACK", nullptr, nullptr, nullptr);
      sqlite3_progress_handler(c.impl_->db, 20'000, &stop_if_interrupted, nullptr);
    }
    throw;
  }
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Database::~Database() {
  // Closing writes the log back into the file: disk work. Deaf to the caller's cancellation.
  ContextScope scope{Context()};
  const auto closed = attempt([&] {
    blocking({.name = "sqlite close"},
             [connection = std::move(impl_->connection)]() mutable { connection.reset(); });
  });
  static_cast<void>(closed);  // without a runtime the connection was closed by its last owner, on this thread
}

std::shared_ptr<Database> Database::open(DatabaseOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->connection = blocking({.name = "sqlite open"}, [&] { return Impl::connect(impl->options); });
  return std::shared_ptr<Database>(new Database(std::move(impl)));
}

const std::string& Database::path() const noexcept {
  return impl_->options.path;
}

void Database::run(Access access, Function<void(Connection&)> work) {
  std::unique_lock lock(impl_->one_at_a_time);
  blocking({.name = "sqlite"}, [&] { Impl::in_transaction(*impl_->connection, access, work); });
}

void Database::migrate(std::string_view component, std::initializer_list<std::string_view> steps) {
  const auto known = static_cast<std::int64_t>(steps.size());
  const auto version_of = [&](Connection& c) {
    return c.query("SELECT version FROM components WHERE name = ?", {component}).maybe_integer().value_or(0);
  };
  if (read(version_of) == known) return;
  write([&](Connection& c) {
    const std::int64_t version = version_of(c);
    if (version > known)
      throw Error(
          ErrorCode::failed_precondition,
          fmt::format(
              "database '{}': the tables of '{}' were written by a newer Beluga (version {}, this one "
              "knows {}); upgrade, or choose another place with BELUGA_HOME",
              path(), component, version, known));
    for (std::int64_t step = version; step < known; ++step) c.script(steps.begin()[step]);
    c.execute(
        "INSERT INTO components(name, version) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET version = "
        "excluded.version",
        {component, known});
  });
}

}  // namespace beluga
