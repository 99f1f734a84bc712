#pragma once

// Which operations on files go wrong, how, and what was done: the plan behind the fault-injecting
// file system, on its own so that other seams can follow the same plan.
//
// Thread safety: every member may be called from any thread. A plan whose operations arrive in the
// same order strikes the same operations; nothing is drawn but from the seed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/error.h"
#include "nacre/file_system.h"

namespace nacre {

enum class FileOperation : std::uint8_t {
  kOpen,    ///< FileSystem::open without `create`.
  kCreate,  ///< FileSystem::open with `create`, whether the file was there or not.
  kRead,
  kWrite,
  kPreallocate,
  kResize,
  kSyncData,
  kSync,
  kSize,
  kLock,
  kRename,
  kRemove,
  kCreateDirectory,
  kListDirectory,
  kStat,
  kSyncDirectory,
};

inline constexpr std::size_t kFileOperationKinds = 16;

/// The operation's name in lower_snake_case, such as "sync_data".
std::string_view file_operation_name(FileOperation operation) noexcept;

enum class FaultEffect : std::uint8_t {
  kError,             ///< Fails with `sys_errno`, and nothing is done.
  kSkip,              ///< Reports success, and nothing is done. A lost write; a sync that lies.
  kTornWrite,         ///< The first `torn_bytes` arrive; fails with `sys_errno`, or, when that is
                      ///< 0, reports success.
  kMisdirectedWrite,  ///< Arrives `misdirect_bytes` away; reports success.
  kFlippedBit,        ///< One bit of what is read is wrong from now on, until it is rewritten. A
                      ///< retry reads the same wrong bit. Which bit follows from seed and offset.
  kLostUnsynced,      ///< Of a sync: what was written to the file since its last good sync is gone,
                      ///< as when the kernel could not write its pages back and dropped them. Fails
                      ///< with `sys_errno`, or, when that is 0, reports success; later syncs
                      ///< succeed and bring nothing back. Add it before the writes.
  kStuck,             ///< Does not begin until it is released or cancelled (FaultDevice).
  kSlow,              ///< Its end is told late (FaultDevice): after `slow_completions` others, or
                      ///< when no others are under way, and not before `slow_ns` have passed.
};

/// One thing that goes wrong.
struct Fault {
  static constexpr std::uint64_t kAlways = std::numeric_limits<std::uint64_t>::max();

  FileOperation operation = FileOperation::kWrite;
  FaultEffect effect = FaultEffect::kError;
  int sys_errno = 5;  ///< EIO, unless another is given.
  /// Only operations whose path (for rename, either path) contains this.
  std::string path_contains = {};
  /// The first match that is struck, from 1, counted from when the fault was added.
  std::uint64_t nth = 1;
  /// How many matches, from there on, are struck.
  std::uint64_t times = 1;
  /// The chance, from 0 to 1, with which each of those is struck.
  double probability = 1.0;
  std::uint64_t torn_bytes = 0;
  std::int64_t misdirect_bytes = 4096;
  std::uint64_t slow_completions = 0;
  std::uint64_t slow_ns = 0;
};

/// One operation, as it was asked for and as it ended.
struct FileEvent {
  FileOperation operation = FileOperation::kOpen;
  std::filesystem::path path = {};
  std::filesystem::path target = {};  ///< Of a rename.
  std::uint64_t offset = 0;           ///< Of a transfer or preallocation; the size of a resize.
  std::uint64_t bytes = 0;
  OpenOptions options = {};  ///< Those the file was opened with.
  /// Operations are numbered as they start, from 1, and stand in the trace as they end.
  std::uint64_t started = 0;
  std::optional<Fault> fault = {};  ///< What the plan does to it; hooks see it already.
  std::optional<ErrorCode> error = {};
  bool injected = false;  ///< The plan, not the system below, decided how it went.
};

class FaultPlan {
 public:
  /// The trace keeps this many of the newest events.
  static constexpr std::size_t kMaxTraceEvents = 65536;

  explicit FaultPlan(std::uint64_t seed);
  ~FaultPlan();
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  std::uint64_t seed() const noexcept;

  /// Adds a fault; returns its number, for `hits`. When several faults would strike one operation,
  /// the first added does. Asserts that the effect fits the operation: the write effects need
  /// kWrite, kFlippedBit needs kRead, kLostUnsynced needs kSync or kSyncData, kSkip an operation
  /// that returns nothing. What is stuck or slow needs a FaultDevice: a call of a FaultFileSystem
  /// goes on as if nothing were planned.
  std::size_t add(Fault fault);
  /// How many operations fault `number` has struck.
  std::uint64_t hits(std::size_t number) const;
  /// From now on nothing goes wrong. Counts and trace stay.
  void clear();
  /// Whether any fault, struck or not, has this effect; what it needs is then kept in mind.
  bool plans(FaultEffect effect) const noexcept;

  /// Called before each operation, without any lock held: it may wait (a stuck request), move a
  /// clock (a slow one), look at the state on the media, or end the process.
  void before_each(std::function<void(const FileEvent&)> hook);

  /// How many operations of this kind have started.
  std::uint64_t count(FileOperation operation) const;
  /// What has ended, in that order.
  std::vector<FileEvent> trace() const;
  void clear_trace();

  /// For implementations of a seam: numbers the operation, calls the hook, and returns the fault
  /// that strikes it, if any.
  std::optional<Fault> begin(FileEvent& event);
  /// The operation has ended; `event.error` and `event.injected` are filled in.
  void end(FileEvent event);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nacre
