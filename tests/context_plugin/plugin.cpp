#include "beluga/fiber/context.hpp"
#include "tests/context_plugin/tenant.hpp"

extern "C" [[gnu::visibility("default")]] const void* tenant_of(const beluga::Context& context) {
  return context.get<beluga::plugin_test::Tenant>();
}

namespace beluga {
namespace {

struct Local {
  using Value = int;
};

}  // namespace
}  // namespace beluga

extern "C" [[gnu::visibility("default")]] const void* local_of(const beluga::Context& context) {
  return context.get<beluga::Local>();
}
