#include "emulation/explorer/representatives.h"

#include <map>
#include <utility>

namespace nacre {

Representatives::Representatives(const CrashState& state, std::uint64_t seed) : random_(seed) {
  for (const Granule& granule : state.granules) {
    counts_.push_back(static_cast<std::uint32_t>(granule.candidates.size()));
  }
  begin_side(Others::kOldest);
}

void Representatives::begin_side(Others others) {
  others_ = others;
  first_ = 0;
  second_ = 1;
  deviations_.clear();
  for (std::uint32_t granule = 0; granule < counts_.size(); ++granule) {
    const std::uint32_t usual = others == Others::kOldest ? 0 : counts_[granule] - 1;
    for (std::uint32_t content = 0; content < counts_[granule]; ++content) {
      if (content != usual) deviations_.push_back({granule, content});
    }
  }
}

ChosenSet Representatives::next() {
  while (size_ <= 2) {
    if (auto set = next_of_size()) return *std::move(set);
    if (others_ == Others::kOldest) {
      begin_side(Others::kNewest);
    } else {
      begin_side(Others::kOldest);
      ++size_;
    }
  }
  return random_set();
}

std::optional<ChosenSet> Representatives::next_of_size() {
  if (size_ < 2) {
    // `first_` counts them; there is one set of no deviations.
    const std::size_t count = size_ == 0 ? 1 : deviations_.size();
    if (first_ == count) return std::nullopt;
    const std::size_t at = first_++;
    if (size_ == 0) return ChosenSet({}, others_);
    return ChosenSet({{deviations_[at].granule, deviations_[at].content}}, others_);
  }
  while (first_ + 1 < deviations_.size()) {
    const std::size_t second = second_++;
    if (second == deviations_.size()) {
      ++first_;
      second_ = first_ + 1;
      continue;
    }
    const Deviation& one = deviations_[first_];
    const Deviation& other = deviations_[second];
    if (one.granule == other.granule) continue;
    return ChosenSet({{one.granule, one.content}, {other.granule, other.content}}, others_);
  }
  return std::nullopt;
}

ChosenSet Representatives::random_set() {
  std::map<std::uint32_t, std::uint32_t> chosen;
  for (std::uint32_t granule = 0; granule < counts_.size(); ++granule) {
    chosen[granule] = static_cast<std::uint32_t>(uniform_below(random_, counts_[granule]));
  }
  return ChosenSet(std::move(chosen), Others::kOldest);
}

}  // namespace nacre
