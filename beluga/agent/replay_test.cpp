#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/agent/effects.hpp"
#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::HasSubstr;

/// Writes down every answer of the direct effects.
struct Tape {
  struct Chunks {
    std::vector<ChatChunk> chunks;
    std::optional<Error> error;
  };
  std::vector<std::string> ids;
  std::vector<TimePoint> nows;
  std::vector<WallTime> walls;
  std::vector<Chunks> models;
  std::vector<std::vector<SettledCall>> tools;
  std::vector<std::string> requests;
};

class Recorder final : public Effects, public RunEffects {
 public:
  explicit Recorder(Tape& tape) : tape_(tape) {}
  std::unique_ptr<RunEffects> begin_run(const RunResources& resources) override {
    auto run = std::make_unique<Recorder>(tape_);
    run->real_ = direct_effects()->begin_run(resources);
    return run;
  }
  std::string new_id() override { return tape_.ids.emplace_back(real_->new_id()); }
  std::uint64_t random() override { return real_->random(); }
  TimePoint now() override { return tape_.nows.emplace_back(real_->now()); }
  WallTime wall() override { return tape_.walls.emplace_back(real_->wall()); }
  void begin(const std::shared_ptr<const RunInfo>& run) override { real_->begin(run); }
  void model(const EffectSite& site, const ChatRequest& request, Function<void(ChatChunk&)>& sink) override {
    tape_.requests.push_back(body_of(request));
    auto& taped = tape_.models.emplace_back();
    Function<void(ChatChunk&)> recording = [&](ChatChunk& chunk) {
      taped.chunks.push_back(chunk);
      sink(chunk);
    };
    const auto done = attempt([&] { real_->model(site, request, recording); });
    if (done.ok()) return;
    taped.error = done.error();
    raise(done.error());
  }
  void tools(const EffectSite& site, std::span<const ToolCall> calls,
             Function<void(SettledCall&)>& sink) override {
    auto& taped = tape_.tools.emplace_back();
    Function<void(SettledCall&)> recording = [&](SettledCall& settled) {
      taped.push_back(settled);
      sink(settled);
    };
    real_->tools(site, calls, recording);
  }
  std::vector<SessionEntry> load_session() override { return real_->load_session(); }
  std::uint64_t append_session(std::uint64_t last, std::vector<SessionEntry> entries) override {
    return real_->append_session(last, std::move(entries));
  }
  void end(const Event& terminal) noexcept override { real_->end(terminal); }

 private:
  Tape& tape_;
  std::unique_ptr<RunEffects> real_;
};

/// Answers from the tape alone. What is asked must be what was asked.
class Player final : public Effects, public RunEffects {
 public:
  explicit Player(Tape& tape) : tape_(tape) {}
  std::unique_ptr<RunEffects> begin_run(const RunResources&) override {
    return std::make_unique<Player>(tape_);
  }
  std::string new_id() override { return tape_.ids.at(id_++); }
  std::uint64_t random() override { return 0; }
  TimePoint now() override { return tape_.nows.at(now_++); }
  WallTime wall() override { return tape_.walls.at(wall_++); }
  void begin(const std::shared_ptr<const RunInfo>&) override {}
  void model(const EffectSite&, const ChatRequest& request, Function<void(ChatChunk&)>& sink) override {
    EXPECT_EQ(body_of(request), tape_.requests.at(model_));
    const auto& taped = tape_.models.at(model_++);
    for (ChatChunk chunk : taped.chunks) sink(chunk);
    if (taped.error) throw *taped.error;
  }
  void tools(const EffectSite&, std::span<const ToolCall>, Function<void(SettledCall&)>& sink) override {
    for (SettledCall settled : tape_.tools.at(tools_++)) sink(settled);
  }
  std::vector<SessionEntry> load_session() override { return {}; }
  std::uint64_t append_session(std::uint64_t last, std::vector<SessionEntry> entries) override {
    return last + entries.size();
  }
  void end(const Event&) noexcept override {}

 private:
  Tape& tape_;
  std::size_t id_ = 0, now_ = 0, wall_ = 0, model_ = 0, tools_ = 0;
};

/// Breaks the test when it is used at all.
class ForbiddenModel final : public ChatModel {
 public:
  Stream<ChatChunk> stream(ChatRequest) override {
    ADD_FAILURE() << "the loop called the model behind the seam";
    return {};
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  ModelInfo info_{.provider = "test", .model = "model-1"};
};

std::string text_of(const std::vector<Event>& events) {
  std::string out;
  for (const Event& event : events) out += to_json(event).dump() + "\n";
  return out;
}

TEST(Agent, ReplaysARecordedRunBitForBitWithoutModelToolsOrClock) {
  for (const bool fails : {false, true}) {
    const auto model = model_of([fails](std::size_t turn, const ChatRequest&, Yield<ChatChunk>& yield) {
      yield(text("turn "));
      yield(text(std::to_string(turn)));
      if (turn < 3) {
        yield(call(0, "", "a"));
        yield(call(1, "", "b"));
        yield(end(StopReason::tool_calls));
      } else if (fails) {
        throw Error(ErrorCode::unavailable, "gone");
      } else {
        yield(end());
      }
    });
    AgentOptions options{
        .model = model,
        .tools = {tool_of("a", [](const Json&,
                                  const ToolCallInfo&) { return yield_now(), ToolOutput{.content = "A"}; }),
                  constant_tool("b", "B")},
        .budget = {.max_time = 1h}};
    Tape tape;
    options.effects = std::make_shared<Recorder>(tape);
    RunInput input("go");
    const std::string recorded = text_of(events_of(Agent(options), input));

    const auto forbidden = [](const Json&, const ToolCallInfo&) {
      ADD_FAILURE() << "the loop called a tool behind the seam";
      return ToolOutput{};
    };
    options.model = std::make_shared<ForbiddenModel>();
    options.tools = {tool_of("a", forbidden), tool_of("b", forbidden)};
    options.effects = std::make_shared<Player>(tape);
    EXPECT_EQ(text_of(events_of(Agent(options), input)), recorded);
    EXPECT_THAT(recorded, HasSubstr(fails ? "run_failed" : "run_completed"));
  }
}

}  // namespace
}  // namespace beluga
