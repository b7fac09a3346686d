#include "beluga/store/database.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/store/blob.hpp"
#include "beluga/store/internal/temp_folder.hpp"

extern char** environ;

namespace beluga {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <class F>
Error error_of(F f) {
  auto result = attempt(f);
  EXPECT_FALSE(result.ok()) << "expected an error";
  return result.ok() ? Error(ErrorCode::unknown, "") : result.error();
}

std::int64_t count(Database& db, std::string_view sql) {
  return db.read([&](Connection& c) { return c.query(sql).only_integer(); });
}

TEST(Database, KeepsWhatATransactionWroteAcrossReopening) {
  TempFolder folder;
  const std::string path = folder.path("a/b/beluga.db");
  {
    auto db = Database::open({.path = path});
    db->migrate("notes", {"CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT, body BLOB, weight REAL)"});
    db->write([](Connection& c) {
      EXPECT_EQ(c.execute("INSERT INTO notes(text, body, weight) VALUES (?, ?, ?)",
                          {std::string_view("a\0b", 3), Bytes{std::string_view("\0\xFF", 2)}, 0.5}),
                1);
      c.execute("INSERT INTO notes(text) VALUES (?)", {nullptr});
    });
  }
  auto db = Database::open({.path = path});
  db->read([](Connection& c) {
    Query rows = c.query("SELECT text, body, weight FROM notes ORDER BY id");
    ASSERT_TRUE(rows.next());
    EXPECT_EQ(rows.text(0), std::string_view("a\0b", 3));
    EXPECT_EQ(rows.blob(1), std::string_view("\0\xFF", 2));
    EXPECT_EQ(rows.real(2), 0.5);
    ASSERT_TRUE(rows.next());
    EXPECT_TRUE(rows.is_null(0));
    EXPECT_FALSE(rows.next());
  });
}

TEST(Database, MakesFoldersAndFilesThatOnlyTheOwnerMayRead) {
  TempFolder folder;
  const std::string path = folder.path("new/deep/beluga.db");
  auto db = Database::open({.path = path});
  db->migrate("t", {"CREATE TABLE t(x)"});
  const auto mode = [](const std::string& file) {
    struct ::stat info{};
    EXPECT_EQ(::stat(file.c_str(), &info), 0) << file;
    return info.st_mode & 0777;
  };
  EXPECT_EQ(mode(folder.path("new")), 0700U);
  EXPECT_EQ(mode(folder.path("new/deep")), 0700U);
  EXPECT_EQ(mode(path), 0600U);
  EXPECT_EQ(mode(path + "-wal"), 0600U);
}

TEST(Database, TightensAFileThatOthersCouldRead) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  {
    Database::open({.path = path});
  }
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  auto db = Database::open({.path = path});
  struct ::stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST(Database, RollsBackWhenTheFunctionThrows) {
  auto db = Database::open({.path = ":memory:"});
  db->migrate("t", {"CREATE TABLE t(x)"});
  const Error error = error_of([&] {
    db->write([](Connection& c) {
      c.execute("INSERT INTO t VALUES (1)");
      throw Error(ErrorCode::out_of_range, "no");
    });
  });
  EXPECT_EQ(error.code(), ErrorCode::out_of_range);
  EXPECT_EQ(count(*db, "SELECT count(*) FROM t"), 0);
}

TEST(Database, RunsEachMigrationStepOnceAndRefusesNewerTables) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  {
    auto db = Database::open({.path = path});
    db->migrate("t", {"CREATE TABLE t(x)"});
    db->migrate("t", {"CREATE TABLE t(x)", "ALTER TABLE t ADD COLUMN y"});
    db->migrate("t", {"CREATE TABLE t(x)", "ALTER TABLE t ADD COLUMN y"});
    db->write([](Connection& c) { c.execute("INSERT INTO t(x, y) VALUES (1, 2)"); });
  }
  auto db = Database::open({.path = path});
  const Error error = error_of([&] { db->migrate("t", {"CREATE TABLE t(x)"}); });
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(error.message(),
              AllOf(HasSubstr(path), HasSubstr("newer Beluga"), HasSubstr("version 2, this one knows 1")));
}

TEST(Database, LeavesNothingOfAMigrationThatFails) {
  auto db = Database::open({.path = ":memory:"});
  EXPECT_FALSE(attempt([&] { db->migrate("t", {"CREATE TABLE t(x); CREATE TABLE t(x)"}); }).ok());
  db->migrate("t", {"CREATE TABLE t(x)"});
  EXPECT_EQ(count(*db, "SELECT count(*) FROM t"), 0);
}

