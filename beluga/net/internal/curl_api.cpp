#include "beluga/net/internal/curl_api.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <atomic>

#include "beluga/base/error.hpp"

namespace beluga::detail {
namespace {

constexpr unsigned kOldest = 0x075800;  // 7.88: CURLOPT_PROTOCOLS_STR, CURLOPT_QUICK_EXIT and their mends

std::atomic<const CurlApi*> loaded{nullptr};

CurlApi start() {
#ifdef BELUGA_CURL_SONAME
  const CurlApi api = find_curl(BELUGA_CURL_SONAME);
#else
  const CurlApi api = linked_curl();
#endif
  const curl_version_info_data* const version = api.version_info(CURLVERSION_NOW);
  if (version->version_num < kOldest)
    raise(Error(ErrorCode::failed_precondition,
                fmt::format("libcurl {} is too old; install 7.88 or newer", version->version)));
  if (const CURLcode status = api.global_init(CURL_GLOBAL_DEFAULT); status != CURLE_OK)
    raise(Error(ErrorCode::internal, fmt::format("libcurl does not start: {}", api.easy_strerror(status))));
  return api;
}

}  // namespace

#ifdef BELUGA_CURL_SONAME
CurlApi find_curl(const char* soname) {
  // Local: the names of libcurl and of what it brings along stay out of the program's.
  void* const library = ::dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    raise(Error(ErrorCode::failed_precondition,
                fmt::format("the HTTP client needs libcurl, which cannot be loaded: {}; install it (Debian: "
                            "apt-get install libcurl4)",
                            why != nullptr ? why : soname)));
  }
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (function == nullptr)
      raise(Error(ErrorCode::failed_precondition,
                  fmt::format("{} has no {}; install libcurl 7.88 or newer", soname, name)));
  };
  CurlApi api{};
#define BELUGA_FIND(name) find(api.name, "curl_" #name)
#else
CurlApi linked_curl() {
  CurlApi api{};
#define BELUGA_FIND(name) api.name = &::curl_##name
#endif
  BELUGA_FIND(global_init);
  BELUGA_FIND(version_info);
  BELUGA_FIND(easy_init);
  BELUGA_FIND(easy_cleanup);
  BELUGA_FIND(easy_setopt);
  BELUGA_FIND(easy_getinfo);
  BELUGA_FIND(easy_pause);
  BELUGA_FIND(easy_strerror);
  BELUGA_FIND(multi_init);
  BELUGA_FIND(multi_cleanup);
  BELUGA_FIND(multi_setopt);
  BELUGA_FIND(multi_add_handle);
  BELUGA_FIND(multi_remove_handle);
  BELUGA_FIND(multi_socket_action);
  BELUGA_FIND(multi_info_read);
  BELUGA_FIND(multi_strerror);
  BELUGA_FIND(share_init);
  BELUGA_FIND(share_setopt);
  BELUGA_FIND(share_cleanup);
  BELUGA_FIND(slist_append);
  BELUGA_FIND(slist_free_all);
#undef BELUGA_FIND
  return api;
}

const CurlApi& load_curl() {
  static const CurlApi api = start();  // one that failed is tried again by the next caller
  loaded.store(&api, std::memory_order_release);
  return api;
}

const CurlApi& curl() noexcept {
  return *loaded.load(std::memory_order_acquire);
}

bool curl_is_loaded() noexcept {
  return loaded.load(std::memory_order_acquire) != nullptr;
}

}  // namespace beluga::detail
