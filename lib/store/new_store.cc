#include "lib/store/new_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/io/absolute_path.h"
#include "lib/io/directory_lock.h"
#include "lib/store/manifest_format.h"
#include "lib/store/write_log.h"
#include "mmap/segment_pool.h"
#include "mmap/superblock.h"
#include "wal/lane_registry.h"
#include "wal/lsn_clock.h"

namespace nacre::store {
namespace {

constexpr std::size_t kCopiedAtOnce = std::size_t{1} << 20;
constexpr std::string_view kUnfinishedSuffix = ".unfinished";
constexpr std::string_view kLockName = "LOCK";

Status check_is_free(FileSystem& file_system, const std::filesystem::path& target) {
  const auto there = file_system.stat(target);
  if (!there && there.error().code() == ErrorCode::kNotFound) return {};
  if (!there) return there.error();
  if (!there->is_directory) {
    return Error(ErrorCode::kInvalidArgument,
                 "this is a file; name a directory that is still to be made, or an empty one")
        .with_path(target.string());
  }
  if (NACRE_TRY(file_system.list_directory(target)).empty()) return {};
  return Error(ErrorCode::kBusy,
               "there is something in this directory; name one that is still to be made, or empty")
      .with_path(target.string());
}

/// Whether a file of an unfinished store can have this name, in the directory itself.
bool is_of_a_store(const std::string& name) {
  return name == kSuperblockName || name == wal::kLanesName || name.ends_with(".tmp") ||
         name.starts_with(".nacre-probe-");
}

/// A load may have come behind all that was flushed.
Lsn newest_in_tables(const ManifestState& state) {
  Lsn newest = state.flushed_through;
  for (const auto& [id, keyspace] : state.keyspaces) {
    for (const auto& [table, record] : keyspace.tables) {
      newest = std::max(newest, record.since.lsn());
    }
  }
  return newest;
}

/// Removes the files in `directory` that `is_ours`, if it is there.
template <class IsOurs>
Status remove_files(FileSystem& file_system, const std::filesystem::path& directory,
                    IsOurs&& is_ours) {
  const auto names = file_system.list_directory(directory);
  if (!names && names.error().code() == ErrorCode::kNotFound) return {};
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (is_ours(name)) NACRE_TRY(file_system.remove(directory / name));
  }
  return {};
}

/// What is left of a store in the making, but for its lock. Files of others stay, and with them the
/// directory.
Status remove_content(FileSystem& file_system, const std::filesystem::path& directory) {
  NACRE_TRY(remove_files(file_system, directory, is_of_a_store));
  const auto tables = directory / kTableDirectoryName;
  NACRE_TRY(remove_files(file_system, tables, [](const std::string& name) {
    return table_id_of(name) != TableId{} || unfinished_table_id_of(name) != TableId{};
  }));
  const auto segments = directory / kSegmentDirectoryName;
  NACRE_TRY(remove_files(file_system, segments, [](const std::string& name) {
    return segment_id_of(name) != SegmentId{} || name.ends_with(".seg.tmp");
  }));
  for (const auto& part : {tables, segments}) {
    if (Status removed = file_system.remove(part);
        !removed && removed.error().code() != ErrorCode::kNotFound) {
      return removed;
    }
  }
  return {};
}

Status copy_file(FileSystem& file_system, const std::filesystem::path& from,
                 const std::filesystem::path& to) {
  const auto source = NACRE_TRY(file_system.open(from, {}));
  const auto copy =
      NACRE_TRY(file_system.open(to, {.writable = true, .create = true, .exclusive = true}));
  std::vector<std::byte> buffer(kCopiedAtOnce);
  for (std::uint64_t offset = 0;;) {
    const std::size_t got = NACRE_TRY(source->read_at(offset, buffer));
    NACRE_TRY(copy->write_at(offset, Bytes(buffer).first(got)));
    offset += got;
    if (got < buffer.size()) break;
  }
  return copy->sync();
}

}  // namespace

Result<std::unique_ptr<NewStore>> NewStore::begin(const std::filesystem::path& given,
                                                  const StoreOptions& options,
                                                  std::optional<Uuid> uuid) {
  std::filesystem::path target = NACRE_TRY(absolute_path(given)).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  std::filesystem::path unfinished = target;
  unfinished += kUnfinishedSuffix;
  const auto environment = NACRE_TRY(wal::OwnedEnvironment::create(options.environment));
  FileSystem& file_system = environment->file_system();
  NACRE_TRY(check_is_free(file_system, target));
  NACRE_TRY(file_system.create_directory(unfinished));
  {
    const auto lock = NACRE_TRY(DirectoryLock::acquire(file_system, unfinished));
    NACRE_TRY(remove_content(file_system, unfinished));
  }
  std::unique_ptr<NewStore> made(new NewStore(std::move(target), std::move(unfinished)));
  wal::LaneSet::Options log = lane_set_options(options);
  log.spare_segments = 0;
  log.uuid = uuid;
  made->log_ = NACRE_TRY(wal::LaneSet::open(made->unfinished_, std::move(log)));
  return made;
}

NewStore::~NewStore() {
  if (finished_ || log_ == nullptr) return;
  static_cast<void>(log_->close());
  // What cannot be removed is called unfinished, and goes at the next attempt.
  if (!remove_content(file_system(), unfinished_)) return;
  static_cast<void>(file_system().remove(unfinished_ / kLockName));
  static_cast<void>(file_system().remove(unfinished_));
}

std::filesystem::path NewStore::table_directory() const {
  return unfinished_ / kTableDirectoryName;
}

Status NewStore::take_table(const std::filesystem::path& from, TableId id) {
  const std::string name = table_file_name(id);
  const Status linked = file_system().link(from / name, table_directory() / name);
  if (linked || linked.error().code() != ErrorCode::kUnsupported) return linked;
  return copy_file(file_system(), from / name, table_directory() / name);
}

Status NewStore::finish(const ManifestState& state) {
  // Before the manifest speaks of them.
  NACRE_TRY(file_system().sync_directory(table_directory()));
  // Whatever is written to the store later has to come behind what is in its tables.
  log_->lsn_clock().raise(kManifestLane + 1, newest_in_tables(state));
  NACRE_TRY(log_->lane(kManifestLane).append({}, encode(state), 0));
  NACRE_TRY(log_->close());
  // All of it is durable under the other name. The rename takes the place of an empty directory,
  // and of nothing else.
  NACRE_TRY(file_system().rename(unfinished_, target_));
  finished_ = true;
  return file_system().sync_directory(target_.parent_path());
}

}  // namespace nacre::store
