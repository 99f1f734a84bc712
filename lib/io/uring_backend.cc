#include "lib/io/uring_backend.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/io/io_calls.h"
#include "lib/io/io_errors.h"
#include "lib/io/lent_buffer.h"
#include "lib/io/uring_marks.h"

namespace nacre {
namespace {

/// A larger write would keep the thread that reaps from what ends meanwhile.
constexpr std::size_t kMaxCallBytes = std::size_t{256} << 10;

/// A ring that takes no calls any more is looked at so often.
constexpr std::uint64_t kLostRingLookNs = 1'000'000;

/// So often a step is submitted anew that the kernel has called back without being asked. More
/// often than that it is when no worker thread of the kernel's may be started (RLIMIT_NPROC).
constexpr unsigned kMaxCallbacks = 4;

std::uint64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

void cancel_from(UringStep* step) {
  for (; step != nullptr; step = step->next) {
    step->close_directory();
    step->operation.outcome = cancelled_by_chain(step->operation.request);
    step->operation.transferred = 0;
  }
}

/// `step` and what stands behind it in its chain do not begin any more.
void call_back(UringStep& step) {
  step.close_directory();
  step.operation.outcome = cancelled_by_caller(step.operation.request);
  step.operation.transferred = 0;
  cancel_from(step.next);
}

}  // namespace

Result<std::unique_ptr<UringBackend>> UringBackend::make(FileSystem& file_system,
                                                         const UringWishes& wishes,
                                                         std::string reason) {
  auto bell = UringBell::make();
  if (!bell) return uring_refusal(bell.error().sys_errno());
  std::unique_ptr<UringBackend> backend(new UringBackend(file_system, wishes, std::move(*bell)));
  MutexLock lock(backend->mutex_);
  auto info = std::make_unique<IoBackendInfo>();
  info->name = "io_uring";
  info->reason = std::move(reason);
  backend->infos_.push_back(std::move(info));
  NACRE_TRY(backend->open_ring());
  return backend;
}

UringBackend::UringBackend(FileSystem& file_system, const UringWishes& wishes, UringBell bell)
    : file_system_(file_system),
      wishes_(wishes),
      bell_(std::move(bell)),
      roster_(*this, wishes.depth) {}

UringBackend::~UringBackend() {
  if (forked_.in_child()) return;
  MutexLock lock(mutex_);
  NACRE_ASSERT(roster_.count() == 0);
}

/// Makes the ring, or the one that takes its place once the device has refused to be polled.
Status UringBackend::open_ring() {
  UringWishes wishes = wishes_;
  if (polling_refused_) wishes.poll_device = false;
  UringSetup setup = NACRE_TRY(set_up_uring(wishes));
  auto info = std::make_unique<IoBackendInfo>(*infos_.back());
  info->features = setup.features;
  ring_ = std::make_unique<UringRing>(std::move(setup));
  // A sandbox may allow a ring to be made, and forbid its use.
  const int result = io_uring_enter(static_cast<unsigned>(ring_->raw().ring_fd), 0, 0, 0, nullptr);
  if (result < 0) return uring_refusal(-result);
  infos_.push_back(std::move(info));
  info_.store(infos_.back().get(), std::memory_order_release);  // Pairs with `info`.
  bell_armed_ = false;
  return {};
}

const IoBackendInfo& UringBackend::info() const noexcept {
  return *info_.load(std::memory_order_acquire);  // Pairs with whoever has changed it.
}

/// Readers of the former state keep it: it is freed with the backend.
void UringBackend::change_feature(std::string_view name, bool on, std::string reason) {
  auto info = std::make_unique<IoBackendInfo>(*infos_.back());
  for (IoFeature& feature : info->features) {
    if (feature.name != name) continue;
    feature.on = on;
    feature.reason = std::move(reason);
  }
  infos_.push_back(std::move(info));
  info_.store(infos_.back().get(), std::memory_order_release);  // Pairs with `info`.
}

void UringBackend::check_thread() const {
  NACRE_ASSERT(!wishes_.single_thread || std::this_thread::get_id() == maker_);
}

void UringBackend::submit(std::span<IoOperation* const> operations, bool reap_follows) {
  if (forked_.in_child()) return forked_.refuse(operations);
  check_thread();
  MutexLock lock(mutex_);
  let_reaper_submit();
  const bool alone = operations.size() == 1 && roster_.count() == 0;
  for (IoOperation* const operation : operations) {
    roster_.enter(operation);
    UringStep& first = adopt(*operation);
    if (alone && reap_follows && better_as_call(*operation)) return on_host_.push_back(&first);
    start(first);
  }
  if (reap_follows) return;
  submit_entries();
  // The thread that reaps does what the kernel does not, and what it would not take.
  const bool left_over = ring_->untaken() > 0 && !ring_->abilities().kernel_polls_submissions;
  // While it polls its device, it looks at its ring only when something is in there.
  const bool may_sleep = wishes_.poll_device;
  if (!on_host_.empty() || !ended_.empty() || left_over || may_sleep) ring_bell();
}

/// A synchronous write that is alone, and waited for by this thread, is a call of this thread's:
/// the kernel ends it where it began it. From a ring it would pass through a worker of the kernel,
/// which has to be given a processor first; on a busy machine that is milliseconds.
bool UringBackend::better_as_call(const IoOperation& operation) const {
  const IoRequest& request = operation.request;
  if (operation.next_in_chain != nullptr || wishes_.poll_device) return false;
  if (request.kind != IoKind::kWrite || request.file == nullptr) return false;
  if (!tables_.knows(*request.file)) return false;
  return request.buffer_bytes() <= kMaxCallBytes && tables_.place_of(*request.file).data_sync;
}

/// Makes a chain the backend's own. Returns its first step.
UringStep& UringBackend::adopt(IoOperation& operation) {
  UringStep* first = nullptr;
  UringStep* last = nullptr;
  for (IoOperation* at = &operation; at != nullptr; at = at->next_in_chain) {
    UringStep& step = UringStep::of(*at);
    step.reset();
    step.next = nullptr;
    if (last != nullptr) last->next = &step;
    if (first == nullptr) first = &step;
    step.first = first;
    last = &step;
  }
  first->run_first = nullptr;
  first->run_last = nullptr;
  first->cancel_asked = false;
  first->cancel_next = nullptr;
  first->ended = false;
  first->unlinked = false;
  return *first;
}

/// Hands `from` to the kernel, with as many steps behind it as can be linked to it.
void UringBackend::start(UringStep& from) {
  if (polling_refused_ && ring_->abilities().polls_device) return held_back_.push_back(&from);
  const UringAbilities& can = ring_->abilities();
  UringStep& first = *from.first;
  io_uring_sqe* last = nullptr;
  first.run_first = nullptr;
  bool starved = false;
  for (UringStep* step = &from; step != nullptr; step = step->next) {
    if (refused(*step)) break;
    starved = !give_buffer(*step);
    if (starved || !fits_uring(*step, can, tables_)) break;
    io_uring_sqe& sqe = ring_->next_sqe(mark_of(*step));
    const bool ends = prepare_sqe(*step, can, tables_, sqe);
    // A step that leads to another one keeps quiet unless it fails.
    if (last != nullptr) last->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    last = &sqe;
    if (first.run_first == nullptr) first.run_first = step;
    first.run_last = step;
    if (!can.links || !ends || first.unlinked) break;
  }
  if (last != nullptr) {
    ++runs_;
  } else if (starved) {
    from.operation.outcome = no_buffer_free(from.operation.request);
    move_on(from);
  } else {
    start_elsewhere(from);
  }
}

/// What the ring does not do.
void UringBackend::start_elsewhere(UringStep& from) {
  if (refused(from)) {
    from.operation.outcome = refusal(from.operation.request);
    from.operation.transferred = 0;
    move_on(from);
  } else if (from.operation.request.wants_buffer() && check_request(from.operation.request)) {
    prepare_fetch(from, groups_.empty_file(), ring_->next_sqe(mark_of(from)));
    from.first->run_first = &from;
    from.first->run_last = &from;
    ++runs_;
  } else {
    on_host_.push_back(&from);
  }
}

/// Gives `step` a buffer of its group's list, if it is to have one; false when none is free.
bool UringBackend::give_buffer(UringStep& step) {
  IoRequest& request = step.operation.request;
  const bool from_list =
      request.wants_buffer() && request.group->slot() < 0 && check_request(request);
  if (!from_list) return true;
  step.lent = static_cast<bool>(lend_buffer(request));
  return step.lent;
}

bool UringBackend::has_foreign_group(const IoRequest& request) const {
  return request.wants_buffer() && request.group->slot() >= 0 && !groups_.knows(*request.group);
}

/// Whether `step` is kept out: by `poll_device`, by a file or a group of another backend's, or
/// because the ring has been lost.
bool UringBackend::refused(const UringStep& step) const {
  const IoRequest& request = step.operation.request;
  if (lost_.has_value()) return true;
  if (request.file != nullptr && !tables_.knows(*request.file)) return true;
  if (has_foreign_group(request)) return true;
  if (!wishes_.poll_device) return false;
  const bool transfer = request.kind == IoKind::kRead || request.kind == IoKind::kWrite;
  const bool sync = request.kind == IoKind::kSync || request.kind == IoKind::kSyncData;
  if (!check_request(request)) return false;
  if (!transfer && !sync) return true;
  const UringTables::FilePlace place = tables_.place_of(*request.file);
  return place.nvme == nullptr && (sync || !place.direct);
}

Error UringBackend::refusal(const IoRequest& request) const {
  if (lost_.has_value()) return with_place(*lost_, request);
  if (request.file != nullptr && !tables_.knows(*request.file)) return foreign_file(request);
  if (has_foreign_group(request)) return foreign_group(request);
  return with_place(Error(ErrorCode::kInvalidArgument,
                          "an engine that polls its device takes reads and writes of files opened "
                          "with `direct`, and with `nvme_passthrough` those and syncs of NVMe "
                          "namespaces, and nothing else; use a second one for the rest"),
                    request);
}

void UringBackend::complete(UringStep& step, int result, std::optional<std::uint32_t> buffer) {
  UringStep& first = *step.first;
  --runs_;
  if (buffer) {
    // Also of a read that has failed, and may be tried again.
    take_lent_buffer(step.operation.request, *buffer);
    step.lent = true;
  }
  const bool fetched = std::exchange(step.fetching, false) && step.lent;
  for (UringStep* before = first.run_first; before != &step; before = before->next) {
    succeed(*before);
  }
  const bool linked = first.run_first != first.run_last;
  const bool was_later = first.run_first != &step;
  end_run(first);
  if (result == -EOPNOTSUPP && ring_->abilities().polls_device) {
    polling_refused_ = true;
    return held_back_.push_back(&step);
  }
  // The kernel starts a linked step for the thread that submitted it, and fails it with EFAULT when
  // that thread has ended.
  const bool orphaned = result == -ECANCELED || (result == -EFAULT && was_later);
  if (orphaned && called_back(step, result)) {
    first.unlinked = first.unlinked || linked;
    return start(step);
  }
  if (result == -ECANCELED && first.cancel_asked) {
    call_back(step);
    return finish(first);
  }
  // The kernel's part was to find a buffer; the read is now one like any other.
  if (fetched && tables_.place_of(*step.operation.request.file).nvme != nullptr) return start(step);
  if (fetched || result == -ECANCELED) {
    // The next one need not find that out again: each try takes the kernel 60 ms.
    no_workers_ = no_workers_ || result == -ECANCELED;
    step.on_host = true;
    return start_elsewhere(step);
  }
  switch (judge(step, result)) {
    case UringVerdict::kEnded:
      return move_on(step);
    case UringVerdict::kAgain:
      start(step);
      // The rest was not there yet to be called back.
      return first.cancel_asked ? send_cancels(first, first.run_first) : void();
    case UringVerdict::kOnHost:
      step.on_host = true;
      return start_elsewhere(step);
  }
}

/// Whether a step that was called back without being asked is to be begun anew.
bool UringBackend::called_back(UringStep& step, int result) {
  if (step.first->cancel_asked) return false;
  return result == -EFAULT || (!no_workers_ && ++step.tries < kMaxCallbacks);
}

/// The kernel has nothing of the chain any more.
void UringBackend::end_run(UringStep& first) {
  first.run_first = nullptr;
  if (first.cancel_next != nullptr) std::erase(cancels_due_, &first);
  first.cancel_next = nullptr;
}

/// After `step` has ended: the next one, or the end of the chain.
void UringBackend::move_on(UringStep& step) {
  UringStep& first = *step.first;
  if (!step.operation.outcome) {
    cancel_from(step.next);
  } else if (step.next != nullptr && first.cancel_asked) {
    call_back(*step.next);
  } else if (step.next != nullptr) {
    return start(*step.next);
  }
  finish(first);
}

void UringBackend::finish(UringStep& first) {
  first.ended = true;
  first.run_first = nullptr;
  for (UringStep* step = &first; step != nullptr; step = step->next) {
    if (std::exchange(step->lent, false)) settle_lent_buffer(step->operation);
    ended_.push_back(&step->operation);
  }
}

/// Waits until a call of the thread that reaps has taken the entries it was made for. That thread
/// makes no further such call meanwhile.
void UringBackend::let_reaper_submit() {
  ++submitters_waiting_;
  while (reaper_submits_.has_value() && !ring_->has_taken(*reaper_submits_)) {
    mutex_.unlock();
    std::this_thread::yield();
    mutex_.lock();
  }
  --submitters_waiting_;
}

/// An entry the kernel does not take now goes with the next call.
void UringBackend::submit_entries() {
  const unsigned count = ring_->publish();
  if (count > 0) ring_->enter(count, 0, 0);
}

std::size_t UringBackend::reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) {
  NACRE_ASSERT(!ended.empty());
  if (forked_.in_child()) return forked_.take(ended);
  check_thread();
  MutexLock lock(mutex_);
  const bool timed = wait_ns != kForever;
  const std::uint64_t begun_ns = timed && wait_ns > 0 ? now_ns() : 0;
  bool last_look = false;
  for (;;) {
    run_on_host();
    harvest();
    const bool woken = woken_.exchange(false);
    if (woken || taken_ < ended_.size() || last_look) break;
    const std::uint64_t passed_ns = timed && wait_ns > 0 ? now_ns() - begun_ns : 0;
    const std::uint64_t left_ns = timed ? wait_ns - std::min(wait_ns, passed_ns) : kForever;
    last_look = left_ns == 0;
    wait(left_ns);
  }
  // What was prepared on the way does not wait for the next call.
  if (ring_->publish() > 0) submit_entries();
  return take_ended(ended);
}

