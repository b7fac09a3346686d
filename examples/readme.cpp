#include <beluga/beluga.hpp>
#include <iostream>

struct Question {
  beluga::Field<std::string, "City name, in English"> city;
};

int main() {
  auto weather = beluga::tool::make("weather", "Current weather of a city", [](Question q) {
    return "18 degrees and cloudy in " + std::string(q.city);
  });

  beluga::Agent agent{{
      .name = "assistant",
      .model = beluga::llm::open("offline"),  // or "openai/gpt-4o"
      .tools = {weather},
      .persona = {.role = "helpful assistant"},
  }};

  for (const beluga::Event& event : agent.stream("What is the weather in Paris?"))
    if (auto* text = event.get_if<beluga::TextDelta>()) std::cout << text->text;
  std::cout << '\n';
}
