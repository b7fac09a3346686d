// A key is its type, not the address of something that each shared object has for itself.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <memory>

#include "beluga/fiber/context.hpp"
#include "tests/context_plugin/tenant.hpp"

namespace beluga {
namespace {

TEST(ContextPlugin, ReadsAValueThatTheProgramSet) {
  void* const plugin = ::dlopen(BELUGA_CONTEXT_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << ::dlerror();
  const auto tenant_of = reinterpret_cast<const void* (*)(const Context&)>(::dlsym(plugin, "tenant_of"));
  ASSERT_NE(tenant_of, nullptr) << ::dlerror();
  const auto tenant = std::make_shared<const std::string>("acme");
  EXPECT_EQ(tenant_of(Context().with<plugin_test::Tenant>(tenant)), tenant.get());
  EXPECT_EQ(tenant_of(Context()), nullptr);
}

struct Local {  // the plugin has another of that name
  using Value = std::string;
};

TEST(ContextPlugin, TakesKeysOfUnnamedNamespacesForDifferentOnes) {
  void* const plugin = ::dlopen(BELUGA_CONTEXT_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << ::dlerror();
  const auto local_of = reinterpret_cast<const void* (*)(const Context&)>(::dlsym(plugin, "local_of"));
  ASSERT_NE(local_of, nullptr) << ::dlerror();
  const Context context = Context().with<Local>(std::make_shared<const std::string>("ours"));
  EXPECT_EQ(local_of(context), nullptr);
  EXPECT_EQ(*context.get<Local>(), "ours");
}

}  // namespace
}  // namespace beluga
