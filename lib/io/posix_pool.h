#pragma once

// The threads of the POSIX engine, and what they work off.
//
// Threads are started when operations queue up, and no sooner. Whoever reaps helps: an operation
// that is alone runs on the reaping thread, which saves two switches of threads.
//
// A child of its process leaves it alone, destruction included: threads it does not have hold its
// locks and wait on its conditions.
//
// Thread safety: as IoBackend.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <thread>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/io_roster.h"
#include "nacre/file_system.h"
#include "nacre/io.h"

namespace nacre {

class PosixPool {
 public:
  /// `threads` at most; 0 has every operation run inside `reap`.
  PosixPool(const IoBackend& backend, FileSystem& file_system, std::size_t depth,
            std::size_t threads);
  ~PosixPool();
  PosixPool(const PosixPool&) = delete;
  PosixPool& operator=(const PosixPool&) = delete;

  void submit(std::span<IoOperation* const> operations, bool reap_follows);
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns);
  void wake() noexcept;
  void cancel(IoOperation& operation);

 private:
  void work();
  void run_front() REQUIRES(mutex_);
  std::size_t take_ended(std::span<IoOperation*> ended) REQUIRES(mutex_);
  bool may_run_here() const REQUIRES(mutex_);
  void find_workers(std::size_t here) REQUIRES(mutex_);

  FileSystem& file_system_;
  const std::size_t max_threads_;

  Mutex mutex_;
  IoRoster roster_ GUARDED_BY(mutex_);
  CondVar queued_;  // A worker without an operation waits here.
  CondVar ended_;   // The thread that reaps waits here.
  std::deque<IoOperation*> queue_ GUARDED_BY(mutex_);
  std::deque<IoOperation*> done_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;
  std::size_t idle_workers_ GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> workers_ GUARDED_BY(mutex_);
  bool no_more_workers_ GUARDED_BY(mutex_) = false;  // The system gave us no further thread.
  bool woken_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace nacre
