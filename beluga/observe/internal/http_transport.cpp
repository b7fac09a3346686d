#include "beluga/net/http_client.hpp"
#include "beluga/observe/internal/exporter.hpp"

namespace beluga::observe {

OtlpTransport http_transport(Duration timeout) {
  HttpClientOptions options;
  options.timeouts.total = timeout;
  options.limits.body_bytes = 64U << 10U;  // a collector's answer is short
  return [client = HttpClient(std::move(options))](
             const std::string& url, const std::vector<std::pair<std::string, std::string>>& headers,
             const std::string& body) {
    HttpRequest request{.method = "POST", .url = url, .body = body};
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    return client.send(std::move(request)).status;
  };
}

}  // namespace beluga::observe
