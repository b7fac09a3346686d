// expect: a tool takes its arguments as one struct
#include <string>

#include "beluga/tool/typed.hpp"

struct Args {
  std::string query;
};

beluga::ToolPtr search() {
#ifdef BELUGA_MISTAKE
  return beluga::tool::make("search", "Searches", [](const std::string& query) { return query; });
#else
  return beluga::tool::make("search", "Searches", [](const Args& args) { return args.query; });
#endif
}
