#pragma once
/// Which proxy a URL goes through.

#include <string>

#include "beluga/net/http_client.hpp"

namespace beluga::detail {

/// The proxy for `url`, empty for none. Throws Error{invalid_argument} for a proxy that cannot be used.
std::string choose_proxy(const HttpProxy& proxy, const Url& url);
/// Whether the `no_proxy` list names `host`: a name matches itself and its subdomains, with or without a
/// leading dot.
bool bypasses_proxy(std::string_view no_proxy, std::string_view host);

}  // namespace beluga::detail
