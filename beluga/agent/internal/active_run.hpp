#pragma once
/// The run that the current code works for, carried by the Context: how a run that a tool starts finds its
/// parent.

#include <memory>

#include "beluga/contract/event.hpp"
#include "beluga/cost/ledger.hpp"

namespace beluga::detail {

struct ActiveRun {
  using Value = ActiveRun;
  std::shared_ptr<const RunInfo> info;
  /// What runs below it spend from: the run's own, or within a model call what is set aside for that.
  std::shared_ptr<Ledger> ledger;
};

}  // namespace beluga::detail
