// expect: must not have a reference as a field; hold a value
#include <string>

#include "beluga/base/reflect_json.hpp"

struct Args {
#ifdef BELUGA_MISTAKE
  std::string& name;
#else
  std::string name;
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
