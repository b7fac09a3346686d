// A run as a stream of events, once to its end and once cancelled half way. The scripted model always says
// the same; with llm::open("...") in its place nothing else changes.

#include <iostream>
#include <memory>

#include "beluga/beluga.hpp"
#include "beluga/llm/scripted.hpp"

using namespace beluga;

// Destroying a stream cancels its run too; cancel() and pulling on shows how it ended.
void watch(const Agent& agent, int most_pieces) {
  Stream<Event> events = agent.stream("Tell me about belugas");
  int pieces = 0;
  for (const Event& event : events) {
    if (const auto* text = event.get_if<TextDelta>()) {
      std::cout << text->text << std::flush;
      if (++pieces == most_pieces) events.cancel();
    } else if (const auto* done = event.get_if<RunCompleted>()) {
      std::cout << "\n[completed in " << done->summary.steps << " step]\n";
    } else if (const auto* cancelled = event.get_if<RunCancelled>()) {
      std::cout << "\n[" << cancelled->cause.what()
                << "; a part was kept: " << (cancelled->partial_text.empty() ? "no" : "yes") << "]\n";
    } else if (const auto* failed = event.get_if<RunFailed>()) {
      std::cout << "\n[failed: " << failed->error.what() << "]\n";
    }
  }
}

int main() {
  auto model = std::make_shared<llm::ScriptedModel>(std::vector<llm::ScriptedTurn>{
      {.text = "Belugas are white whales of the Arctic."},
      // Silent after three pieces, as a stalled server would be: cancelling reaches it all the same.
      {.text = "Belugas sing, and sailors called them canaries.", .fault = llm::ScriptedFault::stall(3)},
  });
  Agent agent{{.name = "narrator", .model = model}};
  watch(agent, 0);
  watch(agent, 3);
}
