// What a crash may leave of names: the candidates of NamesModel.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "emulation/simulation/name_model.h"

namespace nacre {

/// The different states found so far.
struct NamesModel::Collection {
  CrashState& state;
  Granule granule;
  std::set<std::uint64_t> seen;

  void add(std::uint64_t index, const Names& names, MediaAddress address, Candidate candidate) {
    if (!seen.insert(index).second) return;
    candidate.meaning = "names:";
    for (const auto& [path, entry] : names) candidate.meaning += ' ' + path;
    if (seen.size() > 1) {
      std::vector<std::byte> bytes(sizeof index);
      std::memcpy(bytes.data(), &index, sizeof index);
      candidate.patches.push_back({address, state.keep(std::move(bytes))});
    }
    granule.candidates.push_back(std::move(candidate));
  }
};

/// Decides the pending operations one after the other.
class NamesModel::Choosing {
 public:
  Choosing(const NamesModel& model, Collection& found)
      : model_(model), pending_(model.pending_), found_(found) {}

  /// False when there are too many sets; some of them have been added then.
  bool add_all() {
    names_.push_back(model_.definite_names());
    return add_from_here();
  }

  /// The one set of those that `is_wanted(operation)`, and that can be there or have to be.
  template <class IsWanted>
  void add_one(IsWanted is_wanted) {
    taken_.clear();
    names_ = {model_.definite_names()};
    while (taken_.size() < pending_.size()) {
      const std::size_t next = taken_.size();
      const auto here = model_.as_it_is(next, names_.back(), taken_);
      const bool takes = here && (model_.is_synced(pending_[next]) || is_wanted(next));
      if (takes) here->apply(names_.back());
      taken_.push_back(takes);
    }
    add();
  }

 private:
  /// Each operation first as not done.
  bool add_from_here() {
    const std::size_t next = taken_.size();
    if (next == pending_.size()) {
      if (++sets_ > kMaxSets) return false;
      add();
      return true;
    }
    const auto here = model_.as_it_is(next, names_.back(), taken_);
    if (!here || !model_.is_synced(pending_[next])) {
      taken_.push_back(false);
      const bool goes_on = add_from_here();
      taken_.pop_back();
      if (!goes_on) return false;
    }
    if (!here) return true;
    names_.push_back(names_.back());
    here->apply(names_.back());
    taken_.push_back(true);
    const bool goes_on = add_from_here();
    taken_.pop_back();
    names_.pop_back();
    return goes_on;
  }

  void add() {
    Candidate candidate;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (taken_[i]) {
        candidate.site = pending_[i].site;
        candidate.event = pending_[i].event;
      } else if (!model_.is_synced(pending_[i])) {
        candidate.lost_event = pending_[i].event;
      }
    }
    found_.add(model_.table_->index_of(names_.back()), names_.back(), model_.address_,
               std::move(candidate));
  }

  const NamesModel& model_;
  const std::vector<Pending>& pending_;
  Collection& found_;
  std::vector<bool> taken_;
  std::vector<Names> names_;  // After the operations decided so far that are there.
  std::size_t sets_ = 0;
};

void NamesModel::collect(CrashState& state) const {
  if (pending_.empty()) return;
  Collection found{.state = state, .granule = {}, .seen = {}};
  if (!Choosing(*this, found).add_all()) {
    found.granule.candidates.clear();
    found.seen.clear();
    collect_some(found);
    state.limit = fmt::format(
        "{} operations on names, such as creations and removals of files, are open at once, and of "
        "the sets of them that a crash may leave only some were tried: sync their directory "
        "sooner, do some of them in the setup, or test less at once",
        pending_.size());
  }
  if (found.granule.candidates.size() < 2) return;
  found.granule.spans.push_back({address_, sizeof(std::uint64_t)});
  state.granules.push_back(std::move(found.granule));
}

void NamesModel::collect_some(Collection& found) const {
  Choosing some(*this, found);
  some.add_one([](std::size_t) { return false; });
  for (std::size_t one = 0; one < pending_.size(); ++one) {
    std::set<std::size_t> with_needs{one};
    for (std::size_t i = one + 1; i-- > 0;) {
      if (!with_needs.contains(i)) continue;
      with_needs.insert(pending_[i].needs.begin(), pending_[i].needs.end());
    }
    some.add_one([&](std::size_t i) { return with_needs.contains(i); });
    some.add_one([&](std::size_t i) { return i < one; });
    some.add_one([&](std::size_t i) { return i != one; });
  }
  some.add_one([](std::size_t) { return true; });
}

}  // namespace nacre
