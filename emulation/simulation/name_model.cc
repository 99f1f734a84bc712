#include "emulation/simulation/name_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nacre {

bool NamesModel::narrows(const Trace& trace, std::size_t index) const {
  const Event& event = trace.events()[index];
  if (event.kind != EventKind::kSyncNames) return false;
  const auto count = [&](const std::vector<Pending>& pending) {
    return std::ranges::count_if(pending, [&](const Pending& one) { return is_synced(one); });
  };
  return count(synced(as_text(trace.written(event)))) > count(pending_);
}

void NamesModel::apply(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  if (event.kind == EventKind::kNames) {
    address_ = event.address;
    table_ = trace.names();
    add(trace, index);
  } else if (event.kind == EventKind::kSyncNames) {
    pending_ = synced(as_text(trace.written(event)));
    settle();
  }
}

void NamesModel::add(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  Pending added{.operation = NameOperation::from_text(as_text(trace.written(event))),
                .needs = {},
                .event = index,
                .site = event.site};
  added.is_target_synced = added.operation.target.empty() && profile_ == NameModel::kPosixMinimum;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (profile_ == NameModel::kOrderedJournal ||
        added.operation.depends_on(pending_[i].operation)) {
      added.needs.insert(i);
    }
  }
  pending_.push_back(std::move(added));
}

bool NamesModel::is_synced(const Pending& pending) const {
  return profile_ == NameModel::kOrderedJournal
             ? pending.is_source_synced || pending.is_target_synced
             : pending.is_source_synced && pending.is_target_synced;
}

std::vector<NamesModel::Pending> NamesModel::synced(std::string_view directory) const {
  std::vector<Pending> after = pending_;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto is_there = [&](const std::string& path) {
      if (path.empty()) return false;
      // The directory may have another name by now.
      std::string parent(parent_of(path));
      for (std::size_t j = i + 1; j < after.size(); ++j) {
        const NameOperation& later = after[j].operation;
        if (later.change == NameChange::kRename) parent = renamed(parent, later.path, later.target);
      }
      return parent == directory;
    };
    after[i].is_source_synced |= is_there(after[i].operation.path);
    after[i].is_target_synced |= is_there(after[i].operation.target);
  }
  for (std::size_t i = after.size(); i-- > 0;) {
    if (!is_synced(after[i])) continue;
    for (const std::size_t needed : after[i].needs) {
      if (!pulls(after[i], after[needed])) continue;
      after[needed].is_source_synced = after[needed].is_target_synced = true;
    }
  }
  return after;
}

bool NamesModel::pulls(const Pending& pending, const Pending& needed) const {
  // A name says that all that was done to it before is done; a directory that is gone has lost what
  // was in it. But one that is there may lie in one that is not.
  return profile_ == NameModel::kOrderedJournal ||
         pending.operation.shares_name(needed.operation) ||
         pending.operation.removes_directory_of(needed.operation);
}

void NamesModel::settle() {
  if (pending_.empty()) return;
  std::vector<bool> settled(pending_.size());
  Names names = definite_names();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const auto here = as_it_is(i, names, settled);
    if (!is_synced(pending_[i]) || !here) continue;
    settled[i] = true;
    here->apply(names);
    const NameOperation& operation = pending_[i].operation;
    if (operation.change != NameChange::kRename) continue;
    for (std::size_t j = 0; j < i; ++j) {
      if (settled[j]) continue;
      NameOperation& earlier = pending_[j].operation;
      earlier.path = renamed(earlier.path, operation.path, operation.target);
      earlier.target = renamed(earlier.target, operation.path, operation.target);
    }
  }
  if (std::ranges::find(settled, true) == settled.end()) return;
  forget_settled(settled);
  const std::uint64_t index = table_->index_of(names);
  definite_.write(address_, std::as_bytes(std::span(&index, 1)));
}

std::optional<NameOperation> NamesModel::as_it_is(std::size_t place, const Names& names,
                                                  const std::vector<bool>& there) const {
  const auto is_there = [&](std::size_t needed) { return there[needed]; };
  if (!std::ranges::all_of(pending_[place].needs, is_there)) return std::nullopt;
  NameOperation operation = pending_[place].operation;
  for (std::size_t i = place; i-- > 0;) {
    const NameOperation& earlier = pending_[i].operation;
    if (there[i] || earlier.change != NameChange::kRename) continue;
    for (std::string* const path : {&operation.path, &operation.target}) {
      if (is_below(*path, earlier.target)) *path = renamed(*path, earlier.target, earlier.path);
    }
  }
  if (operation.change == NameChange::kRemove) return operation;
  const std::string_view parent =
      parent_of(operation.target.empty() ? operation.path : operation.target);
  if (parent != "/" && !names.contains(parent)) return std::nullopt;
  return operation;
}

void NamesModel::forget_settled(const std::vector<bool>& settled) {
  std::vector<Pending> rest;
  std::vector<std::size_t> place(pending_.size());
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (settled[i]) continue;
    place[i] = rest.size();
    std::set<std::size_t> needs;
    for (const std::size_t need : pending_[i].needs) {
      if (!settled[need]) needs.insert(place[need]);
    }
    pending_[i].needs = std::move(needs);
    rest.push_back(std::move(pending_[i]));
  }
  pending_ = std::move(rest);
}

Names NamesModel::definite_names() const {
  std::uint64_t index = 0;
  std::memcpy(&index, definite_.read(address_, sizeof index).data(), sizeof index);
  return table_->at(index);
}

}  // namespace nacre
