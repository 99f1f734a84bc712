#pragma once

// Persistent memory of a named device, imitated over memory that is faster: a domain whose writes,
// fences and loads take as long as that device would take, so that a benchmark runs "as on" it.
//
// What is modelled: the time from a write to the return of the fence behind it; the bandwidth the
// device's media take writes with, in units of their own, which makes partial ones cost whole ones;
// a buffer that takes writes faster than the media, and joins writes to one unit; reads through
// `Region::load`. What is not: loads and stores through `Region::data` (a reader of a mapping runs
// at the speed of the host), the caches of the processor, several modules behind one another, one
// writer slowed down by another's reads, wear, and the stall of Optane when one line is flushed
// again and again. Figures are those of one module, the best case of an idle machine.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "nacre/clock.h"
#include "nacre/pmem.h"

namespace nacre {

/// A device as the model sees it.
struct MemoryDevice {
  std::string_view name;    ///< As `find_memory_device` takes it.
  std::string_view source;  ///< Where the figures are from, and which are derived.
  /// From a load that misses every cache to its bytes, in ns.
  std::uint64_t read_latency_ns = 0;
  /// From a write to the return of the fence behind it, when the device is idle, in ns.
  std::uint64_t write_latency_ns = 0;
  /// What the media give and take, in bytes a second; at least 1.
  std::uint64_t read_bytes_per_s = 1;
  std::uint64_t write_bytes_per_s = 1;
  /// What the media read and write at once, in bytes: a power of two, at least 64.
  std::size_t unit_bytes = 64;
  /// Writes that are durable before the media have taken them, in bytes: so far a fence does not
  /// wait for the media. 0 has each fence wait for all of its bytes.
  std::size_t write_buffer_bytes = 0;
  /// How many units are kept open, so that a further write to one of them costs the media nothing,
  /// and a further load no latency; one so many units further takes its place. 0, or a power of two
  /// up to 4096.
  std::size_t open_units = 0;
};

/// "optane200", "cxl", "nvdimm-n".
std::span<const MemoryDevice> known_memory_devices() noexcept;
/// The one of that name.
std::optional<MemoryDevice> find_memory_device(std::string_view name) noexcept;

struct LatencyOptions {
  /// Borrowed; null: the processor's cycles, or the machine's clock where they cannot be counted.
  Clock* clock = nullptr;
  /// Called, without a lock held, again and again until `clock` shows `until_ns`, so that it can
  /// move the clock there. Empty: spins, since no sleep is as short as a fence.
  std::function<void(std::uint64_t until_ns)> wait_until = {};
};

/// `inner`, as slow as `device`. What the host takes counts towards the device's time, so that
/// where the host is the slower one its own time stands.
///
/// `map` refuses regions that are not synchronous with `unsupported`: there the device behind the
/// blocks sets the time. Everything else is as `inner` does it.
/// Lifetime: the options' clock outlives the domain and its regions. Asserts that the device's
/// figures are in range.
std::unique_ptr<pmem::Domain> make_latency_domain(std::unique_ptr<pmem::Domain> inner,
                                                  const MemoryDevice& device,
                                                  const LatencyOptions& options = {});

}  // namespace nacre
