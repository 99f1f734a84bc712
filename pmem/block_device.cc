#include "pmem/block_device.h"

#include <utility>

#include "lib/base/try.h"

namespace nacre::pmem {
namespace {

IoDriver io_driver(CommitDriver driver) noexcept {
  return driver == CommitDriver::kCaller ? IoDriver::kCaller : IoDriver::kScheduler;
}

}  // namespace

void BlockImage::settle_in(IoBackend& backend) {
  if (registration_.has_value()) return;
  // In this order: the kernel holds up the whole ring while it pins, and pages that are not there
  // yet take a hundred times as long.
  memory_.populate();
  registration_.emplace(backend, std::span(data(), size()));
}

BlockDevice::BlockDevice(std::shared_ptr<IoBackend> backend, const BlockIo& io)
    : scheduler_(std::move(backend), io.clock != nullptr ? *io.clock : clock_,
                 IoScheduler::Options{.own_thread = io.executor == nullptr}) {
  if (io.executor != nullptr) background_.emplace(*io.executor);
}

void BlockDevice::begin(IoRequest request, CommitDriver driver, IoCallback done) {
  scheduler_.submit(std::move(request), std::move(done), io_driver(driver));
  attend(driver);
}

void BlockDevice::fail(IoRequest request, const Error& error, CommitDriver driver,
                       IoCallback done) {
  scheduler_.fail(std::move(request), error, std::move(done), io_driver(driver));
  attend(driver);
}

void BlockDevice::attend(CommitDriver driver) {
  if (driver == CommitDriver::kCaller || !background_.has_value()) return;
  background_->run([this] { scheduler_.drive_until_idle(); });
}

Status BlockDevice::hold(File& lock) {
  auto held = std::make_unique<IoFile>(scheduler_.backend(), lock);
  if (!scheduler_.backend().holds(*held)) {
    return Error(ErrorCode::kUnsupported,
                 "the engine for file I/O does not hold the files it writes (io_uring before Linux "
                 "5.19, or in a sandbox that forbids io_uring_register, registers none), so that "
                 "writes of a process that was killed could land after its lock is gone; use POSIX "
                 "calls")
        .with_path(lock.path().string());
  }
  MutexLock guard(mutex_);
  held_.push_back(std::move(held));
  return {};
}

void BlockDevice::let_go(File& lock) noexcept {
  MutexLock guard(mutex_);
  std::erase_if(held_, [&](const auto& held) { return &held->file() == &lock; });
}

Result<std::unique_ptr<BlockImage>> BlockDevice::take_image(std::size_t bytes,
                                                            const std::string& path) {
  {
    MutexLock lock(mutex_);
    if (spare_ != nullptr && spare_->size() == bytes) return std::move(spare_);
  }
  return std::make_unique<BlockImage>(
      NACRE_TRY(AnonymousMemory::create(bytes, MemoryUse::kDense, path)));
}

void BlockDevice::give_back(std::unique_ptr<BlockImage> image) {
  MutexLock lock(mutex_);
  if (spare_ == nullptr || spare_->size() <= image->size()) std::swap(spare_, image);
}

}  // namespace nacre::pmem
