// expect: a tool takes its argument struct by value or by const reference
#include <string>

#include "beluga/tool/typed.hpp"

struct Args {
  std::string query;
};

beluga::ToolPtr search() {
#ifdef BELUGA_MISTAKE
  return beluga::tool::make("search", "Searches", [](Args& args) { return args.query; });
#else
  return beluga::tool::make("search", "Searches", [](Args args) { return args.query; });
#endif
}
