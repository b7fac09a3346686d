#pragma once
/// The built-in tools: read, list and search files below one folder, calculate, tell the time, and, once a
/// host is allowed, read the web.
///
///     Agent agent{{.model = model, .tools = tool::builtin::standard({.root = "docs"})}};
///
/// File tools see regular files below their root only: paths are relative, and resolved by
/// openat2(RESOLVE_BENEATH), so that neither "..", absolute paths nor symbolic links lead out, whoever
/// changes the tree meanwhile. They never write.
///
/// http_get reads from allowed hosts only. The list is applied to every redirect, and the address of the very
/// socket must be public: neither a DNS answer that changes nor an address in another spelling gets around
/// it. Thread-safety: tools are immutable; call them from anywhere at once.

#include <functional>
#include <string>
#include <vector>

#include "beluga/contract/tool.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/net/ip_address.hpp"

namespace beluga::tool::builtin {

/// Factories of the file tools throw Error{not_found} when `root` is no folder.
ToolPtr read_file(const std::string& root);
ToolPtr list_files(const std::string& root);
ToolPtr search_files(const std::string& root);
ToolPtr calculator();
ToolPtr current_time();

struct HttpGetOptions {
  /// Exact names ("example.org") or all below one ("*.example.org", without example.org itself), each with
  /// the ports of http and https only, or with the one it names ("example.org:8080", "[2001:db8::1]:80").
  std::vector<std::string> allowed_hosts{};
  /// Also loopback, private, link-local and reserved addresses: for an intranet. Needed behind a proxy too,
  /// because the addresses on its far side cannot be checked.
  bool allow_private = false;
  std::size_t max_bytes = 48 * 1024;            ///< of text; the rest is cut, and the model is told so
  Duration timeout = std::chrono::seconds(30);  ///< of one call, redirects included
  /// Instead of the system's resolver; as HttpClientOptions::resolve.
  std::function<std::vector<IpAddress>(const std::string& host)> resolve = nullptr;
};
/// Throws Error{invalid_argument} when no host is allowed, or an entry is no host.
ToolPtr http_get(const HttpGetOptions& options);

struct StandardOptions {
  std::string root = ".";                    ///< the one folder that the file tools may read
  std::vector<std::string> allowed_hosts{};  ///< empty: there is no http_get
  bool allow_private = false;                ///< see HttpGetOptions
};
/// All of them.
std::vector<ToolPtr> standard(const StandardOptions& options = {});

}  // namespace beluga::tool::builtin
