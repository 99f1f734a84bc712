#pragma once

// What the random tests of the fault device stand on: an engine, a device over it on which things
// go wrong, and a scheduler over that, whose time leaps while nothing happens, so that a test of
// timeouts takes no longer than one without.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string_view>

#include "lib/io/io_scheduler.h"
#include "nacre/clock.h"
#include "nacre/emulation/fault_device.h"
#include "nacre/file_system.h"
#include "nacre/result.h"

namespace nacre::test {

/// What carries requests out below the faults.
enum class RigEngine : std::uint8_t {
  kPosixNoThreads,
  kPosix,
  kPosixFiles,        ///< Without a device: the engine works on the files that fail.
  kIoUring,           ///< A ring that several threads share.
  kIoUringOneThread,  ///< SINGLE_ISSUER and DEFER_TASKRUN, where the kernel has them.
  kIoUringBare,       ///< Without a device, so that chains are linked; only the kernel fails.
};

std::string_view rig_engine_name(RigEngine engine) noexcept;
/// Why `engine` cannot be had here; success when it can.
Status probe(RigEngine engine);

class FaultRig {
 public:
  /// `seed` decides what is struck, and the mood of the device: whether it cuts transfers short and
  /// how far it lets requests overtake each other.
  FaultRig(RigEngine engine, std::uint64_t seed);
  /// Closes.
  ~FaultRig() = default;
  FaultRig(const FaultRig&) = delete;
  FaultRig& operator=(const FaultRig&) = delete;

  PosixFileSystem& below() noexcept { return posix_; }
  FaultFileSystem& files() noexcept { return files_; }
  FaultPlan& plan() noexcept { return files_.plan(); }
  IoScheduler& scheduler() noexcept { return *scheduler_; }
  /// How many threads may submit.
  std::size_t clients() const noexcept { return clients_; }
  /// Whether the plan sees the requests.
  bool planned() const noexcept { return engine_ != RigEngine::kIoUringBare; }

  /// Drives until `done()`. What is stuck is let go after a while, or `call_back_all` is called.
  void drive(const std::function<bool()>& done, const std::function<void()>& call_back_all);
  /// Has the thread that drives look at its condition again.
  void wake() { scheduler_->backend().wake(); }

 private:
  void release_stuck(const std::function<void()>& call_back_all);

  const RigEngine engine_;
  const std::size_t clients_;
  std::mt19937_64 random_;
  PosixFileSystem posix_;
  FaultFileSystem files_;
  ManualClock clock_;
  FaultDevice* device_ = nullptr;  // Belongs to the scheduler.
  std::optional<IoScheduler> scheduler_;
  int patience_ = 0;
};

}  // namespace nacre::test
