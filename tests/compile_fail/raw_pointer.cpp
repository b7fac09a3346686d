// expect: a raw pointer has no JSON form; hold a value, std::optional or std::unique_ptr
#include <memory>

#include "beluga/base/reflect_json.hpp"

struct Args {
  int limit = 10;
#ifdef BELUGA_MISTAKE
  int* next = nullptr;
#else
  std::unique_ptr<int> next = nullptr;
#endif
};

beluga::Json schema() {
  return beluga::json_schema<Args>();
}
