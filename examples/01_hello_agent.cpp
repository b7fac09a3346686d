// The smallest agent. It runs with no account and no network; name another model to use that one:
//
//     example_01_hello_agent                        (the built-in offline model)
//     example_01_hello_agent openai/gpt-4o          (with OPENAI_API_KEY set)

#include <iostream>

#include "beluga/beluga.hpp"

int main(int argc, char** argv) try {
  using namespace beluga;
  Agent agent{{
      .name = "assistant",
      .model = llm::open(argc > 1 ? argv[1] : "offline"),
      .tools = {tool::builtin::calculator()},
      .persona = {.role = "helpful assistant"},
  }};

  Reply reply = agent.invoke("What is 12 * 34?");  // blocks this thread; on a fiber it would park

  std::cout << reply.text() << '\n' << reply.summary.tool_calls << " tool call(s)\n";
} catch (const beluga::Error& error) {
  std::cerr << error.what() << '\n';  // says what to do: a missing key, an unknown model
  return 1;
}
