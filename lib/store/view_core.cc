#include "lib/store/view_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/try.h"
#include "lib/io/absolute_path.h"
#include "lib/store/keyspace_options.h"
#include "lib/store/memtable_set.h"
#include "lib/store/state_keyspaces.h"
#include "lib/store/store_core.h"
#include "mmap/superblock.h"

namespace nacre::store {
namespace {

/// So often a look is begun anew because the writer beside us gave up what was to be read.
constexpr int kMaxLooks = 100;

}  // namespace

ViewCore::ViewCore(std::filesystem::path directory, StoreOptions options)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      file_system_(options_.environment.file_system != nullptr ? *options_.environment.file_system
                                                               : posix_),
      reader_(options_.environment.clock != nullptr ? *options_.environment.clock : system_clock_) {
}

Result<std::unique_ptr<ViewCore>> ViewCore::open(const std::filesystem::path& given,
                                                 StoreOptions options) {
  // What it names must not change when the process changes its directory.
  std::filesystem::path directory = NACRE_TRY(absolute_path(given));
  std::unique_ptr<ViewCore> view(new ViewCore(directory, std::move(options)));
  const Superblock superblock = NACRE_TRY(read_superblock(view->file_system_, directory));
  if (superblock.kind != LogKind::kStore) {
    return Error(ErrorCode::kInvalidArgument, "this directory holds a log, not a store")
        .with_path(directory.string());
  }
  view->log_ = {.directory = std::move(directory), .log_uuid = superblock.uuid};
  NACRE_TRY(view->refresh());
  return view;
}

Status ViewCore::refresh() {
  MutexLock lock(mutex_);
  for (int looks = 1; looks <= kMaxLooks; ++looks) {
    auto found = look();
    // A part of the log that was to be read has gone.
    if (!found && found.error().code() == ErrorCode::kNotFound) continue;
    if (!found) return found.error();
    if (!found->has_value()) continue;
    (*found)->looks = static_cast<std::uint64_t>(looks);
    show(**std::move(found));
    return {};
  }
  return Error(ErrorCode::kBusy,
               fmt::format("the store changed during each of {} looks at it; look again when its "
                           "writer is less busy",
                           kMaxLooks))
      .with_path(directory_.string());
}

void ViewCore::show(Look found) {
  MutexLock lock(shown_mutex_);
  shown_.moment = found.moment;
  shown_.log_records = found.records;
  shown_.looks = found.looks;
  if (states_ != nullptr) {
    states_->publish(std::move(found.state));
  } else {
    states_ = std::make_unique<ReadStates>(std::move(found.state), [](std::vector<ReadState>) {});
  }
}

/// First the log, from what is in tables on; then what the manifest says by now, whose records have
/// LSNs like all others; and then what of the log had drawn its LSN by then. The log is whole if
/// nothing above what tables held had been given up when its lanes were opened, which the manifest
/// would have said before. Tables stay what they are once they are open.
Result<std::optional<ViewCore::Look>> ViewCore::look() {
  const Lsn above = NACRE_TRY(read_manifest(file_system_, log_)).flushed_through;
  LogCut cut(file_system_, log_);
  NACRE_TRY(cut.open(above));
  if (!NACRE_TRY(is_flushed_through(above))) return std::optional<Look>();
  NACRE_TRY(cut.read());

  const ManifestLog manifest = NACRE_TRY(read_manifest_log(file_system_, log_));
  const Lsn flushed = manifest.state.flushed_through;
  Lsn moment = std::max(cut.newest(), flushed);
  if (!manifest.edits.empty()) moment = std::max(moment, manifest.edits.back().lsn);
  NACRE_TRY(take_keyspaces(manifest.state));
  auto tables = NACRE_TRY(open_tables(manifest.state));
  if (tables == nullptr) return std::optional<Look>();
  if (NACRE_TRY(cut.open_more()) && !NACRE_TRY(is_flushed_through(flushed))) {
    return std::optional<Look>();
  }
  const auto records = NACRE_TRY(cut.take(flushed, moment));

  auto active = std::make_shared<MemtableSet>(std::numeric_limits<std::uint64_t>::max());
  auto keyspaces = std::make_shared<KeyspaceMap>(by_id_);
  for (const CutRecord& one : records) {
    const std::span<std::byte> kept = active->arena().allocate_bytes(one.record.size());
    std::ranges::copy(one.record, kept.begin());
    insert_all(*active, *keyspaces, kept, one.sequence);
    active->add_log_bytes(one.record.size());
  }
  std::optional<Look> found(std::in_place);
  found->state.active = std::move(active);
  found->state.tables = std::move(tables);
  found->state.keyspaces = std::move(keyspaces);
  found->moment = moment;
  found->records = records.size();
  return found;
}

Result<bool> ViewCore::is_flushed_through(Lsn lsn) const {
  return NACRE_TRY(read_manifest(file_system_, log_)).flushed_through == lsn;
}

/// Of a store whose maker has not written anything yet.
KeyspaceRecord ViewCore::unwritten_default() const {
  KeyspaceRecord record{.name = std::string(kDefaultKeyspace),
                        .comparator = std::string(options_.comparator.name())};
  if (options_.merge.has_value()) record.merge_operator = std::string(options_.merge->name());
  return record;
}

Status ViewCore::take_keyspaces(const ManifestState& state) {
  std::map<std::uint32_t, KeyspaceRecord> records = state.keyspaces;
  if (records.empty()) records.emplace(0, unwritten_default());
  for (const auto& [id, record] : records) {
    Comparator comparator = NACRE_TRY(comparator_of(record, options_, directory_));
    auto merge = NACRE_TRY(merge_operator_of(record, options_, directory_));
    if (by_id_.contains(id)) continue;
    if (keyspaces_.size() == kMaxKeyspaces) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} keyspaces have been seen since the view was opened; open it "
                               "again to see more",
                               kMaxKeyspaces));
    }
    const auto index = static_cast<std::uint32_t>(keyspaces_.size());
    keyspaces_.push_back(std::make_unique<KeyspaceCore>(id, index, record.name,
                                                        std::move(comparator), std::move(merge)));
    by_id_.emplace(id, keyspaces_.back().get());
    if (record.name == kDefaultKeyspace) default_keyspace_ = keyspaces_.back().get();
  }
  for (const auto& keyspace : keyspaces_) {
    if (records.contains(keyspace->id())) continue;
    keyspace->drop();
    by_id_.erase(keyspace->id());
  }
  if (default_keyspace_ != nullptr) return {};
  return Error(ErrorCode::kCorruption, "the manifest names no default keyspace")
      .with_path(directory_.string());
}

