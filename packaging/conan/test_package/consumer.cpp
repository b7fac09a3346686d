// What a user's first program would be, against an installed copy.
#include <iostream>

#include "beluga/beluga.hpp"

int main() {
  beluga::Agent agent{
      {.model = beluga::llm::open("offline"), .tools = {beluga::tool::builtin::calculator()}}};
  const std::string answer = agent.invoke("What is 12 * 34?").text();
  std::cout << answer << '\n';
  return answer.find("408") == std::string::npos ? 1 : 0;
}
