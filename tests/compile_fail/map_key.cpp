// expect: use std::string as the map
#include <map>
#include <string>

#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  std::map<int, int> counts = {};
#else
  std::map<std::string, int> counts = {};
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
