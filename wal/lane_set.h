#pragma once

// The lanes of one log directory: what Wal and Log have in common. Opens or creates the directory,
// locks it, recovers it, and hands out lanes.
//
// Thread safety: `lane` and `truncate` may be called from any thread; `close` once nobody appends.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "lib/base/thread_annotations.h"
#include "lib/io/directory_lock.h"
#include "mmap/segment_pool.h"
#include "mmap/superblock.h"
#include "nacre/environment.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "wal/lane_core.h"
#include "wal/lane_registry.h"
#include "wal/recovery.h"

namespace nacre::wal {

/// The seams, with the real thing in the place of each null member.
class OwnedEnvironment {
 public:
  /// Errors: `io` when threads cannot be started.
  static Result<std::unique_ptr<OwnedEnvironment>> create(const Environment& given);
  FileSystem& file_system() const noexcept { return *given_.file_system; }
  Clock& clock() const noexcept { return *given_.clock; }
  RandomSource& random() const noexcept { return *given_.random; }
  Executor& executor() const noexcept { return *given_.executor; }
  /// Null until found.
  pmem::Domain* domain() const noexcept { return given_.domain; }
  /// What is asked of a domain that is still to be found.
  struct DomainWish {
    DomainRequest request = DomainRequest::kAuto;
    IoEngine engine = IoEngine::kAuto;
    bool overwrite_protection = false;
    std::string engine_reason = {};  ///< As IoBackendOptions::reason.
  };
  /// Finds the domain for `directory`, when none was given, and has it hold `lock`.
  /// Errors: as pmem::choose_domain; `invalid_argument` when one was given that does not protect.
  Status find_domain(const std::filesystem::path& directory, const DomainWish& wish, File& lock);

 private:
  OwnedEnvironment() = default;
  Environment given_;
  PosixFileSystem file_system_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<pmem::Domain> domain_;
};

class LaneSet;
/// Leaves the set as it is in a forked child: its files and its lock are the parent's, and its
/// threads are not there to be joined.
struct LaneSetDeleter {
  void operator()(LaneSet* set) const noexcept;
};
using LaneSetHandle = std::unique_ptr<LaneSet, LaneSetDeleter>;

class LaneSet {
 public:
  struct Options {
    LogKind kind = LogKind::kWal;
    /// So many lanes share one LSN order; 0 gives each lane consecutive LSNs of its own.
    std::uint32_t ordered_lanes = 0;
    std::uint64_t segment_bytes = 0;
    /// Who a log that is created is; none: somebody new.
    std::optional<Uuid> uuid = {};
    std::size_t max_record_bytes = kMaxRecordBytes;
    std::uint32_t spare_segments = 1;
    DomainRequest domain = DomainRequest::kAuto;
    IoEngine io_engine = IoEngine::kAuto;
    bool overwrite_protection = false;
    Environment environment;
    /// Called when the directory is created, before it counts as a log.
    std::function<Status(FileSystem&, const std::filesystem::path&, const Uuid&)> on_create;
    /// Called when recovery has found nothing wrong and has changed nothing yet. `lanes`: one past
    /// the highest lane with records.
    std::function<Status(FileSystem&, const std::filesystem::path&, const Uuid&,
                         std::uint32_t lanes)>
        on_examined = {};
  };

  /// Errors: as nacre::Wal::open.
  static Result<LaneSetHandle> open(const std::filesystem::path& given, Options options);
  ~LaneSet();
  LaneSet(const LaneSet&) = delete;
  LaneSet& operator=(const LaneSet&) = delete;

  /// The lane, made (empty, without a segment yet) when there is none. Stays where it is.
  LaneCore& lane(std::uint32_t number);
  /// One past the highest lane that has records.
  std::uint32_t lane_count() const;

  /// Closes all lanes and lets go of the lock. Errors: the first of any lane; `closed` in a forked
  /// child, where nothing is done.
  Status close();
  bool in_child() const noexcept { return fork_guard_.in_child(); }
  /// That the directory is still the one that was opened. Asked before anything is written by name.
  /// Errors: `closed` when it was moved away or another log stands in its place; `io`.
  Status check_place() const;

  /// Orders the records of all lanes. Only with `ordered_lanes`.
  LsnClock& lsn_clock() noexcept { return *lsn_clock_; }
  const RecoveryReport& report() const noexcept { return report_; }
  const LogMetrics& metrics() const noexcept { return metrics_; }
  const DomainInfo& domain() const noexcept { return environment_->domain()->info(); }
  const IoBackendInfo* io() const noexcept { return environment_->domain()->io(); }
  const Superblock& superblock() const noexcept { return superblock_; }
  const OwnedEnvironment& environment() const noexcept { return *environment_; }
  const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  LaneSet(std::filesystem::path directory, Options options, DirectoryLock lock,
          std::unique_ptr<OwnedEnvironment> environment);
  Status open_superblock();
  Status create_log(std::uint64_t segment_bytes);
  Status sync_names();
  Status recover();
  LaneCore::Options lane_options(std::uint32_t number);

  const std::filesystem::path directory_;
  const Options options_;
  const ForkGuard fork_guard_;
  std::unique_ptr<OwnedEnvironment> environment_;
  std::optional<DirectoryLock> lock_;
  Superblock superblock_;
  RecoveryReport report_;
  LogMetrics metrics_;
  std::optional<LsnClock> lsn_clock_;
  std::optional<LaneRegistry> registry_;
  std::unique_ptr<SegmentPool> pool_;
  mutable Mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<LaneCore>> lanes_ GUARDED_BY(mutex_);
};

}  // namespace nacre::wal
