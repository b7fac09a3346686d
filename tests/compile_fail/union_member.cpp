// expect: a union has no JSON form; use std::variant
#include <variant>

#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  union {
    int i;
    double d;
  } value = {0};
#else
  std::variant<int, double> value = 0;
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
