#include <algorithm>
#include <array>

#include "nacre/emulation/latency_model.h"

namespace nacre {
namespace {

constexpr std::uint64_t kGigabyte = 1'000'000'000;

constexpr std::array kDevices{
    MemoryDevice{
        .name = "optane200",
        .source = "Intel Optane PMem 200, one module. Latencies (305 ns random load, 90 ns "
                  "non-temporal store and fence), units of 256 bytes and the 16 KiB of buffer that "
                  "joins writes to one: Yang et al., An Empirical Guide to the Behavior and Use of "
                  "Scalable Persistent Memory, FAST 2020, sections 3 and 5, measured on the 100 "
                  "series. Bandwidths: 6.6 and 2.3 GB/s of one module of the 100 series "
                  "(Izraelevitz et al., arXiv:1903.05714) and the 15 % that Intel's slides give "
                  "the 200 series over it (ComputerBase, March 2020): derived, not measured.",
        .read_latency_ns = 305,
        .write_latency_ns = 90,
        .read_bytes_per_s = 76 * kGigabyte / 10,
        .write_bytes_per_s = 26 * kGigabyte / 10,
        .unit_bytes = 256,
        .write_buffer_bytes = std::size_t{16} << 10,
        .open_units = 64},
    MemoryDevice{
        .name = "cxl",
        .source = "A non-volatile CXL memory module (NV-CMM), CXL x8 of generation 5: about 200 ns "
                  "round trip and 32 GB/s, SMART Modular Technologies, NV-CMM: Modernizing "
                  "Persistent Memory with CXL Technology (white paper). A fence waits until the "
                  "device has answered, so that a write is taken to cost a round trip, too. With "
                  "Global Persistent Flush a store is durable earlier; this is the way of flush "
                  "and fence.",
        .read_latency_ns = 200,
        .write_latency_ns = 200,
        .read_bytes_per_s = 32 * kGigabyte,
        .write_bytes_per_s = 32 * kGigabyte},
    MemoryDevice{
        .name = "nvdimm-n",
        .source = "An NVDIMM-N is DRAM until the power fails. Latencies of DDR4 (101 ns random "
                  "load, 86 ns non-temporal store and fence): Yang et al., FAST 2020, section 3. "
                  "Bandwidth: 2933 MT/s of 8 bytes, Micron's module of 32 GB.",
        .read_latency_ns = 101,
        .write_latency_ns = 86,
        .read_bytes_per_s = 23'464 * kGigabyte / 1000,
        .write_bytes_per_s = 23'464 * kGigabyte / 1000}};

}  // namespace

std::span<const MemoryDevice> known_memory_devices() noexcept { return kDevices; }

std::optional<MemoryDevice> find_memory_device(std::string_view name) noexcept {
  const auto* found = std::ranges::find(kDevices, name, &MemoryDevice::name);
  if (found == kDevices.end()) return std::nullopt;
  return *found;
}

}  // namespace nacre
