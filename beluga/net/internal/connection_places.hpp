#pragma once
/// How many connections a server may hold at once, in all and from one address. Not installed.

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace beluga::detail {

class ConnectionPlaces;

/// Held as long as a connection has its socket, given back by destruction. It does not keep the server alive.
class ConnectionPlace {
 public:
  ConnectionPlace() noexcept = default;  ///< none
  ConnectionPlace(ConnectionPlace&&) noexcept = default;
  ConnectionPlace& operator=(ConnectionPlace&& other) noexcept {
    ConnectionPlace old(std::move(*this));
    places_ = std::move(other.places_);
    address_ = std::move(other.address_);
    return *this;
  }
  ~ConnectionPlace();

 private:
  friend class ConnectionPlaces;
  ConnectionPlace(std::shared_ptr<ConnectionPlaces> places, std::string address) noexcept
      : places_(std::move(places)), address_(std::move(address)) {}
  std::shared_ptr<ConnectionPlaces> places_;
  std::string address_;
};

/// Thread-safe.
class ConnectionPlaces : public std::enable_shared_from_this<ConnectionPlaces> {
 public:
  ConnectionPlaces(std::size_t most, std::size_t most_per_address) noexcept
      : most_(most), most_per_address_(most_per_address) {}
  /// nullopt when all are taken.
  std::optional<ConnectionPlace> take(std::string address);
  std::size_t taken() const noexcept { return taken_; }

 private:
  friend class ConnectionPlace;
  void give_back(const std::string& address) noexcept;
  const std::size_t most_, most_per_address_;
  std::mutex mutex_;  ///< leaf
  std::atomic<std::size_t> taken_{0};
  std::unordered_map<std::string, std::size_t> per_address_;
};

}  // namespace beluga::detail
