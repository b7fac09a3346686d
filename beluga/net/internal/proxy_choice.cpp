#include "beluga/net/internal/proxy_choice.hpp"

#include <charconv>
#include <cstdlib>

namespace beluga {
namespace {

std::string variable(const char* lower, const char* upper) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): as every reader of the environment; documented at
  // from_environment()
  const char* value = std::getenv(lower);
  if (value == nullptr && upper != nullptr) value = std::getenv(upper);  // NOLINT(concurrency-mt-unsafe)
  return value != nullptr ? value : "";
}

}  // namespace

HttpProxy HttpProxy::from_environment() {
  HttpProxy proxy;
  const std::string all = variable("all_proxy", "ALL_PROXY");
  proxy.http = variable("http_proxy", nullptr);
  proxy.https = variable("https_proxy", "HTTPS_PROXY");
  if (proxy.http.empty()) proxy.http = all;
  if (proxy.https.empty()) proxy.https = all;
  proxy.no_proxy = variable("no_proxy", "NO_PROXY");
  return proxy;
}

namespace detail {

bool bypasses_proxy(std::string_view no_proxy, std::string_view host) {
  const auto address = IpAddress::parse(host);
  while (!no_proxy.empty()) {
    const std::size_t begin = no_proxy.find_first_not_of(", \t");
    if (begin == std::string_view::npos) return false;
    no_proxy.remove_prefix(begin);
    std::string_view entry = no_proxy.substr(0, no_proxy.find_first_of(", \t"));
    no_proxy.remove_prefix(entry.size());
    if (entry == "*") return true;
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (address) {
      const std::size_t slash = entry.find('/');
      const auto network = IpAddress::parse(entry.substr(0, slash));
      if (!network) continue;
      unsigned bits = 128;
      if (slash != std::string_view::npos) {
        const auto [end, error] =
            std::from_chars(entry.data() + slash + 1, entry.data() + entry.size(), bits);
        if (error != std::errc() || end != entry.data() + entry.size()) continue;
      }
      if (address->in(*network, bits)) return true;
      continue;
    }
    if (entry.starts_with('.')) entry.remove_prefix(1);
    if (entry.empty() || host.size() < entry.size()) continue;
    const std::size_t head = host.size() - entry.size();
    if (http_names_equal(host.substr(head), entry) && (head == 0 || host[head - 1] == '.')) return true;
  }
  return false;
}

std::string choose_proxy(const HttpProxy& proxy, const Url& url) {
  const std::string& chosen = url.secure() ? proxy.https : proxy.http;
  if (chosen.empty() || bypasses_proxy(proxy.no_proxy, url.host())) return {};
  return chosen.find("://") == std::string::npos ? "http://" + chosen : chosen;
}

}  // namespace detail
}  // namespace beluga
