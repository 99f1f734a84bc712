#pragma once

// How a FaultDevice takes requests through its plan: which of them run, wait for room, are stuck,
// or have ended and are held back.
//
// A job is a request, or a chain of them. One step of it runs at a time, as one operation of the
// backend below at a time, so that backend's depth suffices.
//
// Thread safety: as IoBackend. Nothing is locked while the plan's hook runs.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "emulation/fault_step.h"
#include "emulation/held_completions.h"
#include "lib/base/thread_annotations.h"
#include "lib/io/forked_requests.h"
#include "lib/io/io_roster.h"
#include "nacre/clock.h"
#include "nacre/emulation/fault_device.h"

namespace nacre {

class FaultDevice::Engine {
 public:
  /// `device` is what operations are submitted to.
  Engine(const IoBackend& device, std::unique_ptr<IoBackend> inner, FaultContext& context,
         const FaultDeviceOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  IoBackend& inner() noexcept { return *inner_; }
  FaultContext& context() noexcept { return context_; }
  std::size_t stuck() EXCLUDES(mutex_);
  std::size_t release_stuck() EXCLUDES(mutex_);
  void submit(std::span<IoOperation* const> operations) EXCLUDES(mutex_);
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) EXCLUDES(mutex_);
  void wake() noexcept EXCLUDES(mutex_);
  void cancel(IoOperation& operation) EXCLUDES(mutex_);
  int attach_file(File& file) EXCLUDES(mutex_);
  bool holds(const IoFile& file) EXCLUDES(mutex_);
  void detach_file(int slot) noexcept EXCLUDES(mutex_);

 private:
  enum class Phase : std::uint8_t { kBegin, kEnter, kRun };
  struct Job;
  using Jobs = std::deque<Job*>;

  static Job& job_of(IoOperation& first);
  bool knows(const IoFile& file) EXCLUDES(mutex_);
  void pump(Jobs runnable) EXCLUDES(mutex_);
  IoOperation* advance(Job& job, Jobs& runnable) EXCLUDES(mutex_);
  bool begin_step(Job& job) EXCLUDES(mutex_);
  bool enter(Job& job) EXCLUDES(mutex_);
  void leave(Job& job, Jobs& runnable) EXCLUDES(mutex_);
  void end_step(Job& job, Jobs& runnable) EXCLUDES(mutex_);
  void end_job(Job& job) EXCLUDES(mutex_);
  bool is_cancelled(const Job& job) EXCLUDES(mutex_);
  FaultDeviceFile* file_of(const IoRequest& request) EXCLUDES(mutex_);
  void nudge() REQUIRES(mutex_);
  void call_back() REQUIRES(mutex_);
  bool look(std::uint64_t& wait_ns) REQUIRES(mutex_);
  Jobs take_pieces(std::size_t count) EXCLUDES(mutex_);

  const std::unique_ptr<IoBackend> inner_;
  FaultContext& context_;
  const FaultDeviceOptions options_;
  SystemClock system_clock_;
  Clock& clock_;
  SeededRandom random_;
  std::vector<IoOperation*> reaped_;  // Belongs to the thread that reaps.
  ForkedRequests forked_;

  Mutex mutex_;
  IoRoster roster_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<FaultDeviceFile>> files_ GUARDED_BY(mutex_);
  HeldCompletions held_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;  // Jobs that go on by themselves.
  Jobs stuck_ GUARDED_BY(mutex_);
  Job* growing_ GUARDED_BY(mutex_) = nullptr;  // While room is counted, one file grows at a time.
  Jobs wait_to_grow_ GUARDED_BY(mutex_);
  Jobs called_back_ GUARDED_BY(mutex_);  // To be cancelled below, by the thread that reaps.
  bool woken_ GUARDED_BY(mutex_) = false;
  bool waiting_below_ GUARDED_BY(mutex_) = false;  // A thread waits in the backend below.
  bool nudged_ GUARDED_BY(mutex_) = false;         // And has been woken for our own purposes.
};

}  // namespace nacre
