#include "emulation/latency/device_time_model.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "lib/base/assert.h"

namespace nacre {
namespace {

constexpr std::uint64_t kPicosecondsPerNanosecond = 1000;
constexpr std::uint64_t kPicosecondsPerSecond = 1'000'000'000'000;
/// Regions of up to 2^40 units; further bits of a unit's number name its region.
constexpr unsigned kUnitBits = 40;

/// Rounded down; the error of each transfer is less than a picosecond.
std::uint64_t transfer_ps(std::uint64_t bytes, std::uint64_t bytes_per_s) noexcept {
  return static_cast<std::uint64_t>(static_cast<__uint128_t>(bytes) * kPicosecondsPerSecond /
                                    bytes_per_s);
}

}  // namespace

bool OpenUnits::touch(std::uint64_t region, std::uint64_t unit) noexcept {
  if (units_.empty()) return false;
  // Writers of several regions at the same offset should not take one another's place.
  constexpr std::uint64_t kSpread = 23;
  std::uint64_t& place = units_[(unit + region * kSpread) & (units_.size() - 1)];
  return std::exchange(place, region << kUnitBits | unit) == (region << kUnitBits | unit);
}

DeviceTimeModel::DeviceTimeModel(const MemoryDevice& device)
    : device_(device), open_writes_(device.open_units), open_reads_(device.open_units) {
  NACRE_ASSERT(device.unit_bytes >= 64 && std::has_single_bit(device.unit_bytes));
  NACRE_ASSERT(device.read_bytes_per_s > 0 && device.write_bytes_per_s > 0);
  NACRE_ASSERT(device.open_units == 0 ||
               (device.open_units <= 4096 && std::has_single_bit(device.open_units)));
}

std::uint64_t DeviceTimeModel::touch_units(const DeviceRange& range, OpenUnits& open) {
  if (range.bytes == 0) return 0;
  const std::uint64_t first = range.offset / device_.unit_bytes;
  const std::uint64_t last = (range.offset + range.bytes - 1) / device_.unit_bytes;
  std::uint64_t touched = 0;
  for (std::uint64_t unit = first; unit <= last; ++unit) {
    if (!open.touch(range.region, unit)) ++touched;
  }
  return touched;
}

std::uint64_t DeviceTimeModel::write(const DeviceRange& range, std::uint64_t now_ns) {
  if (!started_) {
    started_ = true;
    origin_ns_ = now_ns;
  }
  const std::uint64_t media_bytes = touch_units(range, open_writes_) * device_.unit_bytes;
  media_bytes_written_ += media_bytes;
  const std::uint64_t now_ps = (now_ns - origin_ns_) * kPicosecondsPerNanosecond;
  written_ps_ = std::max(written_ps_, now_ps) + transfer_ps(media_bytes, device_.write_bytes_per_s);
  const std::uint64_t buffered_ps =
      transfer_ps(device_.write_buffer_bytes, device_.write_bytes_per_s);
  const std::uint64_t taken_ps = written_ps_ > buffered_ps ? written_ps_ - buffered_ps : 0;
  const std::uint64_t taken_ns =
      (taken_ps + kPicosecondsPerNanosecond - 1) / kPicosecondsPerNanosecond;
  return std::max(now_ns, origin_ns_ + taken_ns) + device_.write_latency_ns;
}

std::uint64_t DeviceTimeModel::read(const DeviceRange& range, std::uint64_t now_ns) {
  const std::uint64_t units = touch_units(range, open_reads_);
  if (units == 0) return now_ns;
  // The latency brings the first unit.
  const std::uint64_t rest_ps =
      transfer_ps((units - 1) * device_.unit_bytes, device_.read_bytes_per_s);
  return now_ns + device_.read_latency_ns +
         (rest_ps + kPicosecondsPerNanosecond - 1) / kPicosecondsPerNanosecond;
}

}  // namespace nacre