TEST(Database, RefusesAFileOfANewerFormat) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  {
    Database::open({.path = path})->write([](Connection& c) { c.script("PRAGMA user_version=99"); });
  }
  const Error error = error_of([&] { Database::open({.path = path}); });
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(error.message(), AllOf(HasSubstr(path), HasSubstr("format 99"), HasSubstr("upgrade")));
}

TEST(Database, RefusesAnSqliteFileOfAnotherProgram) {
  TempFolder folder;
  const std::string path = folder.path("other.db");
  ASSERT_EQ(
      std::system(("sqlite3 '" + path + "' 'CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1)'").c_str()),
      0);
  EXPECT_EQ(error_of([&] { Database::open({.path = path}); }).code(), ErrorCode::failed_precondition);
}

TEST(Database, ReportsAFileThatIsNoDatabase) {
  TempFolder folder;
  const std::string path = folder.path("text.db");
  std::ofstream(path) << std::string(8192, 'x');
  const Error error = error_of([&] { Database::open({.path = path}); });
  EXPECT_EQ(error.code(), ErrorCode::data_loss);
  EXPECT_THAT(error.message(), AllOf(HasSubstr(path), HasSubstr("move the file away")));
}

/// Bytes of the file are overwritten at random places: every outcome is an answer or a typed error.
TEST(Database, NeverCrashesOnADamagedFile) {
  TempFolder folder;
  const std::string good = folder.path("good.db");
  {
    auto db = Database::open({.path = good});
    db->migrate("t", {"CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT)"});
    db->write([](Connection& c) {
      for (int i = 0; i < 500; ++i) c.execute("INSERT INTO t(x) VALUES (?)", {std::string(100, 'y')});
      put_blob(c, "o", std::string(20000, 'z'));
    });
  }
  std::mt19937 random(7);
  const auto size = std::filesystem::file_size(good);
  int damaged = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string path = folder.path("bad.db");
    std::filesystem::remove(path + "-wal");
    std::filesystem::remove(path + "-shm");
    std::filesystem::copy_file(good, path, std::filesystem::copy_options::overwrite_existing);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 200; ++i) {
        file.seekp(static_cast<std::streamoff>(random() % size));
        file.put(static_cast<char>(random()));
      }
    }
    const auto result = attempt([&] {
      auto db = Database::open({.path = path});
      db->migrate("t", {"CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT)"});
      db->write([](Connection& c) { c.execute("UPDATE t SET x = x || 'a'"); });
      db->read([](Connection& c) { return get_blob(c, blob_id(std::string(20000, 'z'))); });
    });
    if (!result.ok()) {
      ++damaged;
      EXPECT_NE(result.error().code(), ErrorCode::unknown) << result.error().what();
    }
  }
  EXPECT_GT(damaged, 10);
}

TEST(Database, SaysWhereItCannotBeMade) {
  const Error under_a_file = error_of([] { Database::open({.path = "/proc/self/comm/beluga/beluga.db"}); });
  EXPECT_EQ(under_a_file.code(), ErrorCode::not_found);
  EXPECT_THAT(under_a_file.message(), AllOf(HasSubstr("/proc/self/comm"), HasSubstr("BELUGA_HOME")));
  const Error folder = error_of([] { Database::open({.path = "/tmp"}); });
  EXPECT_THAT(folder.message(), HasSubstr("cannot open database '/tmp'"));
}

