// Tools that share state. Calls of one turn run at the same time on several threads, and a call that ignores
// its cancellation may outlive its run: so the state has a mutex, and the tools share its ownership.

#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "beluga/beluga.hpp"
#include "beluga/llm/scripted.hpp"

using namespace beluga;

class Basket {
 public:
  int add(const std::string& item, int count) {
    std::lock_guard lock(mutex_);
    return items_[item] += count;
  }
  std::map<std::string, int> items() const {
    std::lock_guard lock(mutex_);
    return items_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> items_;
};

struct AddArgs {
  Field<std::string, "What to put into the basket"> item;
  Field<int, "How many", Limits{.minimum = 1}> count = 1;
};

int main() {
  auto basket = std::make_shared<Basket>();
  auto add = tool::make("add_item", "Puts an item into the basket",
                        [basket](const AddArgs& args) { return basket->add(args.item, args.count); });
  auto show = tool::make("show_basket", "Lists the basket", [basket] { return basket->items(); },
                         {.read_only = true, .idempotent = true});

  auto model = std::make_shared<llm::ScriptedModel>(std::vector<llm::ScriptedTurn>{
      {.calls = {{"", "add_item", R"({"item":"apple","count":3})"}, {"", "add_item", R"({"item":"bread"})"}}},
      {.text = "Three apples and a bread."},
      {.calls = {{"", "add_item", R"({"item":"apple","count":2})"}}},
      {.calls = {{"", "show_basket", "{}"}}},
      {.text = "Now there are five apples."},
  });
  // The session is what the model remembers; the basket is what the tools do.
  Agent agent{{.model = model, .tools = {add, show}, .sessions = memory_sessions()}};
  for (const char* question : {"Three apples and a bread, please", "Two more apples"}) {
    RunInput input(question);
    input.session = "shopping";
    std::cout << agent.invoke(input).text() << '\n';
  }
  for (const auto& [item, count] : basket->items()) std::cout << item << ": " << count << '\n';
}