void UringBackend::wait(std::uint64_t wait_ns) {
  // The bell is looked at by the ring itself, where it can.
  if (!bell_armed_ && !ring_->abilities().polls_device && !lost_.has_value()) {
    io_uring_sqe& sqe = ring_->next_sqe(kBellMark);
    io_uring_prep_poll_add(&sqe, bell_.descriptor(), POLLIN);
    sqe.user_data = kBellMark;
    bell_armed_ = true;
  }
  const unsigned submit = ring_->publish();
  // Pairs with `ring_bell`: either that sees `waiting_`, or this sees what it was rung for.
  waiting_.store(true);
  const bool called = woken_.load() || !on_host_.empty() || taken_ < ended_.size();
  if (called) {
    if (submit > 0) submit_entries();
  } else {
    wait_in_kernel(submit, wait_ns);
  }
  waiting_.store(false);
}

void UringBackend::wait_in_kernel(unsigned submit, std::uint64_t wait_ns) {
  UringRing& ring = *ring_;
  // A ring that polls has nothing to look at while nothing is in it.
  const bool on_bell = lost_.has_value() || (ring.abilities().polls_device && runs_ == 0);
  // What a lost ring still ends rings no bell.
  if (lost_.has_value() && runs_ > 0) wait_ns = std::min(wait_ns, kLostRingLookNs);
  if (submit > 0 && submitters_waiting_ > 0) {
    submit_entries();
    submit = 0;
  }
  if (submit > 0 && !ring.abilities().kernel_polls_submissions) {
    reaper_submits_ = ring.published();
  }
  mutex_.unlock();
  int result = 0;
  if (on_bell) {
    bell_.wait(wait_ns);
  } else {
    result = ring.enter(submit, wait_ns == 0 ? 0 : 1, wait_ns);
  }
  mutex_.lock();
  reaper_submits_.reset();
  const bool passing =
      result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY;
  if (!passing) lose_ring(-result);
}

