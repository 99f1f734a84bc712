#include "wal/lane_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/io/absolute_path.h"

namespace nacre::wal {
namespace {

/// One may work on the queue of the device, one make a segment, one call back; none of them waits
/// for the others.
constexpr std::size_t kMinThreads = 4;
constexpr std::size_t kMaxThreads = 8;
constexpr std::uint32_t kMaxSpareSegments = 64;

Status check_options(const LaneSet::Options& options) {
  const std::uint64_t bytes = options.segment_bytes;
  if (bytes != 0 &&
      (bytes < kMinSegmentBytes || bytes > kMaxSegmentBytes || bytes % kSegmentSlotBytes != 0)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("segment_bytes is {}; choose a multiple of {} from {} to {}, or 0 for "
                             "the default",
                             bytes, kSegmentSlotBytes, kMinSegmentBytes, kMaxSegmentBytes));
  }
  if (options.spare_segments > kMaxSpareSegments) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("spare_segments is {}; choose 0 to {}", options.spare_segments,
                             kMaxSpareSegments));
  }
  return {};
}

/// A domain that was given is not made anew; who asks for protection must not go without.
Status check_protection(const pmem::Domain& given, bool asked_for) {
  if (!asked_for || !given.synchronous() || given.info().overwrite_protection) return {};
  return Error(ErrorCode::kInvalidArgument,
               "overwrite_protection is asked for, and the environment's domain was made without; "
               "choose it with MappingOptions::overwrite_protection");
}

/// In a directory with a superblock everything else is there; what is not has been lost.
Error lost_if_missing(const Error& error, std::string_view what) {
  if (error.code() != ErrorCode::kNotFound) return error;
  return Error(ErrorCode::kCorruption,
               fmt::format("the {} of this log has been lost; nothing was changed; restore it from "
                           "a copy",
                           what))
      .with_path(error.path());
}

}  // namespace

Result<std::unique_ptr<OwnedEnvironment>> OwnedEnvironment::create(const Environment& given) {
  std::unique_ptr<OwnedEnvironment> owned(new OwnedEnvironment());
  owned->given_ = given;
  if (given.file_system == nullptr) owned->given_.file_system = &owned->file_system_;
  if (given.clock == nullptr) owned->given_.clock = &owned->clock_;
  if (given.random == nullptr) owned->given_.random = &owned->random_;
  if (given.executor == nullptr) {
    const std::size_t threads =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), kMinThreads, kMaxThreads);
    owned->threads_ = NACRE_TRY(ThreadPool::create(threads));
    owned->given_.executor = owned->threads_.get();
  }
  return owned;
}

Status OwnedEnvironment::find_domain(const std::filesystem::path& directory, const DomainWish& wish,
                                     File& lock) {
  if (given_.domain != nullptr) {
    NACRE_TRY(check_protection(*given_.domain, wish.overwrite_protection));
    return given_.domain->hold(lock);
  }
  domain_ = NACRE_TRY(
      pmem::choose_domain(*given_.file_system, directory, wish.request,
                          {.backend = given_.io,
                           .engine = wish.engine,
                           .engine_reason = wish.engine_reason,
                           .clock = given_.clock,
                           .executor = given_.executor->has_threads() ? nullptr : given_.executor},
                          {.overwrite_protection = wish.overwrite_protection}));
  if (Status held = domain_->hold(lock); !held) {
    const bool other_way = wish.engine == IoEngine::kAuto && given_.io == nullptr &&
                           held.error().code() == ErrorCode::kUnsupported;
    if (!other_way) return held;
    DomainWish other = wish;
    other.engine = IoEngine::kPosix;
    other.engine_reason = held.error().message();
    return find_domain(directory, other, lock);
  }
  given_.domain = domain_.get();
  return {};
}

LaneSet::LaneSet(std::filesystem::path directory, Options options, DirectoryLock lock,
                 std::unique_ptr<OwnedEnvironment> environment)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      environment_(std::move(environment)),
      lock_(std::move(lock)) {}

void LaneSetDeleter::operator()(LaneSet* set) const noexcept {
  if (!set->in_child()) delete set;
}

LaneSet::~LaneSet() { static_cast<void>(close()); }

