#include "emulation/explorer/crash_resolver.h"

#include <algorithm>

namespace nacre {

void CrashResolver::set_state(const CrashState& state) {
  state_ = &state;
  places_.clear();
  longest_ = 0;
  below_.assign(state.granules.size(), {});
  media_.open_all();
  for (std::uint32_t granule = 0; granule < state.granules.size(); ++granule) {
    for (const Span& span : state.granules[granule].spans) {
      for (const Place& place : places_) {
        if (place.granule != granule && place.begin < span.address + span.bytes &&
            span.address < place.end) {
          below_[granule].push_back(place.granule);
        }
      }
      media_.shut(span.address, span.bytes);
    }
    for (const Span& span : state.granules[granule].spans) {
      places_.push_back({span.address, span.address + span.bytes, granule});
      longest_ = std::max(longest_, span.bytes);
    }
  }
  std::ranges::sort(places_, {}, &Place::begin);
}

void CrashResolver::begin(Chooser& chooser) {
  chooser_ = &chooser;
  chooser.rewind();
  resolved_.assign(state_->granules.size(), false);
  open_count_ = state_->granules.size();
}

void CrashResolver::before_access(MediaAddress address, std::size_t bytes) {
  if (open_count_ == 0) return;
  const MediaAddress earliest = address < longest_ ? 0 : address - longest_;
  auto place = std::ranges::lower_bound(places_, earliest, {}, &Place::begin);
  for (; place != places_.end() && place->begin < address + bytes; ++place) {
    if (place->end > address && !resolved_[place->granule]) resolve(place->granule);
  }
}

void CrashResolver::resolve(std::uint32_t granule) {
  for (const std::uint32_t below : below_[granule]) {
    if (!resolved_[below]) resolve(below);
  }
  resolved_[granule] = true;
  --open_count_;
  const auto& candidates = state_->granules[granule].candidates;
  const std::uint32_t chosen =
      chooser_->choose(granule, static_cast<std::uint32_t>(candidates.size()));
  for (const Patch& patch : candidates[chosen].patches) media_.place(patch.address, patch.bytes);
}

}  // namespace nacre
