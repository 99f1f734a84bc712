#include "emulation/explorer/choice_path.h"

#include <algorithm>

namespace nacre {

void ChoicePath::rewind() {
  repeated_ = choices_.size();
  next_ = 0;
  divergence_.reset();
}

std::uint32_t ChoicePath::choose(std::uint32_t granule, std::uint32_t count) {
  if (next_ == choices_.size()) choices_.push_back({granule, 0, count});
  const Choice& choice = choices_[next_];
  if (choice.granule != granule || choice.count != count) {
    if (!divergence_) divergence_ = {next_, choice.granule, granule};
    return 0;
  }
  ++next_;
  return choice.chosen;
}

void ChoicePath::take_over(const std::vector<Choice>& choices) {
  choices_ = choices;
  repeated_ = next_ = choices_.size();
  divergence_.reset();
}

std::optional<Divergence> ChoicePath::divergence() const {
  if (divergence_ || next_ >= repeated_) return divergence_;
  return Divergence{next_, choices_[next_].granule, std::nullopt};
}

bool ChoicePath::advance() {
  // What an earlier run was asked beyond this one's end is no part of this one.
  choices_.resize(next_);
  while (!choices_.empty() && choices_.back().chosen + 1 == choices_.back().count) {
    choices_.pop_back();
  }
  if (choices_.empty()) return false;
  ++choices_.back().chosen;
  return true;
}

std::uint32_t ChosenSet::choose(std::uint32_t granule, std::uint32_t count) {
  const auto found = chosen_.find(granule);
  std::uint32_t chosen = others_ == Others::kOldest ? 0 : count - 1;
  if (found != chosen_.end()) chosen = std::min(found->second, count - 1);
  made_.push_back({granule, chosen, count});
  return chosen;
}

}  // namespace nacre