TEST(Database, ReportsAFullDiskAndStaysUsable) {
  TempFolder folder;
  auto db = Database::open({.path = folder.path("beluga.db"), .max_bytes = 200'000});
  db->migrate("t", {"CREATE TABLE t(x)"});
  db->write([](Connection& c) { c.execute("INSERT INTO t VALUES ('small')"); });
  const Error error = error_of([&] {
    db->write([](Connection& c) { c.execute("INSERT INTO t VALUES (?)", {std::string(400'000, 'x')}); });
  });
  EXPECT_EQ(error.code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message(), HasSubstr("free some space"));
  db->write([](Connection& c) { c.execute("INSERT INTO t VALUES ('again')"); });
  EXPECT_EQ(count(*db, "SELECT count(*) FROM t"), 2);
}

TEST(Database, ReportsALockThatAnotherProcessHolds) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  auto holder = Database::open({.path = path});
  holder->migrate("t", {"CREATE TABLE t(x)"});
  auto other = Database::open({.path = path, .busy_timeout = 20ms});
  holder->write([&](Connection&) {
    const Error error =
        error_of([&] { other->write([](Connection& c) { c.execute("INSERT INTO t VALUES (1)"); }); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_TRUE(error.retryable());
    EXPECT_THAT(error.message(), HasSubstr("another process"));
    EXPECT_EQ(count(*other, "SELECT count(*) FROM t"), 0);  // readers do not wait
  });
}

TEST(Database, StopsWaitingForALockWhenCancelled) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  auto holder = Database::open({.path = path});
  auto other = Database::open({.path = path, .busy_timeout = 60s});
  CancelSource cancel;
  holder->write([&](Connection&) {
    std::thread canceller([&] { cancel.cancel(); });
    const auto started = std::chrono::steady_clock::now();
    ContextScope scope(Context().with_cancel(cancel.token()));
    EXPECT_EQ(error_of([&] { other->write([](Connection&) {}); }).code(), ErrorCode::cancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
    canceller.join();
  });
}

TEST(Database, InterruptsALongStatementAtItsDeadline) {
  auto db = Database::open({.path = ":memory:"});
  ContextScope scope(Context().with_timeout(30ms));
  const Error error = error_of([&] {
    db->read([](Connection& c) {
      return c.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
          .only_integer();
    });
  });
  EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
}

TEST(Database, SerialisesManyFibersAndThreads) {
  TempFolder folder;
  auto db = Database::open({.path = folder.path("beluga.db"), .power_safe = false});
  db->migrate("t", {"CREATE TABLE t(n INTEGER)", "INSERT INTO t VALUES (0)"});
  const auto add = [&] {
    for (int i = 0; i < 25; ++i)
      db->write([](Connection& c) {
        const std::int64_t n = c.query("SELECT n FROM t").only_integer();
        c.execute("UPDATE t SET n = ?", {n + 1});
      });
  };
  std::thread plain(add);
  {
    Scope scope;
    for (int i = 0; i < 7; ++i) scope.spawn("writer", add);
    scope.join();
  }
  plain.join();
  EXPECT_EQ(count(*db, "SELECT n FROM t"), 200);
}

TEST(Blobs, StoreEqualContentOnceAndForgetItWithItsLastOwner) {
  auto db = Database::open({.path = ":memory:"});
  const std::string content(100'000, 'p');
  const std::string id = db->write([&](Connection& c) {
    put_blob(c, "b", content);
    put_blob(c, "a", content);
    return put_blob(c, "a", content);
  });
  EXPECT_EQ(id, blob_id(content));
  EXPECT_EQ(blob_id(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(count(*db, "SELECT count(*) FROM blobs"), 1);
  db->write([](Connection& c) { release_blobs(c, "a"); });
  EXPECT_EQ(db->read([&](Connection& c) { return get_blob(c, id); }), content);
  db->write([](Connection& c) { release_blobs(c, "b"); });
  EXPECT_EQ(error_of([&] { db->read([&](Connection& c) { return get_blob(c, id); }); }).code(),
            ErrorCode::not_found);
}

TEST(Blobs, NoticeContentThatWasChangedOnDisk) {
  auto db = Database::open({.path = ":memory:"});
  const std::string id = db->write([](Connection& c) { return put_blob(c, "a", "hello"); });
  db->write([](Connection& c) { c.execute("UPDATE blobs SET data = ?", {Bytes{"hellO"}}); });
  EXPECT_EQ(error_of([&] { db->read([&](Connection& c) { return get_blob(c, id); }); }).code(),
            ErrorCode::data_loss);
  for (const char* bad :
       {"", "sha256:", "sha256:zz", "md5:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})
    EXPECT_EQ(error_of([&] { db->read([&](Connection& c) { return get_blob(c, bad); }); }).code(),
              ErrorCode::invalid_argument);
}

TEST(DefaultDatabasePath, FollowsBelugaHomeThenXdgThenHome) {
  struct Restore {
    std::string name;
    std::optional<std::string> value;
    ~Restore() { value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str()); }
  };
  std::vector<std::unique_ptr<Restore>> restore;
  for (const char* name : {"BELUGA_HOME", "XDG_DATA_HOME", "HOME"}) {
    const char* value = std::getenv(name);
    restore.push_back(
        std::make_unique<Restore>(Restore{name, value ? std::optional<std::string>(value) : std::nullopt}));
  }
  ::setenv("HOME", "/h", 1);
  ::setenv("XDG_DATA_HOME", "/x", 1);
  ::setenv("BELUGA_HOME", "/b", 1);
  EXPECT_EQ(default_database_path(), "/b/beluga.db");
  ::unsetenv("BELUGA_HOME");
  EXPECT_EQ(default_database_path(), "/x/beluga/beluga.db");
  ::setenv("XDG_DATA_HOME", "relative", 1);
  EXPECT_EQ(default_database_path(), "/h/.local/share/beluga/beluga.db");
  ::unsetenv("HOME");
  ::unsetenv("XDG_DATA_HOME");
  EXPECT_EQ(error_of([] { default_database_path(); }).code(), ErrorCode::failed_precondition);
}

// ---- killed writers

constexpr const char* kVictimPath = "BELUGA_TEST_VICTIM_DATABASE";

/// The child: counts upwards for ever, in pairs that must stay equal, and reports each commit through the
/// pipe at fd 3.
TEST(KilledWriter, DISABLED_Victim) {
  const char* path = std::getenv(kVictimPath);
  ASSERT_NE(path, nullptr);
  auto db = Database::open({.path = path, .power_safe = false});
  db->migrate("pairs", {"CREATE TABLE pairs(a INTEGER, b INTEGER, blob TEXT)"});
  for (;;) {
    const std::int64_t committed = db->write([](Connection& c) {
      const std::int64_t next = c.query("SELECT coalesce(max(a), 0) + 1 FROM pairs").only_integer();
      const std::string id = put_blob(
          c, "pairs", std::string(10'000, static_cast<char>('a' + next % 26)) + std::to_string(next));
      c.execute("INSERT INTO pairs(a, b, blob) VALUES (?, 0, ?)", {next, id});
      c.execute("UPDATE pairs SET b = a WHERE a = ?", {next});
      return next;
    });
    if (::write(3, &committed, sizeof committed) != static_cast<ssize_t>(sizeof committed)) return;
  }
}

TEST(KilledWriter, LosesNothingThatWasCommittedAndLeavesNothingHalf) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  ::setenv(kVictimPath, path.c_str(), 1);
  std::mt19937 random(11);
  std::int64_t confirmed = 0;
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], 3);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    std::string filter = "--gtest_filter=KilledWriter.DISABLED_Victim";
    std::string also = "--gtest_also_run_disabled_tests";
    std::string self = std::filesystem::read_symlink("/proc/self/exe");
    char* arguments[] = {self.data(), filter.data(), also.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    // Killed after a random number of commits and a random moment more: in the middle of anything.
    std::int64_t value = 0;
    const auto commits = 1 + random() % 40;
    for (std::size_t i = 0;
         i < commits && ::read(pipe[0], &value, sizeof value) == static_cast<ssize_t>(sizeof value); ++i)
      confirmed = value;
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 400);
    while (std::chrono::steady_clock::now() < until) {
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    while (::read(pipe[0], &value, sizeof value) == static_cast<ssize_t>(sizeof value)) confirmed = value;
    ::close(pipe[0]);

    auto db = Database::open({.path = path});
    db->read([&](Connection& c) {
      Query check = c.query("PRAGMA integrity_check");
      ASSERT_TRUE(check.next());
      EXPECT_EQ(check.text(0), "ok");
      EXPECT_GE(c.query("SELECT coalesce(max(a), 0) FROM pairs").only_integer(), confirmed);
      EXPECT_EQ(c.query("SELECT count(*) FROM pairs WHERE a IS NOT b").only_integer(), 0);
      EXPECT_EQ(c.query("SELECT count(*) - coalesce(max(a), 0) FROM pairs").only_integer(), 0);
      EXPECT_EQ(c.query("SELECT count(*) FROM blobs").only_integer(),
                c.query("SELECT count(*) FROM pairs").only_integer());
      Query last = c.query("SELECT blob FROM pairs ORDER BY a DESC LIMIT 1");
      ASSERT_TRUE(last.next());
      EXPECT_EQ(get_blob(c, last.text(0)).substr(10'000),
                std::to_string(c.query("SELECT max(a) FROM pairs").only_integer()));
    });
  }
  EXPECT_GT(confirmed, 12);
}

}  // namespace
}  // namespace beluga
