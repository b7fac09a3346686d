// expect: must not have a C array as a field; use std::array or std::vector
#include <array>

#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  int values[3] = {};
#else
  std::array<int, 3> values = {};
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
