// An agent inside a plain multi-threaded program: its own Runtime, worker threads that block, and an event
// loop that must not block and cancels a run, as a Ctrl-C handler would make it do.

#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include "beluga/beluga.hpp"
#include "beluga/llm/scripted.hpp"

using namespace beluga;

// The host's loop: Qt, ROS 2 or a game would bring its own.
class EventLoop final : public Executor {
 public:
  void post(Function<void()> work) override {
    std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    ready_.notify_one();
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !work_.empty(); });
    auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Function<void()>> work_;
};

int main() {
  Runtime runtime{{.workers = 1, .blocking_threads = 4}};  // the host decides how many threads
  auto short_model = std::make_shared<llm::ScriptedModel>([](const ChatRequest& request) {
    return llm::ScriptedTurn{.text = "echo: " + request.messages.back().text()};
  });
  Agent agent{{.model = short_model}};  // a value: shared by all threads

  std::vector<std::string> answers(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < answers.size(); ++i)
    threads.emplace_back([&, i] {
      answers[i] = runtime.run([&] { return agent.invoke("thread " + std::to_string(i)).text(); });
    });
  for (auto& thread : threads) thread.join();
  for (const auto& answer : answers) std::cout << answer << '\n';

  // start() returns at once; the observer runs on the loop's thread only, so it needs no locks.
  auto silent = std::make_shared<llm::ScriptedModel>(
      std::vector<llm::ScriptedTurn>{{.text = "One moment", .fault = llm::ScriptedFault::stall(1)}});
  EventLoop loop;
  bool over = false;
  std::optional<Run> run;
  run.emplace(runtime.run([&] {
    return Agent{{.model = silent}}.start(
        "something long",
        [&](const Event& event) {
          if (event.get_if<TextDelta>()) loop.post([&] { run->cancel("Ctrl-C"); });
          if (const auto* end = event.get_if<RunCancelled>())
            std::cout << "cancelled: " << end->cause.what() << '\n';
          over = event.terminal();
        },
        &loop);
  }));
  while (!over) loop.run_one();
  run.reset();
  std::cout << (runtime.shutdown(std::chrono::seconds(1)).clean() ? "clean shutdown\n" : "work left\n");
}
