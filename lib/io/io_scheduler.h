#pragma once

// The one queue in front of a backend: takes requests from any thread, shares the device among
// their classes (io_policy.h), merges and orders writes (io_queue.h), and calls back.
//
// There is no thread that every completion has to pass through. Whoever waits drives: it submits
// what is queued and reaps what ends, calls back for others too, and passes the role on when its
// own condition holds: to a thread that waits in `run` or an IoBatch, else to a thread of the
// scheduler's own, which drives only while requests are under way and nobody else does.
//
// Bounds: each class queues so many requests (Options). At the bound `submit` waits for room, and
// drives meanwhile if nobody else does; `try_submit` refuses; what a callback submits goes over the
// bound, for it must not wait.
//
// Thread safety: every member may be called from any thread, unless the backend is of one thread.
// Callbacks run on the thread that drives, one at a time, without a lock held; they may submit and
// cancel, and must not wait, drive or close.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/io_callback.h"
#include "lib/io/io_metrics.h"
#include "lib/io/io_queue.h"
#include "nacre/clock.h"
#include "nacre/io.h"
#include "nacre/result.h"

namespace nacre {

/// Who will see to it that a request makes progress.
enum class IoDriver : std::uint8_t {
  kScheduler,  ///< The scheduler's own thread, unless somebody drives anyway.
  kCaller,     ///< The calling thread, which calls `drive` next.
};

class IoScheduler {
 public:
  struct Options {
    /// False leaves all driving to callers: for simulations, and for backends of one thread.
    bool own_thread = true;
    /// Shares, credits and bounds.
    IoQueueOptions queue = {};
    /// Starts the own thread; throws std::system_error when the system gives none, and then whoever
    /// submits drives until nothing is under way.
    std::function<std::thread(std::function<void()>)> start_thread = {};
  };

  /// `clock` is borrowed.
  IoScheduler(std::shared_ptr<IoBackend> backend, Clock& clock, Options options);
  IoScheduler(std::shared_ptr<IoBackend> backend, Clock& clock)
      : IoScheduler(std::move(backend), clock, Options()) {}
  /// Closes.
  ~IoScheduler();
  IoScheduler(const IoScheduler&) = delete;
  IoScheduler& operator=(const IoScheduler&) = delete;

  /// For IoFile and IoMemory, and for what is switched on.
  IoBackend& backend() noexcept { return *backend_; }

  /// Has `request` carried out, and then `done` called. Waits while its class queues as many as it
  /// may, unless it is a callback that submits.
  /// Errors, given to `done`: those of the File or FileSystem function of the same name;
  /// `cancelled`, `timed_out`, `invalid_argument`; `closed` after `close`.
  IoTicket submit(IoRequest request, IoCallback done, IoDriver driver = IoDriver::kScheduler);

  /// For a caller that knows already that `request` fails, but not whether a thread sleeps in
  /// `drive` until it ends: has `done` called with `error`, by whoever drives, as by `submit`.
  void fail(IoRequest request, const Error& error, IoCallback done,
            IoDriver driver = IoDriver::kScheduler);

  /// As `submit`, without waiting; what it refuses it leaves as it was, and does not call back.
  /// Errors: `busy` while its class queues as many requests as it may; `closed` after `close`.
  Result<IoTicket> try_submit(IoRequest& request, IoCallback& done,
                              IoDriver driver = IoDriver::kScheduler);

  /// Has `steps` carried out one after the other, each only when the one before it has succeeded;
  /// `done` is called once, with the last step's completion or the first failed one's. At most
  /// `kMaxChain` steps; the first says class and timeout for all. When the chain fails, at
  /// whichever step, or is refused or called back, `undo` is carried out before `done` unless it is
  /// null; what comes of it is not told. It takes no buffers. Durability: as far as the steps say;
  /// a chain that ends in `kSyncDirectory` is durable whole.
  IoTicket submit_chain(std::vector<IoRequest> steps, const IoRequest* undo, IoCallback done,
                        IoDriver driver = IoDriver::kScheduler);
  static constexpr std::size_t kMaxChain = 16;

