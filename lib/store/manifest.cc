#include "lib/store/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/manifest_format.h"
#include "wal/lane_cursor.h"

namespace nacre::store {
namespace {

/// So many bytes of edits may pile up before everything is said anew.
constexpr std::uint64_t kBytesBetweenAlls = std::uint64_t{1} << 20;

Error contradiction(std::string what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("the manifest contradicts itself: {}; nothing was changed", what));
}

Status apply_tables(const ManifestEdit& edit, ManifestState& state) {
  for (const ManifestEdit::Table& removed : edit.removed_tables) {
    const auto keyspace = state.keyspaces.find(removed.keyspace);
    if (keyspace == state.keyspaces.end() || keyspace->second.tables.erase(removed.table.id) == 0) {
      return contradiction(fmt::format("table {} goes, which is not there", removed.table.id));
    }
  }
  for (const ManifestEdit::Table& added : edit.new_tables) {
    const auto keyspace = state.keyspaces.find(added.keyspace);
    if (keyspace == state.keyspaces.end() ||
        !keyspace->second.tables.emplace(added.table.id, added.table).second) {
      return contradiction(
          fmt::format("table {} comes twice, or into no keyspace", added.table.id));
    }
    state.next_table = std::max(state.next_table, added.table.id + 1);
  }
  return {};
}

/// The LSN of the newest record that says everything, or of the first one there is.
Result<Lsn> last_all(const wal::LaneCore& lane) {
  Lsn begin = lane.first_lsn();
  auto cursor = NACRE_TRY(wal::LaneCursor::open(lane.segments(), begin));
  while (NACRE_TRY(cursor->next())) {
    if (says_everything(cursor->record().payload)) begin = cursor->record().lsn;
  }
  return begin;
}

}  // namespace

Status apply(const ManifestEdit& edit, ManifestState& state) {
  for (const KeyspaceRecord& keyspace : edit.new_keyspaces) {
    if (keyspace.id < state.next_keyspace) {
      return contradiction(fmt::format("keyspace {} comes twice", keyspace.id));
    }
    state.keyspaces.emplace(keyspace.id, keyspace);
    state.next_keyspace = keyspace.id + 1;
  }
  NACRE_TRY(apply_tables(edit, state));
  for (const std::uint32_t id : edit.dropped_keyspaces) {
    if (state.keyspaces.erase(id) == 0) {
      return contradiction(fmt::format("keyspace {} goes, which is not there", id));
    }
  }
  state.flushed_through = std::max(state.flushed_through, edit.flushed_through);
  return {};
}

Result<Manifest> Manifest::open(wal::LaneCore& lane) {
  Manifest manifest(lane);
  // The oldest segment may begin with edits of what has been given up with the one before it.
  const Lsn begin = NACRE_TRY(last_all(lane));
  auto cursor = NACRE_TRY(wal::LaneCursor::open(lane.segments(), begin));
  while (NACRE_TRY(cursor->next())) {
    manifest.is_new_ = false;
    Status applied = apply_record(cursor->record().payload, manifest.state_);
    if (!applied) return std::move(applied).error().with_lsn(cursor->record().lsn.value);
    manifest.bytes_since_all_ += cursor->record().payload.size();
  }
  return manifest;
}

Status Manifest::commit(const ManifestEdit& edit) {
  ManifestState next = state_;
  NACRE_TRY(apply(edit, next));
  const std::vector<std::byte> record = encode(edit);
  NACRE_TRY(lane_->append({}, record, 0));
  state_ = std::move(next);
  is_new_ = false;
  bytes_since_all_ += record.size();
  // The edit is durable, whatever becomes of this; the next commit tries again.
  if (bytes_since_all_ > kBytesBetweenAlls) static_cast<void>(append_all());
  return {};
}

Status Manifest::append_all() {
  const std::vector<std::byte> record = encode(state_);
  const Lsn lsn = NACRE_TRY(lane_->append({}, record, 0));
  bytes_since_all_ = 0;
  // Only what says less than the record that is durable now goes.
  return lane_->truncate(lsn);
}

}  // namespace nacre::store
