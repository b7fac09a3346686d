#include "beluga/net/internal/connection_places.hpp"

namespace beluga::detail {

ConnectionPlace::~ConnectionPlace() {
  if (places_) places_->give_back(address_);
}

std::optional<ConnectionPlace> ConnectionPlaces::take(std::string address) {
  std::shared_ptr<ConnectionPlaces> self = shared_from_this();
  const std::lock_guard lock(mutex_);
  if (taken_ >= most_ || most_per_address_ == 0) return std::nullopt;
  std::size_t& count = per_address_[address];
  if (count >= most_per_address_) return std::nullopt;
  ++count;
  ++taken_;
  return ConnectionPlace(std::move(self), std::move(address));
}

void ConnectionPlaces::give_back(const std::string& address) noexcept {
  const std::lock_guard lock(mutex_);
  --taken_;
  const auto found = per_address_.find(address);
  if (--found->second == 0) per_address_.erase(found);
}

}  // namespace beluga::detail
