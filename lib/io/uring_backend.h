#pragma once

// The engine over io_uring.
//
// The transfers of a chain, and the step behind them, go to the kernel as linked operations that
// report but the end: the one completion names the step that failed, or the last. What follows it
// (after a short transfer, or a step whose failure would not break a link) begins when that
// completion has been reaped. What the ring cannot do, a file
// without a descriptor included, is carried out by the File and FileSystem seams inside `reap`; and
// so is a lone O_DSYNC write, which the kernel would end on a worker thread.
//
// Whoever reaps submits in the same call of the kernel what this thread has submitted with
// `reap_follows`. Others wait until that call has taken its entries, so that it does not take the
// first steps of their chains for its own and tear them apart.
//
// A thread that has submitted may end before its operations have: what the kernel calls back for
// that reason is submitted anew.
//
// Thread safety: as IoBackend; with `single_thread` all but `wake` and `info` belong to the thread
// that made it. In a forked child every request ends with `closed`.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/forked_requests.h"
#include "lib/io/io_roster.h"
#include "lib/io/uring_bell.h"
#include "lib/io/uring_groups.h"
#include "lib/io/uring_ring.h"
#include "lib/io/uring_step.h"
#include "lib/io/uring_tables.h"
#include "nacre/file_system.h"
#include "nacre/io.h"

namespace nacre {

class UringBackend final : public IoBackend {
 public:
  /// Errors: `unsupported` when there is no ring to be had.
  static Result<std::unique_ptr<UringBackend>> make(FileSystem& file_system,
                                                    const UringWishes& wishes, std::string reason);
  ~UringBackend() override;
  UringBackend(const UringBackend&) = delete;
  UringBackend& operator=(const UringBackend&) = delete;

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override;
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override;
  void wake() noexcept override;
  void cancel(IoOperation& operation) override;
  std::size_t depth() const noexcept override { return wishes_.depth; }
  bool single_thread() const noexcept override { return wishes_.single_thread; }
  const IoBackendInfo& info() const noexcept override;

  int attach_file(File& file) override;
  void detach_file(int slot) noexcept override;
  int attach_memory(std::span<std::byte> memory) override;
  void detach_memory(int slot) noexcept override;
  int attach_group(const IoBufferGroup& group) override;
  void detach_group(int slot) noexcept override;
  void offer_buffer(int slot, std::size_t index) noexcept override;
  bool holds(const IoFile& file) override;

 private:
  UringBackend(FileSystem& file_system, const UringWishes& wishes, UringBell bell);

  Status open_ring() REQUIRES(mutex_);
  void check_thread() const;

  bool better_as_call(const IoOperation& operation) const REQUIRES(mutex_);
  UringStep& adopt(IoOperation& operation) REQUIRES(mutex_);
  void start(UringStep& from) REQUIRES(mutex_);
  void start_elsewhere(UringStep& from) REQUIRES(mutex_);
  bool give_buffer(UringStep& step) REQUIRES(mutex_);
  bool has_foreign_group(const IoRequest& request) const;
  bool refused(const UringStep& step) const REQUIRES(mutex_);
  Error refusal(const IoRequest& request) const REQUIRES(mutex_);
  void complete(UringStep& step, int result, std::optional<std::uint32_t> buffer) REQUIRES(mutex_);
  bool called_back(UringStep& step, int result) REQUIRES(mutex_);
  void move_on(UringStep& step) REQUIRES(mutex_);
  void finish(UringStep& first) REQUIRES(mutex_);
  void end_run(UringStep& first) REQUIRES(mutex_);
  void send_cancels(UringStep& first, UringStep* from) REQUIRES(mutex_);
  void send_due_cancels() REQUIRES(mutex_);
  void lose_ring(int sys_errno) REQUIRES(mutex_);

  void let_reaper_submit() REQUIRES(mutex_);
  void submit_entries() REQUIRES(mutex_);
  void wait(std::uint64_t wait_ns) REQUIRES(mutex_);
  void wait_in_kernel(unsigned submit, std::uint64_t wait_ns) REQUIRES(mutex_);
  void harvest() REQUIRES(mutex_);
  void run_on_host() REQUIRES(mutex_);
  void stop_polling_device() REQUIRES(mutex_);
  std::size_t take_ended(std::span<IoOperation*> ended) REQUIRES(mutex_);
  void ring_bell() noexcept;
  void change_feature(std::string_view name, bool on, std::string reason) REQUIRES(mutex_);
  void note_memory(std::string refusal) REQUIRES(mutex_);
  void tell_memory() REQUIRES(mutex_);

  FileSystem& file_system_;
  const UringWishes wishes_;
  const std::thread::id maker_ = std::this_thread::get_id();
  ForkedRequests forked_;

  UringBell bell_;
  std::atomic<bool> woken_{false};
  std::atomic<bool> waiting_{false};  // The thread that reaps is in the kernel, or about to be.
  std::atomic<const IoBackendInfo*> info_{nullptr};

  Mutex mutex_;
  std::unique_ptr<UringRing> ring_ GUARDED_BY(mutex_);
  UringTables tables_ GUARDED_BY(mutex_);
  UringGroups groups_;                                    // Its `offer` goes beside `mutex_`.
  std::deque<UringStep*> on_host_ GUARDED_BY(mutex_);     // For the File seam.
  std::vector<UringStep*> held_back_ GUARDED_BY(mutex_);  // For the ring to come.
  std::vector<IoOperation*> ended_ GUARDED_BY(mutex_);
  std::size_t taken_ GUARDED_BY(mutex_) = 0;  // So many of `ended_` have been given back.
  IoRoster roster_ GUARDED_BY(mutex_);
  std::size_t runs_ GUARDED_BY(mutex_) = 0;                // Completions of operations to come.
  std::size_t cancels_ GUARDED_BY(mutex_) = 0;             // Completions of cancellations to come.
  std::deque<UringStep*> cancels_due_ GUARDED_BY(mutex_);  // First steps, to be called back yet.
  std::optional<Error> lost_ GUARDED_BY(mutex_);           // Why the ring cannot be used any more.
  bool bell_armed_ GUARDED_BY(mutex_) = false;
  bool polling_refused_ GUARDED_BY(mutex_) = false;
  bool no_workers_ GUARDED_BY(mutex_) = false;     // The kernel may start none for this process.
  std::string memory_refusal_ GUARDED_BY(mutex_);  // The first.
  std::optional<unsigned> reaper_submits_ GUARDED_BY(mutex_);  // Up to here (UringRing::published).
  std::size_t submitters_waiting_ GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<const IoBackendInfo>> infos_ GUARDED_BY(mutex_);
};

}  // namespace nacre
