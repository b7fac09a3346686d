// expect: a field of this struct cannot be assigned
#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  const int count = 1;
#else
  int count = 1;
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
