#include "beluga/net/internal/resolver.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/context.hpp"

namespace beluga::detail {
namespace {

std::vector<IpAddress> system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (status == EAI_NONAME || status == EAI_ADDRFAMILY) {
    // AI_ADDRCONFIG does not count loopback as configured: without another interface it hides literal and
    // local names.
    hints.ai_flags = 0;
    status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  }
  if (status != 0) {
    const bool transient = status == EAI_AGAIN || status == EAI_SYSTEM || status == EAI_MEMORY;
    raise(Error(ErrorCode::unavailable, "cannot resolve host '" + host + "': " + ::gai_strerror(status) +
                                            (transient ? "; is the network up?" : "; check the name"))
              .with_retryable(transient));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, each->ai_addr, sizeof address);
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &address.sin_addr, bytes.size());
      addresses.emplace_back(bytes);
    } else if (each->ai_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, each->ai_addr, sizeof address);
      std::array<std::uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
      addresses.emplace_back(bytes);
    }
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace

Resolver::Resolver(Lookup lookup, Duration age) : lookup_(std::move(lookup)), age_(age) {
  if (!lookup_) lookup_ = system_lookup;
}

std::vector<IpAddress> Resolver::resolve(const std::string& host) {
  if (const auto literal = IpAddress::parse(host)) return {*literal};
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto hit = cache_.find(host); hit != cache_.end()) {
        if (Clock::current().now() < hit->second.until) return hit->second.addresses;
        cache_.erase(hit);
      }
    }
    Promise<std::vector<IpAddress>> promise;
    std::optional<Future<std::vector<IpAddress>>> leader;
    {
      const std::lock_guard lock(mutex_);
      const auto [slot, first] = asked_.try_emplace(host, promise.future());
      if (!first) leader = slot->second;
    }
    if (leader) {
      const auto answer = attempt([&]() -> std::vector<IpAddress> { return leader->get(); });
      // Cancellation and deadline of the leader are its own affair: then the next one asks.
      if (answer.ok() || answer.error().code() == ErrorCode::unavailable) return answer.value();
      Context::current().check();
      if (answer.error().code() == ErrorCode::cancelled ||
          answer.error().code() == ErrorCode::deadline_exceeded)
        continue;
      return answer.value();
    }
    const auto answer = attempt([&] { return ask(host); });
    {
      const std::lock_guard lock(mutex_);
      asked_.erase(host);
      if (answer.ok() && age_ > Duration::zero()) {
        if (cache_.size() >= kMostEntries) cache_.clear();
        cache_[host] = {*answer, Clock::current().now() + age_};
      }
    }
    if (answer.ok())
      promise.set(*answer);
    else
      promise.fail(answer.error());
    return answer.value();
  }
}

std::vector<IpAddress> Resolver::ask(const std::string& host) {
  // The job owns what it touches: it may outlive the caller and this object.
  auto addresses =
      blocking({.name = "resolve", .mode = Blocking::may_be_abandoned, .grace = Duration::zero()},
               [lookup = lookup_, host] { return lookup(host); });
  if (addresses.empty()) {
    raise(Error(ErrorCode::unavailable, "host '" + host + "' has no address; check the name")
              .with_retryable(false));
  }
  return addresses;
}

}  // namespace beluga::detail
