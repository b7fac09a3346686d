// expect: its callable must be const: drop `mutable`
#include <string>

#include "beluga/tool/typed.hpp"

struct Args {
  std::string query;
};

beluga::ToolPtr search() {
#ifdef BELUGA_MISTAKE
  return beluga::tool::make("search", "Searches",
                            [n = 0](const Args& args) mutable { return args.query + std::to_string(++n); });
#else
  return beluga::tool::make("search", "Searches", [](const Args& args) { return args.query; });
#endif
}
