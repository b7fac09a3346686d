// expect: a tool takes nothing, one argument struct, const ToolCallInfo&, or both in this order
#include <string>

#include "beluga/tool/typed.hpp"

struct Args {
  std::string query;
};

beluga::ToolPtr search() {
#ifdef BELUGA_MISTAKE
  return beluga::tool::make("search", "Searches", [](const std::string& query, int) { return query; });
#else
  return beluga::tool::make("search", "Searches",
                            [](const Args& args, const beluga::ToolCallInfo&) { return args.query; });
#endif
}
