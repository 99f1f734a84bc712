#include "lib/store/key_versions.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/endian.h"
#include "nacre/store.h"

namespace nacre::store {

bool has_expired(const Entry& version, std::uint64_t now_ms) noexcept {
  if (version.kind != EntryKind::kPutUntil) return false;
  le64 until;
  std::memcpy(&until, version.value.data(), sizeof until);
  return until <= now_ms;
}

KeyVersions::KeyVersions(Options options) : options_(std::move(options)), filter_(options_.held) {}

void KeyVersions::begin_key(std::span<const Sequence> removals) {
  filter_.begin_key();
  removals_ = removals;
  versions_.clear();
  groups_.clear();
  values_.clear();
  is_open_ = false;
}

/// A range removal is to what is older as a removal of the key.
void KeyVersions::pass_removals(Sequence until) {
  for (; !removals_.empty() && removals_.front() > until; removals_ = removals_.subspan(1)) {
    static_cast<void>(filter_.keeps(removals_.front()));
    if (is_open_) groups_.back().is_whole = true;
    is_open_ = false;
  }
}

Entry KeyVersions::without_what_expired(const Entry& version) const {
  if (!has_expired(version, options_.now_ms)) return version;
  return {
      .key = version.key, .sequence = version.sequence, .kind = EntryKind::kRemove, .value = {}};
}

void KeyVersions::add(const Entry& version) {
  pass_removals(version.sequence);
  const bool seen = filter_.keeps(version.sequence);
  if (!seen && !is_open_) return;
  if (seen) groups_.push_back({.begin = versions_.size()});
  versions_.push_back(without_what_expired(version));
  is_open_ = version.kind == EntryKind::kMerge;
  if (!is_open_ && !seen) groups_.back().is_whole = true;
}

std::span<const Entry> KeyVersions::finish() {
  pass_removals({});
  if (is_open_ && options_.is_bottom) groups_.back().is_whole = true;
  if (options_.merge != nullptr) fold_groups();
  // Where there is nothing older to hide, a removal is as good as nothing.
  while (options_.is_bottom && !versions_.empty() && versions_.back().kind == EntryKind::kRemove) {
    versions_.pop_back();
  }
  return versions_;
}

void KeyVersions::fold_groups() {
  if (std::ranges::none_of(groups_, &Group::is_whole)) return;
  folded_.clear();
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const std::size_t end = i + 1 < groups_.size() ? groups_[i + 1].begin : versions_.size();
    const auto group =
        std::span<const Entry>(versions_).subspan(groups_[i].begin, end - groups_[i].begin);
    const auto one = groups_[i].is_whole ? fold(group) : std::nullopt;
    if (one.has_value()) {
      folded_.push_back(*one);
    } else {
      folded_.insert(folded_.end(), group.begin(), group.end());
    }
  }
  std::swap(versions_, folded_);
}

/// None when the group has to stay as it is.
std::optional<Entry> KeyVersions::fold(std::span<const Entry> group) {
  std::vector<Bytes> operands;
  std::optional<Bytes> existing;
  for (const Entry& version : group) {
    switch (version.kind) {
      case EntryKind::kMerge:
        operands.push_back(version.value);
        break;
      case EntryKind::kPut:
        existing = version.value;
        break;
      case EntryKind::kPutUntil:
        return {};  // What it will be merged into once that has expired is nothing.
      case EntryKind::kRemove:
        break;
    }
  }
  if (operands.empty()) return {};
  std::ranges::reverse(operands);
  std::vector<std::byte> value = (*options_.merge)(group.front().key, existing, operands);
  if (value.size() > kMaxValueBytes) return {};
  return Entry{.key = group.front().key,
               .sequence = group.front().sequence,
               .kind = EntryKind::kPut,
               .value = values_.emplace_back(std::move(value))};
}

}  // namespace nacre::store