Result<TableHandle> ViewCore::open_table(const KeyspaceCore& keyspace, const TableRecord& record) {
  if (const auto open = tables_.find(record.id); open != tables_.end()) return open->second;
  return Table::open(file_system_, {.directory = directory_ / kTableDirectoryName,
                                    .id = TableId{record.id},
                                    .store_uuid = log_.log_uuid,
                                    .comparator = keyspace.comparator(),
                                    .since = record.since});
}

Result<std::shared_ptr<const TableSet>> ViewCore::open_tables(const ManifestState& state) {
  std::shared_ptr<const TableSet> all = std::make_shared<TableSet>();
  std::map<std::uint64_t, TableHandle> open;
  for (const auto& [id, keyspace] : state.keyspaces) {
    const KeyspaceCore& core = *by_id_.at(id);
    auto levels = std::make_shared<KeyspaceLevels>();
    for (const auto& [number, record] : keyspace.tables) {
      auto table = open_table(core, record);
      if (!table && table.error().code() == ErrorCode::kNotFound) {
        // Merged away meanwhile, or lost.
        const ManifestState now = NACRE_TRY(read_manifest(file_system_, log_));
        const auto there = now.keyspaces.find(id);
        const bool is_named = there != now.keyspaces.end() && there->second.tables.contains(number);
        if (is_named) return lost_if_missing(table.error());
        return std::shared_ptr<const TableSet>();
      }
      if (!table) return table.error();
      open.emplace(number, *table);
      levels->add(record.level, *std::move(table), core.comparator());
    }
    levels->index_removals(core.comparator());
    if (!levels->levels.empty()) all = all->with(core.index(), std::move(levels));
  }
  tables_ = std::move(open);
  return all;
}

Result<std::optional<PinnedValue>> ViewCore::get(const KeyspaceCore& keyspace, Bytes key) const {
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  return reader_.get(states_->pin(), keyspace, key, kNewest);
}

Result<std::vector<std::optional<PinnedValue>>> ViewCore::multi_get(
    const KeyspaceCore& keyspace, std::span<const Bytes> keys) const {
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  return reader_.multi_get(states_->pin(), keyspace, keys, kNewest);
}

std::unique_ptr<StoreCursor> ViewCore::iterate(const KeyspaceCore& keyspace,
                                               const ReadOptions& options) const {
  if (keyspace.is_dropped()) {
    return std::make_unique<StoreCursor>(keyspace, keyspace_dropped(keyspace.name()));
  }
  return std::make_unique<StoreCursor>(states_->pin(), keyspace,
                                       IteratorBounds(options, keyspace.comparator()), kNewest,
                                       reader_.now_ms());
}

Result<KeyspaceCore*> ViewCore::find_keyspace(std::string_view name) const {
  const ReadPin pin = states_->pin();
  return store::find_keyspace(ReadStates::state(pin), name);
}

std::vector<std::string> ViewCore::keyspace_names() const {
  const ReadPin pin = states_->pin();
  return store::keyspace_names(ReadStates::state(pin));
}

StoreViewStats ViewCore::stats() const {
  ReadPin pin;
  StoreViewStats stats;
  {
    MutexLock lock(shown_mutex_);
    pin = states_->pin();
    stats = shown_;
  }
  const ReadState& state = ReadStates::state(pin);
  stats.keyspaces = keyspace_stats(state);
  stats.log_bytes = state.active->log_bytes();
  stats.memory_bytes = state.active->arena().reserved_bytes() + state.tables->memory_bytes();
  return stats;
}

}  // namespace nacre::store
