// expect: a string_view field would dangle; use std::string
#include <string>
#include <string_view>

#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  std::string_view name = {};
#else
  std::string name = {};
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
