#include "emulation/fault_device.h"

#include <algorithm>
#include <utility>

#include "emulation/fault_file.h"
#include "lib/base/assert.h"
#include "lib/io/io_errors.h"

namespace nacre {
namespace {

constexpr std::size_t kReapBatch = 64;

// So that the device does not draw what the plan draws.
constexpr std::uint64_t kOrderSalt = 0x6f72646572ULL;
constexpr std::uint64_t kHeldSalt = 0x68656c64ULL;

}  // namespace

/// A request, or a chain, while it is with the device. Kept with its first operation.
struct FaultDevice::Engine::Job final : IoOperation::Scratch {
  static constexpr char kKind = 0;  // Its address.
  Job() : Scratch(&kKind) {}

  IoOperation* first = nullptr;
  IoOperation* step = nullptr;
  FaultStep work;
  IoOperation* piece = nullptr;
  std::uint64_t slow_completions = 0;
  std::uint64_t slow_ns = 0;
  Phase phase = Phase::kBegin;
  // The rest is for whoever holds the engine's mutex.
  bool under_way = false;
  bool cancelled = false;
  bool below = false;  // A piece of it is with the backend below.
};

FaultDevice::Engine::Engine(const IoBackend& device, std::unique_ptr<IoBackend> inner,
                            FaultContext& context, const FaultDeviceOptions& options)
    : inner_(std::move(inner)),
      context_(context),
      options_(options),
      clock_(options.clock != nullptr ? *options.clock : system_clock_),
      random_(context.plan.seed() ^ kOrderSalt),
      reaped_(kReapBatch),
      roster_(device, inner_->depth()),
      held_(context.plan.seed() ^ kHeldSalt, options.reorder_window) {}

FaultDevice::Engine::~Engine() {
  if (forked_.in_child()) return;
  MutexLock lock(mutex_);
  NACRE_ASSERT(running_ == 0 && stuck_.empty() && held_.empty());
}

FaultDevice::Engine::Job& FaultDevice::Engine::job_of(IoOperation& first) {
  const bool fits = first.scratch != nullptr && first.scratch->kind == &Job::kKind;
  if (!fits) first.scratch = std::make_unique<Job>();
  return static_cast<Job&>(*first.scratch);
}

void FaultDevice::Engine::submit(std::span<IoOperation* const> operations) {
  if (forked_.in_child()) return forked_.refuse(operations);
  Jobs arrived;
  {
    MutexLock lock(mutex_);
    for (IoOperation* const first : operations) {
      roster_.enter(first);
      Job& job = job_of(*first);
      job.first = job.step = first;
      job.phase = Phase::kBegin;
      job.under_way = true;
      job.cancelled = false;
      job.slow_completions = job.slow_ns = 0;
      arrived.push_back(&job);
    }
    running_ += arrived.size();
  }
  if (options_.reorder_window > 0) {
    for (std::size_t i = arrived.size(); i > 1; --i) {
      std::swap(arrived[i - 1], arrived[uniform_below(random_, i)]);
    }
  }
  pump(std::move(arrived));
}

/// Takes `runnable`, and what becomes runnable by them, as far as they go without an answer of the
/// backend below.
void FaultDevice::Engine::pump(Jobs runnable) {
  std::vector<IoOperation*> pieces;
  while (!runnable.empty()) {
    Job& job = *runnable.front();
    runnable.pop_front();
    if (IoOperation* const piece = advance(job, runnable); piece != nullptr) {
      piece->owner = &job;
      job.piece = piece;
      pieces.push_back(piece);
    }
  }
  if (pieces.empty()) return;
  // Under the lock, so that nobody calls back a piece that is not there yet.
  MutexLock lock(mutex_);
  for (IoOperation* const piece : pieces) static_cast<Job*>(piece->owner)->below = true;
  inner_->submit(pieces, /*reap_follows=*/false);
}

IoOperation* FaultDevice::Engine::advance(Job& job, Jobs& runnable) {
  if (job.phase == Phase::kBegin) {
    if (is_cancelled(job)) {
      job.step->outcome = cancelled_by_caller(job.step->request);
      job.step->transferred = 0;
      end_job(job);
      return nullptr;
    }
    if (const IoFile* const file = job.step->request.file; file != nullptr && !knows(*file)) {
      job.step->outcome = foreign_file(job.step->request);
      job.step->transferred = 0;
      end_job(job);
      return nullptr;
    }
    if (!begin_step(job)) return nullptr;
  }
  if (job.phase == Phase::kEnter) {
    if (!enter(job)) return nullptr;
    job.phase = Phase::kRun;
  }
  IoOperation* piece = job.work.next_piece(options_.split_transfers ? &random_ : nullptr);
  if (piece != nullptr && is_cancelled(job)) {
    job.work.abandon();
    piece = nullptr;
  }
  if (piece == nullptr) end_step(job, runnable);
  return piece;
}

/// False when the plan holds the step back.
bool FaultDevice::Engine::begin_step(Job& job) {
  job.work.begin(context_, *job.step, file_of(job.step->request));
  job.phase = Phase::kEnter;
  if (const Fault* const slow = job.work.slow(); slow != nullptr) {
    job.slow_completions += slow->slow_completions;
    job.slow_ns += slow->slow_ns;
  }
  if (!job.work.stuck()) return true;
  MutexLock lock(mutex_);
  if (job.cancelled) return true;
  --running_;
  stuck_.push_back(&job);
  // Whoever drives may be the one who releases it.
  woken_ = true;
  nudge();
  return false;
}

/// False when the job has to wait until another one has grown its file.
bool FaultDevice::Engine::enter(Job& job) {
  if (!job.work.needs_room()) return true;
  MutexLock lock(mutex_);
  if (growing_ == nullptr) growing_ = &job;
  if (growing_ == &job) return true;
  wait_to_grow_.push_back(&job);
  return false;
}

void FaultDevice::Engine::leave(Job& job, Jobs& runnable) {
  MutexLock lock(mutex_);
  if (growing_ != &job) return;
  growing_ = nullptr;
  if (wait_to_grow_.empty()) return;
  growing_ = wait_to_grow_.front();
  wait_to_grow_.pop_front();
  runnable.push_back(growing_);
}

void FaultDevice::Engine::end_step(Job& job, Jobs& runnable) {
  job.work.finish();
  leave(job, runnable);
  if (!job.step->outcome || job.step->next_in_chain == nullptr) return end_job(job);
  job.step = job.step->next_in_chain;
  job.phase = Phase::kBegin;
  runnable.push_back(&job);
}

void FaultDevice::Engine::end_job(Job& job) {
  for (IoOperation* rest = job.step->next_in_chain; rest != nullptr; rest = rest->next_in_chain) {
    rest->outcome = cancelled_by_chain(rest->request);
    rest->transferred = 0;
  }
  const std::uint64_t due_ns = job.slow_ns == 0 ? 0 : clock_.monotonic_ns() + job.slow_ns;
  MutexLock lock(mutex_);
  job.under_way = false;
  std::erase(called_back_, &job);
  --running_;
  held_.add(*job.first, job.slow_completions, due_ns);
  nudge();
}

bool FaultDevice::Engine::is_cancelled(const Job& job) {
  MutexLock lock(mutex_);
  return job.cancelled;
}

/// Has the thread that waits below look again.
void FaultDevice::Engine::nudge() {
  if (!waiting_below_) return;
  nudged_ = true;
  inner_->wake();
}

std::size_t FaultDevice::Engine::reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) {
  NACRE_ASSERT(!ended.empty());
  if (forked_.in_child()) return forked_.take(ended);
  bool waited = false;
  for (;;) {
    std::uint64_t patience_ns = wait_ns;
    {
      MutexLock lock(mutex_);
      if (look(patience_ns) || waited) {
        const std::size_t count = held_.take(ended);
        for (IoOperation* const operation : ended.first(count)) roster_.leave(*operation);
        return count;
      }
      waiting_below_ = true;
    }
    const std::size_t count = inner_->reap(reaped_, patience_ns);
    {
      MutexLock lock(mutex_);
      waiting_below_ = false;
      // Woken by ourselves, it has not waited its time.
      const bool in_vain = count == 0 && !std::exchange(nudged_, false);
      if (in_vain && wait_ns != kForever) wait_ns -= patience_ns;
      waited = in_vain && wait_ns == 0;
    }
    if (count > 0) pump(take_pieces(count));
  }
}

