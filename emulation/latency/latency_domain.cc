#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <thread>
#include <utility>

#include "emulation/latency/cycle_clock.h"
#include "emulation/latency/device_time_model.h"
#include "lib/base/thread_annotations.h"
#include "lib/base/try.h"
#include "nacre/emulation/latency_model.h"

namespace nacre {
namespace {

/// The one device behind all regions of a domain, and the time it makes its callers wait.
class TimedDevice {
 public:
  TimedDevice(const MemoryDevice& device, const LatencyOptions& options)
      : own_clock_(options.clock != nullptr ? nullptr : std::make_unique<CycleClock>()),
        clock_(options.clock != nullptr ? *options.clock : *own_clock_),
        wait_until_(options.wait_until),
        model_(device) {}

  std::uint64_t add_region() noexcept {
    MutexLock lock(mutex_);
    return regions_++;
  }

  std::uint64_t now_ns() noexcept { return clock_.monotonic_ns(); }

  /// `range` was written from `now_ns` on: what the host took for it counts.
  void write(const DeviceRange& range, std::uint64_t now_ns) noexcept {
    MutexLock lock(mutex_);
    std::uint64_t& due_ns = due_ns_[own_slot()];
    due_ns = std::max(due_ns, model_.write(range, std::max(now_ns, latest_ns_)));
    latest_ns_ = std::max(latest_ns_, now_ns);
  }

  /// Waits for what this thread has written.
  void fence() noexcept {
    std::uint64_t until_ns = 0;
    {
      MutexLock lock(mutex_);
      until_ns = due_ns_[own_slot()];
    }
    wait(until_ns);
  }

  void read(const DeviceRange& range) noexcept {
    const std::uint64_t now_ns = clock_.monotonic_ns();
    std::uint64_t until_ns = 0;
    {
      MutexLock lock(mutex_);
      until_ns = model_.read(range, now_ns);
    }
    wait(until_ns);
  }

 private:
  /// Two threads of one slot wait for one another's writes, too: never too short.
  static constexpr std::size_t kThreadSlots = 256;

  static std::size_t own_slot() noexcept {
    return std::hash<std::thread::id>()(std::this_thread::get_id()) % kThreadSlots;
  }

  void wait(std::uint64_t until_ns) {
    while (clock_.monotonic_ns() < until_ns) {
      if (wait_until_) wait_until_(until_ns);
    }
  }

  const std::unique_ptr<Clock> own_clock_;
  Clock& clock_;
  const std::function<void(std::uint64_t)> wait_until_;
  Mutex mutex_;
  DeviceTimeModel model_ GUARDED_BY(mutex_);
  std::uint64_t latest_ns_ GUARDED_BY(mutex_) = 0;  // Two threads' readings may arrive crossed.
  std::uint64_t regions_ GUARDED_BY(mutex_) = 0;
  std::array<std::uint64_t, kThreadSlots> due_ns_ GUARDED_BY(mutex_){};
};

class LatencyRegion final : public pmem::Region {
 public:
  LatencyRegion(std::unique_ptr<pmem::Region> inner, std::shared_ptr<TimedDevice> device)
      : Region(inner->data(), inner->size(), inner->synchronous(), inner->commit_granule(),
               inner->takes_plain_stores()),
        inner_(std::move(inner)),
        device_(std::move(device)),
        number_(device_->add_region()) {}

  Bytes load(std::size_t offset, std::size_t bytes) noexcept override {
    const Bytes loaded = inner_->load(offset, bytes);
    device_->read({number_, offset, bytes});
    return loaded;
  }
  void populate() override { inner_->populate(); }
  void copy(std::size_t offset, Bytes source) noexcept override {
    const std::uint64_t now_ns = device_->now_ns();
    inner_->copy(offset, source);
    device_->write({number_, offset, source.size()}, now_ns);
  }
  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    const std::uint64_t now_ns = device_->now_ns();
    inner_->stream(offset, head, body);
    device_->write({number_, offset, head.size() + body.size()}, now_ns);
  }
  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    const std::uint64_t now_ns = device_->now_ns();
    inner_->store_u64(offset, value);
    device_->write({number_, offset, sizeof value}, now_ns);
  }
  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    const std::uint64_t now_ns = device_->now_ns();
    inner_->flush(offset, bytes);
    if (bytes > 0) device_->write({number_, offset, bytes}, now_ns);
  }
  void fence() noexcept override {
    inner_->fence();
    device_->fence();
  }
  Result<pmem::Ticket> commit(std::size_t begin, std::size_t end) override {
    const pmem::Ticket ticket = NACRE_TRY(inner_->commit(begin, end));
    device_->fence();
    return ticket;
  }
  Status wait(pmem::Ticket ticket) override { return inner_->wait(ticket); }

 private:
  const std::unique_ptr<pmem::Region> inner_;
  const std::shared_ptr<TimedDevice> device_;
  const std::uint64_t number_;
};

class LatencyDomain final : public pmem::Domain {
 public:
  LatencyDomain(std::unique_ptr<pmem::Domain> inner, const MemoryDevice& device,
                const LatencyOptions& options)
      : inner_(std::move(inner)),
        name_(device.name),
        info_(inner_->info()),
        device_(std::make_shared<TimedDevice>(device, options)) {
    info_.reason += fmt::format("; as slow as {}", name_);
  }

  const DomainInfo& info() const noexcept override { return info_; }
  bool synchronous() const noexcept override { return inner_->synchronous(); }
  OpenOptions open_options() const noexcept override { return inner_->open_options(); }
  Result<std::unique_ptr<pmem::Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                            pmem::MapContent content) override {
    const std::string path = file->path().string();
    auto region = NACRE_TRY(inner_->map(std::move(file), bytes, content));
    if (!region->synchronous()) {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("the time of {} is modelled for memory alone; ask for the emulated "
                               "domain",
                               name_))
          .with_path(path);
    }
    return std::make_unique<LatencyRegion>(std::move(region), device_);
  }
  bool drive(const std::function<bool()>& done) override { return inner_->drive(done); }
  Status hold(File& lock) override { return inner_->hold(lock); }
  void let_go(File& lock) noexcept override { inner_->let_go(lock); }
  const IoBackendInfo* io() const noexcept override { return inner_->io(); }
  std::string metrics() const override { return inner_->metrics(); }

 private:
  const std::unique_ptr<pmem::Domain> inner_;
  const std::string name_;
  DomainInfo info_;
  const std::shared_ptr<TimedDevice> device_;
};

}  // namespace

std::unique_ptr<pmem::Domain> make_latency_domain(std::unique_ptr<pmem::Domain> inner,
                                                  const MemoryDevice& device,
                                                  const LatencyOptions& options) {
  return std::make_unique<LatencyDomain>(std::move(inner), device, options);
}

}  // namespace nacre
