#include "emulation/simulation/simulated_region.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "emulation/simulation/line_model.h"
#include "emulation/simulation/machine.h"
#include "emulation/simulation/turn_scheduler.h"
#include "lib/base/assert.h"

namespace nacre {
namespace {

constexpr std::size_t kWordBytes = 8;

class SimulatedRegion final : public pmem::Region {
 public:
  SimulatedRegion(Machine& machine, MediaAddress address, std::size_t bytes)
      : Region(machine.media().guarded(address), bytes, !is_mapped_pages(machine),
               is_mapped_pages(machine) ? kPageBytes : kLineBytes),
        machine_(machine),
        address_(address) {
    machine.media().map(address, bytes);
  }

  Bytes load(std::size_t offset, std::size_t bytes) noexcept override {
    check_range(offset, bytes);
    machine_.before_access(address_ + offset, bytes);
    return {machine_.media().open(address_ + offset), bytes};
  }

  void copy(std::size_t offset, Bytes source) noexcept override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    check_range(offset, source.size());
    // The words in the middle are streamed; what is left at the ends goes through the cache, and is
    // flushed. A strict machine tears those ends anywhere.
    const std::size_t head =
        std::min(source.size(), (kWordBytes - offset % kWordBytes) % kWordBytes);
    const std::size_t middle = (source.size() - head) / kWordBytes * kWordBytes;
    copy_end(offset, source.first(head), site);
    machine_.store(EventKind::kStream, address_ + offset + head, source.subspan(head, middle),
                   site);
    copy_end(offset + head + middle, source.subspan(head + middle), site);
  }

  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    NACRE_ASSERT(offset % kLineBytes == 0);
    const std::size_t bytes = head.size() + body.size();
    const std::size_t whole = (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
    check_range(offset, whole);
    std::vector<std::byte> lines(whole);
    std::ranges::copy(head, lines.begin());
    std::ranges::copy(body, lines.begin() + static_cast<std::ptrdiff_t>(head.size()));
    machine_.store(EventKind::kStream, address_ + offset, lines, site);
  }

  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    NACRE_ASSERT(offset % sizeof value == 0);
    check_range(offset, sizeof value);
    std::array<std::byte, sizeof value> bytes;
    std::memcpy(bytes.data(), &value, sizeof value);
    machine_.store(EventKind::kStore, address_ + offset, bytes, site);
    scheduling_point();
    flush_at(offset, sizeof value, site);
  }

  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    check_range(offset, bytes);
    if (bytes > 0) flush_at(offset, bytes, site);
  }

  void fence() noexcept override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    machine_.add({.kind = EventKind::kFence, .site = site});
  }

  Result<pmem::Ticket> commit(std::size_t begin, std::size_t end) override {
    const void* const site = __builtin_return_address(0);
    const SchedulingPoints points;
    NACRE_ASSERT(begin <= end && end <= size());
    if (synchronous()) {
      machine_.add({.kind = EventKind::kFence, .site = site});
    } else {
      machine_.add({.kind = EventKind::kMemorySync,
                    .address = address_ + begin,
                    .value = end - begin,
                    .site = site});
    }
    return pmem::Ticket{0};
  }
  Status wait(pmem::Ticket) override { return {}; }

 private:
  static bool is_mapped_pages(const Machine& machine) {
    return machine.options().model.memory == MemoryModel::kMappedPages;
  }
  void check_range(std::size_t offset, std::size_t bytes) const noexcept {
    NACRE_ASSERT(offset <= size() && bytes <= size() - offset);
  }
  void flush_at(std::size_t offset, std::size_t bytes, const void* site) {
    machine_.add(
        {.kind = EventKind::kFlush, .address = address_ + offset, .value = bytes, .site = site});
  }
  void copy_end(std::size_t offset, Bytes bytes, const void* site) {
    if (bytes.empty()) return;
    if (machine_.options().model.strict) {
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        machine_.store(EventKind::kStream, address_ + offset + i, bytes.subspan(i, 1), site);
      }
      return;
    }
    machine_.store(EventKind::kStore, address_ + offset, bytes, site);
    flush_at(offset, bytes.size(), site);
  }

  Machine& machine_;
  MediaAddress address_;
};

}  // namespace

std::unique_ptr<pmem::Region> make_simulated_region(Machine& machine, MediaAddress address,
                                                    std::size_t bytes) {
  return std::make_unique<SimulatedRegion>(machine, address, bytes);
}

}  // namespace nacre