/// Whether the caller gets an answer now; else how long to wait below.
bool FaultDevice::Engine::look(std::uint64_t& wait_ns) {
  call_back();
  const std::uint64_t now_ns = clock_.monotonic_ns();
  held_.release(/*last=*/running_ == 0, now_ns);
  if (held_.any_ready()) return true;
  if (std::exchange(woken_, false)) return true;
  if (held_.next_due_ns() != kForever) {
    wait_ns = std::min(wait_ns, held_.next_due_ns() - now_ns);
  }
  return false;
}

void FaultDevice::Engine::call_back() {
  for (Job* const job : called_back_) {
    if (job->below) inner_->cancel(*job->piece);
  }
  called_back_.clear();
}

FaultDevice::Engine::Jobs FaultDevice::Engine::take_pieces(std::size_t count) {
  Jobs jobs;
  {
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < count; ++i) {
      jobs.push_back(static_cast<Job*>(reaped_[i]->owner));
      jobs.back()->below = false;
    }
  }
  for (Job* const job : jobs) job->work.take_piece();
  return jobs;
}

void FaultDevice::Engine::wake() noexcept {
  if (forked_.in_child()) return;
  MutexLock lock(mutex_);
  woken_ = true;
  nudge();
}

void FaultDevice::Engine::cancel(IoOperation& operation) {
  if (forked_.in_child()) return;
  Jobs freed;
  {
    MutexLock lock(mutex_);
    if (!roster_.has(operation)) return;
    Job& job = job_of(operation);
    if (!job.under_way || job.cancelled) return;
    job.cancelled = true;
    called_back_.push_back(&job);
    nudge();
    if (std::erase(stuck_, &job) > 0) {
      ++running_;
      freed.push_back(&job);
    }
  }
  pump(std::move(freed));
}

std::size_t FaultDevice::Engine::stuck() {
  MutexLock lock(mutex_);
  return stuck_.size();
}

std::size_t FaultDevice::Engine::release_stuck() {
  Jobs freed;
  {
    MutexLock lock(mutex_);
    freed.swap(stuck_);
    running_ += freed.size();
  }
  const std::size_t count = freed.size();
  pump(std::move(freed));
  return count;
}

FaultDeviceFile* FaultDevice::Engine::file_of(const IoRequest& request) {
  if (request.file == nullptr) return nullptr;
  MutexLock lock(mutex_);
  return files_[static_cast<std::size_t>(request.file->slot())].get();
}

/// Whether `file` was made known to this device.
bool FaultDevice::Engine::knows(const IoFile& file) {
  MutexLock lock(mutex_);
  const auto slot = static_cast<std::size_t>(file.slot());
  return slot < files_.size() && files_[slot] != nullptr && files_[slot]->known == &file.file();
}

int FaultDevice::Engine::attach_file(File& file) {
  if (forked_.in_child()) return -1;
  const auto* const ours = dynamic_cast<FaultFile*>(&file);
  std::unique_ptr<FaultDeviceFile> attached;
  if (ours != nullptr && &ours->context() == &context_) {
    attached = std::make_unique<FaultDeviceFile>(*inner_, ours->inner(), ours->options());
  } else {
    attached = std::make_unique<FaultDeviceFile>(*inner_, file, std::nullopt);
  }
  attached->known = &file;
  MutexLock lock(mutex_);
  const auto free = std::find(files_.begin(), files_.end(), nullptr);
  const auto slot = static_cast<int>(free - files_.begin());
  if (free == files_.end()) {
    files_.push_back(std::move(attached));
  } else {
    *free = std::move(attached);
  }
  return slot;
}

void FaultDevice::Engine::detach_file(int slot) noexcept {
  if (forked_.in_child()) return;
  MutexLock lock(mutex_);
  files_[static_cast<std::size_t>(slot)].reset();
}

bool FaultDevice::Engine::holds(const IoFile& file) {
  if (forked_.in_child() || !knows(file)) return false;
  MutexLock lock(mutex_);
  return inner_->holds(files_[static_cast<std::size_t>(file.slot())]->below_file);
}

FaultDevice::FaultDevice(std::unique_ptr<IoBackend> inner, FaultFileSystem& files,
                         const FaultDeviceOptions& options)
    : engine_(std::make_unique<Engine>(*this, std::move(inner), *files.context_, options)) {}

FaultDevice::~FaultDevice() = default;

FaultPlan& FaultDevice::plan() noexcept { return engine_->context().plan; }
std::size_t FaultDevice::stuck() const { return engine_->stuck(); }
std::size_t FaultDevice::release_stuck() { return engine_->release_stuck(); }

void FaultDevice::submit(std::span<IoOperation* const> operations, bool /*reap_follows*/) {
  engine_->submit(operations);
}

std::size_t FaultDevice::reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) {
  return engine_->reap(ended, wait_ns);
}

void FaultDevice::wake() noexcept { engine_->wake(); }
void FaultDevice::cancel(IoOperation& operation) { engine_->cancel(operation); }
std::size_t FaultDevice::depth() const noexcept { return engine_->inner().depth(); }
bool FaultDevice::single_thread() const noexcept { return engine_->inner().single_thread(); }
const IoBackendInfo& FaultDevice::info() const noexcept { return engine_->inner().info(); }
int FaultDevice::attach_file(File& file) { return engine_->attach_file(file); }
bool FaultDevice::holds(const IoFile& file) { return engine_->holds(file); }
void FaultDevice::detach_file(int slot) noexcept { engine_->detach_file(slot); }

int FaultDevice::attach_memory(std::span<std::byte> memory) {
  return engine_->inner().attach_memory(memory);
}

void FaultDevice::detach_memory(int slot) noexcept { engine_->inner().detach_memory(slot); }

int FaultDevice::attach_group(const IoBufferGroup& group) {
  return engine_->inner().attach_group(group);
}

void FaultDevice::detach_group(int slot) noexcept { engine_->inner().detach_group(slot); }

void FaultDevice::offer_buffer(int slot, std::size_t index) noexcept {
  engine_->inner().offer_buffer(slot, index);
}

}  // namespace nacre