Result<LaneSetHandle> LaneSet::open(const std::filesystem::path& given, Options options) {
  // What it names must not change when the process changes its directory.
  const std::filesystem::path directory = NACRE_TRY(absolute_path(given));
  NACRE_TRY(check_options(options));
  auto environment = NACRE_TRY(OwnedEnvironment::create(options.environment));
  FileSystem& file_system = environment->file_system();
  if (const auto there = file_system.stat(directory); there && !there->is_directory) {
    return Error(ErrorCode::kInvalidArgument, "this is a file; give the directory of a log")
        .with_path(directory.string());
  }
  NACRE_TRY(file_system.create_directory(directory));
  auto lock = NACRE_TRY(DirectoryLock::acquire(file_system, directory));
  LaneSetHandle set(
      new LaneSet(directory, std::move(options), std::move(lock), std::move(environment)));
  NACRE_TRY(
      set->environment_->find_domain(directory,
                                     {.request = set->options_.domain,
                                      .engine = set->options_.io_engine,
                                      .overwrite_protection = set->options_.overwrite_protection},
                                     set->lock_->file()));
  NACRE_TRY(set->open_superblock());
  NACRE_TRY(set->recover());
  return set;
}

Status LaneSet::open_superblock() {
  FileSystem& file_system = environment_->file_system();
  auto superblock = read_superblock(file_system, directory_);
  if (!superblock && superblock.error().code() == ErrorCode::kNotFound) {
    return create_log(options_.segment_bytes);
  }
  superblock_ = NACRE_TRY(std::move(superblock));
  if (superblock_.kind != options_.kind) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("this directory holds a {}, not a {}; open it as what it is",
                             log_kind_name(superblock_.kind), log_kind_name(options_.kind)))
        .with_path(directory_.string());
  }
  if (options_.segment_bytes != 0 && options_.segment_bytes != superblock_.segment_bytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("this log has segments of {} bytes, and {} are asked for; that is "
                             "fixed when a log is created: ask for 0 to take what it has",
                             superblock_.segment_bytes, options_.segment_bytes))
        .with_path(directory_.string());
  }
  return {};
}

Status LaneSet::create_log(std::uint64_t segment_bytes) {
  FileSystem& file_system = environment_->file_system();
  const std::filesystem::path segments = directory_ / kSegmentDirectoryName;
  superblock_ = {
      .uuid = options_.uuid.has_value() ? *options_.uuid : make_uuid(environment_->random()),
      .kind = options_.kind,
      .segment_bytes = segment_bytes == 0 ? kDefaultSegmentBytes : segment_bytes};
  if (options_.on_create) NACRE_TRY(options_.on_create(file_system, directory_, superblock_.uuid));
  NACRE_TRY(file_system.create_directory(segments));
  NACRE_TRY(write_started_lanes(file_system, directory_, superblock_.uuid, {}));
  // The superblock comes last: a directory without one is not a log yet, and is begun anew. With
  // it, everything else must be there. Its writer syncs the directory, and with it the names above.
  return write_superblock(file_system, directory_, superblock_);
}

Status LaneSet::sync_names() {
  FileSystem& file_system = environment_->file_system();
  if (Status synced = file_system.sync_directory(directory_ / kSegmentDirectoryName); !synced) {
    return lost_if_missing(synced.error(), "directory of segments");
  }
  NACRE_TRY(file_system.sync_directory(directory_));
  const std::filesystem::path whole = directory_.lexically_normal();
  const std::filesystem::path own = whole.has_filename() ? whole : whole.parent_path();
  Status synced = file_system.sync_directory(own.parent_path());
  // Where we may pass through the parent but not read it, we have not made the directory either:
  // that its name is durable is the care of who did.
  if (!synced && synced.error().sys_errno() == EACCES) return {};
  return synced;
}

LaneCore::Options LaneSet::lane_options(std::uint32_t number) {
  const bool synchronous = environment_->domain()->synchronous();
  return {.lane = number,
          .synchronous = synchronous,
          .survives_power_loss = domain().survives_power_loss,
          .commit_granule = synchronous ? kFrameAlignment : kBlockBytes,
          .segment_bytes = superblock_.segment_bytes,
          .max_record_bytes = options_.max_record_bytes,
          .domain = environment_->domain(),
          .clock = &environment_->clock(),
          .metrics = &metrics_,
          .fork_guard = &fork_guard_,
          .lsn_clock = lsn_clock_.has_value() ? &*lsn_clock_ : nullptr,
          .on_started = [this](std::uint32_t lane) -> Status {
            NACRE_TRY(check_place());
            return registry_->note_started(lane);
          }};
}