  /// Tries to call a request back. It ends all the same, with `cancelled` or as it would have. A
  /// write that the backend has as part of a merged one ends as it ends.
  void cancel(IoTicket ticket);

  /// Carries out one request and waits for it. Not from a callback.
  IoCompletion run(IoRequest request);

  /// Drives until `done()`, which must come true by a callback. False at once when another thread
  /// is driving already: it then calls back for everybody, and the caller may sleep until it does.
  bool drive(const std::function<bool()>& done);
  /// As `drive`, but only as long as something is under way.
  bool drive_until_idle();

  /// Refuses further requests, waits for all that are under way. Idempotent. Not from a callback.
  void close();

  /// nacre_io_*; docs/metrics.md.
  void write_io_metrics(PrometheusWriter& writer);

 private:
  friend class IoBatch;

  /// A thread that sleeps until its requests have ended, or until it is its turn to drive.
  struct Sleeper {
    std::size_t pending = 0;
    bool leads = false;  // The role has been passed to it.
    CondVar changed;
  };

  IoTicket enqueue(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                   IoDriver driver) EXCLUDES(mutex_);
  IoTicket add(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
               std::uint64_t now_ns) REQUIRES(mutex_);
  void wait_for_room(IoClass io_class) REQUIRES(mutex_);
  bool attend(IoDriver driver) REQUIRES(mutex_);
  void wake_driver() REQUIRES(mutex_);
  bool calls_back_here() const REQUIRES(mutex_);

  // io_scheduler_drive.cc. Those with the lock held let it go while they wait.
  void expect(Sleeper& sleeper) EXCLUDES(mutex_);
  void arrive(Sleeper& sleeper) EXCLUDES(mutex_);
  void wait(Sleeper& sleeper) EXCLUDES(mutex_);
  bool sleep(Sleeper& sleeper) REQUIRES(mutex_);
  void dispatch(bool reap_follows) REQUIRES(mutex_);
  void step() REQUIRES(mutex_);
  std::uint64_t plan_wait() REQUIRES(mutex_);
  void call_back() REQUIRES(mutex_);
  bool leave_role() REQUIRES(mutex_);
  bool drive_until_idle_locked() REQUIRES(mutex_);
  bool call_own_thread() REQUIRES(mutex_);
  void drive_unattended() EXCLUDES(mutex_);

  const std::shared_ptr<IoBackend> backend_;
  Clock& clock_;
  const Options options_;
  IoMetrics metrics_;

  Mutex mutex_;
  CondVar changed_;  // The own thread, who closes, and who waits for room.
  IoQueue queue_ GUARDED_BY(mutex_);
  std::uint64_t now_ns_ GUARDED_BY(mutex_) = 0;   // The last reading of the clock.
  std::size_t under_way_ GUARDED_BY(mutex_) = 0;  // Requests, from submission to callback.
  std::size_t waiting_for_room_ GUARDED_BY(mutex_) = 0;
  std::vector<Sleeper*> sleepers_ GUARDED_BY(mutex_);

  bool dispatching_ GUARDED_BY(mutex_) = false;
  std::vector<IoOperation*> picked_;  // Belongs to whoever has set `dispatching_`.

  bool driving_ GUARDED_BY(mutex_) = false;
  std::vector<IoOperation*> reaped_;  // These three belong to whoever has set `driving_`.
  std::vector<IoOperation*> cancels_;
  std::vector<IoEnded> ended_;
  std::uint64_t reap_ends_ns_ GUARDED_BY(mutex_) = 0;  // 0 while nobody reaps.
  std::thread::id calling_back_ GUARDED_BY(mutex_);

  bool closed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool no_thread_ GUARDED_BY(mutex_) = false;  // The system gave us none.
  std::thread own_thread_ GUARDED_BY(mutex_);
};

}  // namespace nacre
