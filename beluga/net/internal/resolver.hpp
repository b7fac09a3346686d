#pragma once
/// Host names to addresses, in the blocking pool, with a small cache; concurrent questions for one name are
/// asked once. Thread-safety: all members from any fiber.

#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/net/ip_address.hpp"

namespace beluga::detail {

class Resolver {
 public:
  using Lookup = std::function<std::vector<IpAddress>(const std::string& host)>;
  /// `lookup` null: getaddrinfo.
  Resolver(Lookup lookup, Duration age);

  /// At least one address, in the order to try. Parks; obeys the current context: a lookup that hangs is left
  /// to the pool.
  std::vector<IpAddress> resolve(const std::string& host);

 private:
  struct Entry {
    std::vector<IpAddress> addresses;
    TimePoint until;
  };
  std::vector<IpAddress> ask(const std::string& host);

  static constexpr std::size_t kMostEntries = 1024;
  Lookup lookup_;
  Duration age_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> cache_;
  std::unordered_map<std::string, Future<std::vector<IpAddress>>> asked_;
};

}  // namespace beluga::detail
