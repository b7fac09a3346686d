#include "beluga/agent/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/store/blob.hpp"
#include "beluga/store/database.hpp"
#include "beluga/store/internal/temp_folder.hpp"

namespace beluga {
namespace {

using ::testing::HasSubstr;

ErrorCode code_of(const std::function<void()>& f) {
  const auto result = attempt(f);
  return result.ok() ? ErrorCode{} : result.error().code();
}

SessionEntry entry(Message message, Usage usage = {}) {
  return {.time = WallTime(std::chrono::microseconds(1'700'000'000'123'456)),
          .run_id = "01J0000000000000000000000R",
          .message = std::move(message),
          .usage = usage,
          .model = "m"};
}

std::vector<SessionEntry> one(Message message, Usage usage = {}) {
  std::vector<SessionEntry> entries;
  entries.push_back(entry(std::move(message), usage));
  return entries;
}

struct Kind {
  const char* name;
  std::shared_ptr<SessionStore> (*make)();
};

class AnySessions : public ::testing::TestWithParam<Kind> {
 protected:
  std::shared_ptr<SessionStore> store_ = GetParam().make();
};

TEST_P(AnySessions, AppendListLoadAndRemove) {
  store_->create("one");
  EXPECT_EQ(store_->append("two", 0, one(Message::user("hi"), {.input = 3})), 1U);
  EXPECT_EQ(store_->append("two", 1, one(Message::assistant("hello"), {.output = 2})), 2U);
  const auto info = store_->find("two");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->last_seq, 2U);
  EXPECT_EQ(info->usage, (Usage{.input = 3, .output = 2}));
  EXPECT_EQ(store_->list().size(), 2U);
  EXPECT_EQ(store_->list(1).size(), 1U);
  const auto later = store_->load("two", 1);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].seq, 2U);
  EXPECT_EQ(later[0].message.text(), "hello");
  EXPECT_TRUE(store_->remove("two"));
  EXPECT_FALSE(store_->remove("two"));
  EXPECT_FALSE(store_->find("two"));
  EXPECT_EQ(code_of([&] { store_->load("two"); }), ErrorCode::not_found);
}

TEST_P(AnySessions, TheSecondWriterGetsAConflictAndWritesNothing) {
  store_->append("s", 0, one(Message::user("first")));
  store_->append("s", 1, one(Message::user("winner")));
  const auto lost = attempt([&] { store_->append("s", 1, one(Message::user("loser"))); });
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::aborted);
  EXPECT_THAT(lost.error().message(), HasSubstr("continued by another writer"));
  EXPECT_EQ(store_->load("s").size(), 2U);
  EXPECT_EQ(code_of([&] { store_->append("absent", 3, one(Message::user("x"))); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { store_->create("s"); }), ErrorCode::already_exists);
}

TEST_P(AnySessions, RefuseNamesThatCouldNotBeShown) {
  for (const std::string& bad :
       {std::string(), std::string("a\nb"), std::string("\x1b[2J"), std::string(201, 'x')})
    EXPECT_EQ(code_of([&] { store_->create(bad); }), ErrorCode::invalid_argument);
  store_->create("naïve name; DROP TABLE sessions;--'");
  EXPECT_EQ(store_->list().size(), 1U);
}

TEST_P(AnySessions, LoseNothingOfAMessage) {
  Message message{.role = Role::assistant};
  message.parts.push_back(Text{.text = std::string("nul \0 in the middle, \xF0\x9F\x90\x8B", 25)});
  message.parts.push_back(Reasoning{.text = "hm", .provider = "p", .signature = "sig==", .redacted = false});
  message.parts.push_back(ToolCall{.id = "c1", .name = "f", .arguments = "{\"a\": 1.50 , broken"});
  message.parts.push_back(
      Image{.data = Media::bytes("image/png", std::string("\x89PNG\0\xFF", 6)), .detail = "low"});
  message.parts.push_back(Audio{.data = Media::bytes("audio/wav", "RIFF")});
  message.parts.push_back(
      File{.data = Media::link("https://example.com/a.pdf", "application/pdf"), .name = "a.pdf"});
  // A link that looks like our own reference to stored content must stay that link.
  message.parts.push_back(File{.data = Media::link("beluga-blob:" + blob_id("RIFF"), "x/y"), .name = "trap"});
  const std::string before = to_json(message).dump();
  Message result = Message::tool({.call_id = "c1", .name = "f", .content = "ok", .is_error = true});
  std::get<ToolResult>(result.parts[0])
      .attachments.emplace_back(Image{.data = Media::bytes("image/png", "tiny"), .detail = ""});
  const std::string result_before = to_json(result).dump();

  store_->append("s", 0, one(message));
  store_->append("s", 1, one(result));
  const auto loaded = store_->load("s");
  ASSERT_EQ(loaded.size(), 2U);
  EXPECT_EQ(to_json(loaded[0].message).dump(), before);
  EXPECT_EQ(to_json(loaded[1].message).dump(), result_before);
  EXPECT_EQ(loaded[0].time, WallTime(std::chrono::microseconds(1'700'000'000'123'456)));
  EXPECT_EQ(loaded[0].run_id, "01J0000000000000000000000R");
  EXPECT_EQ(loaded[0].model, "m");
}

INSTANTIATE_TEST_SUITE_P(
    , AnySessions,
    ::testing::Values(Kind{"Sqlite", [] { return open_sessions(Database::open({.path = ":memory:"})); }},
                      Kind{"Memory", [] { return memory_sessions(); }}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(SqliteSessions, StoreAnImageOnceHoweverOftenItIsSent) {
  TempFolder folder;
  auto db = Database::open({.path = folder.path("beluga.db"), .power_safe = false});
  auto store = open_sessions(db);
  Message message{.role = Role::user};
  message.parts.push_back(
      Image{.data = Media::bytes("image/png", std::string(1'000'000, 'i')), .detail = ""});
  for (std::uint64_t i = 0; i < 20; ++i) store->append("s", i, one(message));
  const std::int64_t size = db->read([](Connection& c) {
    return c.query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .only_integer();
  });
  EXPECT_LT(size, 1'300'000);
  EXPECT_EQ(store->load("s").back().message.find<Image>()->data.data->size(), 1'000'000U);
  store->remove("s");
  EXPECT_EQ(db->read([](Connection& c) { return c.query("SELECT count(*) FROM blobs").only_integer(); }), 0);
  EXPECT_EQ(
      db->read([](Connection& c) { return c.query("SELECT count(*) FROM session_entries").only_integer(); }),
      0);
}

/// Two connections to one file behave as two processes do: SQLite locks between them. Each appends pairs.
TEST(SqliteSessions, TwoProcessesNeverInterleave) {
  TempFolder folder;
  const std::string path = folder.path("beluga.db");
  std::atomic<int> conflicts{0};
  const auto writer = [&](const std::string& who) {
    auto store = open_sessions(Database::open({.path = path, .power_safe = false}));
    for (int turn = 0; turn < 30; ++turn) {
      for (;;) {
        const auto info = store->find("s");
        const std::uint64_t last = info ? info->last_seq : 0;
        std::vector<SessionEntry> pair = one(Message::user(who));
        pair.push_back(entry(Message::assistant(who)));
        const auto done = attempt([&] { store->append("s", last, std::move(pair)); });
        if (done.ok()) break;
        EXPECT_TRUE(done.error().code() == ErrorCode::aborted) << done.error().what();
        ++conflicts;
      }
    }
  };
  std::thread left(writer, "left");
  std::thread right(writer, "right");
  left.join();
  right.join();
  const auto all = open_sessions(Database::open({.path = path}))->load("s");
  ASSERT_EQ(all.size(), 120U);
  for (std::size_t i = 0; i < all.size(); i += 2) {
    EXPECT_EQ(all[i].seq, i + 1);
    EXPECT_EQ(all[i].message.text(), all[i + 1].message.text());
  }
}

}  // namespace
}  // namespace beluga
