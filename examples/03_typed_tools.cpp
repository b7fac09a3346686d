// Any callable is a tool. Its JSON Schema comes from the argument struct; what a model sends is checked
// against it before the callable runs, and a mistake goes back to the model, which may try again.

#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "beluga/beluga.hpp"
#include "beluga/llm/scripted.hpp"

using namespace beluga;

enum class Size { small, medium, large };

struct OrderArgs {
  Field<std::string, "What to bake", Limits{.min_length = 1}> cake;
  Field<int, "How many", Limits{.minimum = 1, .maximum = 20}> count = 1;  // has a default: need not be given
  Size size = Size::medium;                                               // "small", "medium" or "large"
  std::optional<std::string> inscription;
};

struct Order {  // a struct goes back to the model as JSON
  std::string cake;
  int count;
  int euros;
};

int main() {
  ToolPtr order = tool::make("order_cake", "Orders cakes at the bakery", [](const OrderArgs& args) {
    const int each = args.size == Size::small ? 10 : args.size == Size::medium ? 20 : 30;
    return Order{*args.cake, args.count, args.count * (each + (args.inscription ? 5 : 0))};
  });
  std::cout << order->schema().parameters.dump() << '\n';

  auto model = std::make_shared<llm::ScriptedModel>(std::vector<llm::ScriptedTurn>{
      {.calls = {{"", "order_cake", R"({"cake":"apple","count":99})"}}},  // too many
      {.calls = {{"", "order_cake", R"({"cake":"apple","count":2,"size":"large","inscription":"Hi"})"}}},
      {.text = "Two large apple cakes are ordered."},
  });
  Agent agent{{.name = "baker", .model = model, .tools = {order}}};

  for (const Event& event : agent.stream("Two large apple cakes that say Hi, please")) {
    if (const auto* finished = event.get_if<ToolCallFinished>())
      std::cout << (finished->result.is_error ? "refused: " : "result: ") << finished->result.content << '\n';
    if (const auto* done = event.get_if<RunCompleted>()) std::cout << done->message.text() << '\n';
  }
}
