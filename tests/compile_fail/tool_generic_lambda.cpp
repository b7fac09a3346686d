// expect: write the type of its argument struct instead of `auto`
#include <string>

#include "beluga/tool/typed.hpp"

struct Args {
  std::string query;
};

beluga::ToolPtr search() {
#ifdef BELUGA_MISTAKE
  return beluga::tool::make("search", "Searches", [](const auto& args) { return args.query; });
#else
  return beluga::tool::make("search", "Searches", [](const Args& args) { return args.query; });
#endif
}
