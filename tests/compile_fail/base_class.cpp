// expect: must not have a base class; make the base a field
#include "beluga/base/reflect_json.hpp"

struct Page {
  int limit = 10;
};
#ifdef BELUGA_MISTAKE
struct Args : Page {
#else
struct Args {
  Page page = {};
#endif
  int first = 0;
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
