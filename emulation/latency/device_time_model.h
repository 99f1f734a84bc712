#pragma once

// When a device of persistent memory is done with what it is asked, as arithmetic: no clock, no
// waiting, so that a test can say what must come out to the nanosecond.
//
// The media are one server: each unit they write or read takes its bytes over the bandwidth, one
// behind the other. A write is durable once all but the last `write_buffer_bytes` of what the media
// owe are written, and not before its latency has passed.
//
// Thread safety: one thread at a time. Times must not go back.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nacre/emulation/latency_model.h"

namespace nacre {

/// A range of one region: [offset, offset + bytes).
struct DeviceRange {
  std::uint64_t region = 0;  ///< Ranges of different regions share no unit.
  std::size_t offset = 0;
  std::size_t bytes = 0;
};

/// The units that were touched last, a bounded number. Each has one place it can be in, which the
/// next one for that place takes over: a look-up must cost little beside a fence.
class OpenUnits {
 public:
  /// `capacity` is 0 or a power of two.
  explicit OpenUnits(std::size_t capacity) : units_(capacity, kNone) {}
  /// True when `unit` of `region` is open already; it is afterwards, if there is room for any.
  bool touch(std::uint64_t region, std::uint64_t unit) noexcept;

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::vector<std::uint64_t> units_;
};

class DeviceTimeModel {
 public:
  explicit DeviceTimeModel(const MemoryDevice& device);

  /// Bytes of `range` leave the processor at `now_ns`. Returns when they are durable, in ns.
  std::uint64_t write(const DeviceRange& range, std::uint64_t now_ns);

  /// `range` is loaded at `now_ns`. Returns when its last byte is there, in ns: one latency for all
  /// that is not open, because the loads of one range overlap, and the bandwidth for each unit.
  std::uint64_t read(const DeviceRange& range, std::uint64_t now_ns);

  /// What the media have written, in bytes: over what was asked for it is the write amplification.
  std::uint64_t media_bytes_written() const noexcept { return media_bytes_written_; }

 private:
  std::uint64_t touch_units(const DeviceRange& range, OpenUnits& open);

  MemoryDevice device_;
  OpenUnits open_writes_;
  OpenUnits open_reads_;
  std::uint64_t origin_ns_ = 0;  // Of the picoseconds, so that they do not overflow.
  bool started_ = false;
  std::uint64_t written_ps_ = 0;  // When the media have written all that they owe.
  std::uint64_t media_bytes_written_ = 0;
};

}  // namespace nacre
