#pragma once
/// libcurl, which is loaded by the first request rather than with the program.
///
/// It brings 25 shared libraries along (Kerberos, LDAP, SSH, GnuTLS, ...), and mapping them is more than half
/// of what a program that never asks for a URL would spend on its start. Where libcurl is linked into the
/// program (BELUGA_CURL_SONAME not defined), the table holds the linked functions.

#include <curl/curl.h>

namespace beluga::detail {

/// What the HTTP client calls of libcurl.
struct CurlApi {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_version_info) version_info;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_pause) easy_pause;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_socket_action) multi_socket_action;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_multi_strerror) multi_strerror;
  decltype(&::curl_share_init) share_init;
  decltype(&::curl_share_setopt) share_setopt;
  decltype(&::curl_share_cleanup) share_cleanup;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

/// The functions of the shared library of that name, or of the linked one.
CurlApi find_curl(const char* soname);
CurlApi linked_curl();

/// Loads and starts libcurl, once per process; it is never unloaded, for other code may use it, too. Takes
/// some milliseconds of disk and CPU the first time: then call it in the pool. Throws
/// Error{failed_precondition} when the library is missing or older than 7.88. Any thread.
const CurlApi& load_curl();

/// The same without the loading; only after load_curl() has returned.
const CurlApi& curl() noexcept;

/// True once load_curl() has returned.
bool curl_is_loaded() noexcept;

}  // namespace beluga::detail