Status LaneSet::recover() {
  const std::uint64_t begin_ns = environment_->clock().monotonic_ns();
  FileSystem& file_system = environment_->file_system();
  // A writer that died may have left names that can be seen but are not durable yet. They must be
  // before anything behind them is acknowledged.
  NACRE_TRY(sync_names());
  auto started = read_started_lanes(file_system, directory_, superblock_.uuid);
  if (!started) return lost_if_missing(started.error(), "file LANES");
  pool_ = std::make_unique<SegmentPool>(
      file_system, environment_->domain(), environment_->executor(),
      SegmentPool::Options{.directory = directory_ / kSegmentDirectoryName,
                           .log_uuid = superblock_.uuid,
                           .segment_bytes = superblock_.segment_bytes,
                           .spare_segments = options_.spare_segments,
                           .check_place = [this] { return check_place(); },
                           .fork_guard = &fork_guard_});
  std::vector<Error> problems;
  const auto found = pool_->find_segments(problems);
  if (!found) return lost_if_missing(found.error(), "directory of segments");
  if (!problems.empty()) return problems.front();
  Findings findings = examine(*pool_, environment_->executor(), *found, *started);
  if (!findings.problems.empty()) return findings.problems.front();
  if (options_.on_examined) {
    const std::uint32_t lanes = findings.lanes.empty() ? 0 : findings.lanes.rbegin()->first + 1;
    NACRE_TRY(options_.on_examined(file_system, directory_, superblock_.uuid, lanes));
  }

  NACRE_TRY(pool_->adopt(*found));
  NACRE_TRY(mend(findings, {.synchronous = environment_->domain()->synchronous(),
                            .survives_power_loss = domain().survives_power_loss}));
  registry_.emplace(file_system, directory_, superblock_.uuid, *std::move(started));
  if (options_.ordered_lanes > 0) {
    lsn_clock_.emplace(options_.ordered_lanes).start_above(findings.last_lsn);
  }
  {
    MutexLock lock(mutex_);
    for (auto& [number, lane] : findings.lanes) {
      // A crash may have come between a lane's first segment and the note that it has begun.
      NACRE_TRY(registry_->note_started(number));
      lanes_.emplace(number, std::make_unique<LaneCore>(
                                 *pool_, environment_->executor(), lane_options(number),
                                 RecoveredLane{.segments = std::move(lane.segments),
                                               .first_lane_sequence = lane.first_lane_sequence,
                                               .last_lsn = lane.last_lsn}));
    }
  }
  report_ = findings.report;
  report_.duration_ns = environment_->clock().monotonic_ns() - begin_ns;
  return {};
}

LaneCore& LaneSet::lane(std::uint32_t number) {
  MutexLock lock(mutex_);
  auto& lane = lanes_[number];
  if (lane == nullptr) {
    lane = std::make_unique<LaneCore>(*pool_, environment_->executor(), lane_options(number),
                                      RecoveredLane{});
  }
  return *lane;
}

std::uint32_t LaneSet::lane_count() const {
  MutexLock lock(mutex_);
  return lanes_.empty() ? 0 : lanes_.rbegin()->first + 1;
}

Status LaneSet::check_place() const {
  const auto now = read_superblock(environment_->file_system(), directory_);
  if (now && now->uuid == superblock_.uuid) return {};
  const bool gone = now || now.error().code() == ErrorCode::kNotFound;
  if (!gone) return now.error();
  return Error(ErrorCode::kClosed,
               "the directory of this log has been moved or replaced while it was open; close it, "
               "and open it where it is now")
      .with_path(directory_.string());
}

Status LaneSet::close() {
  if (in_child()) return in_forked_child();
  std::vector<LaneCore*> lanes;
  {
    MutexLock lock(mutex_);
    for (auto& [number, lane] : lanes_) lanes.push_back(lane.get());
  }
  Status first;
  for (LaneCore* lane : lanes) {
    if (Status closed = lane->close(); !closed && first) first = closed;
  }
  // Nothing of ours may still be writing when the next writer comes.
  if (pool_ != nullptr) pool_->wait_idle();
  if (lock_.has_value() && environment_->domain() != nullptr) {
    environment_->domain()->let_go(lock_->file());
  }
  lock_.reset();
  return first;
}

}  // namespace nacre::wal