void UringBackend::harvest() {
  while (const auto completion = ring_->take_completion()) {
    if (completion->mark == kBellMark) {
      bell_.silence();
      bell_armed_ = false;
    } else if (completion->mark == kCancelMark) {
      --cancels_;
      send_due_cancels();
    } else {
      complete(*reinterpret_cast<UringStep*>(completion->mark), completion->result,
               completion->buffer);
    }
  }
  if (polling_refused_ && runs_ == 0 && !held_back_.empty()) stop_polling_device();
}

/// The device does not poll. The operations it has refused, and all that have come since, go to a
/// ring that waits for its interrupts.
void UringBackend::stop_polling_device() {
  if (Status opened = open_ring(); !opened) {
    for (UringStep* step : std::exchange(held_back_, {})) {
      step->operation.outcome = opened;
      move_on(*step);
    }
    return;
  }
  tables_.register_all(*ring_);
  change_feature("iopoll", false, "the device or its file system does not poll for completions");
  for (UringStep* step : std::exchange(held_back_, {})) start(*step);
}

void UringBackend::run_on_host() {
  while (!on_host_.empty()) {
    UringStep& step = *on_host_.front();
    on_host_.pop_front();
    if (step.first->cancel_asked) {
      call_back(step);
      finish(*step.first);
      continue;
    }
    mutex_.unlock();
    carry_out(file_system_, step.operation);
    mutex_.lock();
    step.close_directory();
    move_on(step);
  }
}

std::size_t UringBackend::take_ended(std::span<IoOperation*> ended) {
  const std::size_t count = std::min(ended.size(), ended_.size() - taken_);
  std::copy_n(ended_.begin() + static_cast<std::ptrdiff_t>(taken_), count, ended.begin());
  taken_ += count;
  for (IoOperation* const operation : ended.first(count)) roster_.leave(*operation);
  // Whoever reaps but a few at a time may never find it empty.
  if (taken_ == ended_.size() || taken_ >= wishes_.depth) {
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  return count;
}

void UringBackend::wake() noexcept {
  if (forked_.in_child()) return;
  woken_.store(true);
  ring_bell();
}

/// Costs nothing while nobody waits.
void UringBackend::ring_bell() noexcept {
  if (waiting_.load()) bell_.ring();
}

}  // namespace nacre
