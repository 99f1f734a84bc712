#include "emulation/explorer/linearization.h"

#include <algorithm>

namespace nacre {

std::optional<Linearization> LinearizationSearch::find() {
  if (!visit({}, calls_.initial)) return std::nullopt;
  return path_;
}

bool LinearizationSearch::visit(Place place, const CallsToExplain::State& state) {
  // As early as possible: what lies behind has fewer rules to keep.
  const bool found_here =
      !place.is_found && (rules_.must & ~place.done) == 0 && calls_.is_found(state);
  if (found_here) {
    place.is_found = true;
    path_.found = path_.order.size();
  }
  if (place.is_found && (rules_.ordered & ~place.done) == 0) return true;
  if (is_known(place, state)) return false;
  for (std::size_t call = 0; call < calls_.operations.size() && !gave_up_; ++call) {
    if ((rules_.may & ~place.done & set_of(call)) == 0) continue;
    if ((rules_.before[call] & ~place.done) != 0) continue;
    const CallsToExplain::Step step = calls_.apply(state, call);
    if ((rules_.results & set_of(call)) != 0 && !step.as_returned) continue;
    path_.order.push_back(call);
    if (visit({.done = place.done | set_of(call), .is_found = place.is_found}, step.state)) {
      return true;
    }
    path_.order.pop_back();
  }
  return false;
}

bool LinearizationSearch::is_known(const Place& place, const CallsToExplain::State& state) {
  std::vector<CallsToExplain::State>& states = tried_[place];
  const bool known =
      std::ranges::any_of(states, [&](const auto& tried) { return calls_.equal(tried, state); });
  if (known) return true;
  if (tried_count_ == kMaxTried) {
    gave_up_ = true;
    return true;
  }
  ++tried_count_;
  states.push_back(state);
  return false;
}

}  // namespace nacre
