// expect: use of deleted function
#include "beluga/base/json.hpp"

beluga::Json letter(char c) {
#ifdef BELUGA_MISTAKE
  return beluga::Json(c);
#else
  return beluga::Json(std::string(1, c));
#endif
}
