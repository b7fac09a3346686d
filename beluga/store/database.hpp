#pragma once
/// `Database`: one SQLite file that many components and several processes share.
///
///     auto db = Database::open({.path = default_database_path()});
///     db->migrate("notes", {"CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL)"});
///     db->write([](Connection& c) { c.execute("INSERT INTO notes(text) VALUES (?)", {"hello"}); });
///     auto count =
///         db->read([](Connection& c) { return c.query("SELECT count(*) FROM notes").only_integer(); });
///
/// Write-ahead log, so readers of other processes never wait for a writer; every commit is synced to the disk
/// unless told otherwise. The file is 0600, folders that had to be made are 0700. All work runs in the pool
/// (blocking()), one transaction at a time; a cancelled or expired Context interrupts a wait for a lock and a
/// long statement.
///
/// Errors: permission_denied / not_found (the place cannot be used), resource_exhausted (disk full,
/// max_bytes), data_loss (corrupt file), unavailable (locked by another process beyond busy_timeout:
/// retryable), failed_precondition (not a Beluga file, or written by a newer Beluga). Each names the file and
/// what to do. Thread-safety: Database from anywhere; Connection and Query only inside the function they were
/// given to.

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "beluga/base/function.hpp"
#include "beluga/fiber/clock.hpp"

struct sqlite3_stmt;

namespace beluga {

struct DatabaseOptions {
  std::string path{};  ///< a file, made if absent; ":memory:" for a private one that dies with the object
  Duration busy_timeout = std::chrono::seconds(5);  ///< how long to wait for another process
  bool power_safe = true;      ///< sync each commit; false survives a killed process but not a power cut
  std::int64_t max_bytes = 0;  ///< quota of the file; 0: the disk's
};

/// $BELUGA_HOME/beluga.db, else $XDG_DATA_HOME/beluga/beluga.db, else $HOME/.local/share/beluga/beluga.db.
/// Throws Error{failed_precondition} when none of them is set.
std::string default_database_path();

/// Binary content for a parameter (a string_view is text).
struct Bytes {
  std::string_view data;
};

/// A statement's parameter. Views must live as long as the statement.
class SqlValue {
 public:
  SqlValue(std::nullptr_t) noexcept {}
  template <class I, std::enable_if_t<std::is_integral_v<I>, int> = 0>
  SqlValue(I value) noexcept : value_(static_cast<std::int64_t>(value)) {}
  SqlValue(double value) noexcept : value_(value) {}
  SqlValue(const char* value) noexcept : value_(std::string_view(value)) {}
  SqlValue(std::string_view value) noexcept : value_(value) {}
  SqlValue(const std::string& value) noexcept : value_(std::string_view(value)) {}
  SqlValue(Bytes value) noexcept : value_(value) {}

  using Stored = std::variant<std::nullptr_t, std::int64_t, double, std::string_view, Bytes>;
  const Stored& stored() const noexcept { return value_; }

 private:
  Stored value_{nullptr};
};

class Connection;

/// A running SELECT. Columns count from 0; text and blob views are valid until the next call of next().
class Query {
 public:
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  /// Moves to the first, then to each following row; false after the last.
  bool next();
  bool is_null(int column) const noexcept;
  std::int64_t integer(int column) const noexcept;
  double real(int column) const noexcept;
  std::string_view text(int column) const noexcept;
  std::string_view blob(int column) const noexcept;
  /// The first column of the first row; nullopt when there is no row or it is NULL.
  std::optional<std::int64_t> maybe_integer();
  /// As above; a missing row is Error{internal}.
  std::int64_t only_integer();

 private:
  friend class Connection;
  Query(Connection& connection, std::string_view sql, sqlite3_stmt* statement) noexcept;
  Connection* connection_;
  std::string_view sql_;
  sqlite3_stmt* statement_;
};

/// What a transaction works with. Statements are prepared once and kept.
class Connection {
 public:
  /// Runs one statement to its end; returns the number of rows it changed.
  std::int64_t execute(std::string_view sql, std::initializer_list<SqlValue> values = {});
  /// `sql` and the values' views must outlive the Query.
  Query query(std::string_view sql, std::initializer_list<SqlValue> values = {});
  /// Several statements separated by semicolons, without parameters.
  void script(std::string_view sql);
  std::int64_t last_insert_id() const noexcept;

 private:
  friend class Database;
  friend class Query;
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  ~Connection();
  std::unique_ptr<Impl> impl_;
  friend struct std::default_delete<Connection>;
};

class Database {
 public:
  /// Opens or makes the file. Waits in the pool.
  static std::shared_ptr<Database> open(DatabaseOptions options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs `f(connection)` on one consistent snapshot.
  template <class F>
  std::invoke_result_t<F&, Connection&> read(F f) {
    return within(Access::read, f);
  }
  /// Runs `f(connection)` as one transaction: committed when it returns, rolled back when it throws. The
  /// write lock is taken first, so what `f` reads cannot change under it. Once begun, it is not abandoned: it
  /// commits or fails.
  template <class F>
  std::invoke_result_t<F&, Connection&> write(F f) {
    return within(Access::write, f);
  }
  /// Brings the tables of `component` to version `steps.size()`: each step is a script, run once, in one
  /// transaction. Released steps never change; new ones are appended. A file that knows more steps is
  /// Error{failed_precondition}.
  void migrate(std::string_view component, std::initializer_list<std::string_view> steps);

  const std::string& path() const noexcept;

 private:
  enum class Access : std::uint8_t { read, write };
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  void run(Access access, Function<void(Connection&)> work);

  template <class F>
  std::invoke_result_t<F&, Connection&> within(Access access, F& f) {
    using R = std::invoke_result_t<F&, Connection&>;
    static_assert(!std::is_reference_v<R>,
                  "return a value: a reference would outlive the transaction it was read in");
    if constexpr (std::is_void_v<R>) {
      run(access, [&f](Connection& c) { f(c); });
    } else {
      std::optional<R> result;
      run(access, [&f, &result](Connection& c) { result.emplace(f(c)); });
      return *std::move(result);
    }
  }

  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga
