#include "tests/emulation/fault_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace nacre::test {
namespace {

// So that the rig does not draw what the plan and the test draw.
constexpr std::uint64_t kRigSalt = 0x726967ULL;
constexpr std::size_t kDepth = 16;
/// As long as the kernel and threads of an engine are given before time goes on without them.
constexpr std::uint64_t kLookNs = 20'000;
constexpr std::uint64_t kLeapNs = 200'000;
constexpr std::uint64_t kEachNs = 1'000;

bool has_threads(RigEngine engine) noexcept {
  return engine == RigEngine::kPosix || engine == RigEngine::kPosixFiles;
}

bool is_ring(RigEngine engine) noexcept {
  return engine == RigEngine::kIoUring || engine == RigEngine::kIoUringOneThread ||
         engine == RigEngine::kIoUringBare;
}

bool has_device(RigEngine engine) noexcept {
  return engine != RigEngine::kPosixFiles && engine != RigEngine::kIoUringBare;
}

Result<std::unique_ptr<IoBackend>> make_engine(RigEngine engine, FileSystem& files) {
  IoBackendOptions options{.engine = is_ring(engine) ? IoEngine::kIoUring : IoEngine::kPosix,
                           .depth = kDepth};
  options.threads = has_threads(engine) ? 4 : 0;
  options.single_thread = engine == RigEngine::kIoUringOneThread;
  return make_io_backend(files, options);
}

/// A backend that waits no longer than it takes to look: what was to be waited is added to the
/// clock instead.
class LeapingBackend final : public IoBackend {
 public:
  LeapingBackend(std::unique_ptr<IoBackend> inner, ManualClock& clock, std::uint64_t look_ns)
      : inner_(std::move(inner)), clock_(clock), look_ns_(look_ns) {}

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override {
    inner_->submit(operations, reap_follows);
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    const std::size_t count = inner_->reap(ended, std::min(wait_ns, look_ns_));
    clock_.advance_ns(count == 0 ? std::min(wait_ns, kLeapNs) : kEachNs);
    return count;
  }
  void wake() noexcept override { inner_->wake(); }
  void cancel(IoOperation& operation) override { inner_->cancel(operation); }
  std::size_t depth() const noexcept override { return inner_->depth(); }
  const IoBackendInfo& info() const noexcept override { return inner_->info(); }
  int attach_file(File& file) override { return inner_->attach_file(file); }
  void detach_file(int slot) noexcept override { inner_->detach_file(slot); }
  int attach_memory(std::span<std::byte> memory) override { return inner_->attach_memory(memory); }
  void detach_memory(int slot) noexcept override { inner_->detach_memory(slot); }
  bool holds(const IoFile& file) override { return inner_->holds(file); }

 private:
  const std::unique_ptr<IoBackend> inner_;
  ManualClock& clock_;
  const std::uint64_t look_ns_;
};

}  // namespace

std::string_view rig_engine_name(RigEngine engine) noexcept {
  switch (engine) {
    case RigEngine::kPosixNoThreads:
      return "PosixNoThreads";
    case RigEngine::kPosix:
      return "Posix";
    case RigEngine::kPosixFiles:
      return "PosixFiles";
    case RigEngine::kIoUring:
      return "IoUring";
    case RigEngine::kIoUringOneThread:
      return "IoUringOneThread";
    case RigEngine::kIoUringBare:
      return "IoUringBare";
  }
  return "Unknown";
}

Status probe(RigEngine engine) {
  PosixFileSystem files;
  auto made = make_engine(engine, files);
  if (!made) return made.error();
  return {};
}

FaultRig::FaultRig(RigEngine engine, std::uint64_t seed)
    : engine_(engine),
      clients_(has_threads(engine) || engine == RigEngine::kIoUring ? 2 : 1),
      random_(seed ^ kRigSalt),
      files_(posix_, {.seed = seed}) {
  FaultDeviceOptions options;
  options.split_transfers = random_() % 2 == 0;
  options.reorder_window = std::array<std::size_t, 3>{0, 3, 16}[random_() % 3];
  options.clock = &clock_;
  FileSystem& worked_on =
      engine == RigEngine::kPosixFiles ? static_cast<FileSystem&>(files_) : posix_;
  std::unique_ptr<IoBackend> backend = make_engine(engine, worked_on).value();
  if (has_device(engine)) {
    auto device = std::make_unique<FaultDevice>(std::move(backend), files_, options);
    device_ = device.get();
    backend = std::move(device);
  }
  const std::uint64_t look_ns = engine == RigEngine::kPosixNoThreads ? 0 : kLookNs;
  scheduler_.emplace(std::make_unique<LeapingBackend>(std::move(backend), clock_, look_ns), clock_,
                     IoScheduler::Options{.own_thread = false});
}

void FaultRig::drive(const std::function<bool()>& done,
                     const std::function<void()>& call_back_all) {
  EXPECT_TRUE(scheduler_->drive([&] {
    release_stuck(call_back_all);
    return done();
  }));
}

void FaultRig::release_stuck(const std::function<void()>& call_back_all) {
  if (device_ == nullptr || device_->stuck() == 0) return;
  if (patience_ > 0) {
    --patience_;
    return device_->wake();
  }
  patience_ = static_cast<int>(random_() % 8);
  if (random_() % 3 > 0) {
    device_->release_stuck();
    return;
  }
  call_back_all();
  // One whose ticket is not known yet would stay.
  device_->wake();
}

}  // namespace nacre::test
