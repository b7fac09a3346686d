// expect: this type has no JSON form; make it a plain aggregate
#include "beluga/base/reflect_json.hpp"

struct Args {
#ifdef BELUGA_MISTAKE
  explicit Args(int first) : limit(first) {}
#endif
  int limit = 10;
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
