#include "bench/timed_memory.h"

#include <fmt/format.h>

#include <utility>

#include "bench/append_contenders.h"
#include "bench/scratch.h"
#include "lib/base/try.h"
#include "nacre/emulation/latency_model.h"

namespace nacre::bench {
namespace {

/// A region and a place in it, which goes round.
struct TimedFloor {
  ScratchDirectory directory;
  std::unique_ptr<pmem::Domain> domain;
  std::unique_ptr<pmem::Region> region;
  Payloads payloads;
  std::size_t record_bytes;
  std::size_t at = 0;

  bool append(std::uint64_t n) {
    for (; n > 0; --n) {
      if (record_bytes > region->size() - at) at = 0;
      const Bytes source(payloads.data(), record_bytes);
      region->stream(at, {}, source);
      region->fence();
      at += record_bytes;
    }
    return true;
  }
};

Result<std::unique_ptr<pmem::Domain>> domain_as(const MemoryDevice& device,
                                                const std::filesystem::path& directory) {
  PosixFileSystem files;
  auto domain = NACRE_TRY(pmem::choose_domain(files, directory, DomainRequest::kEmulated));
  return make_latency_domain(std::move(domain), device);
}

Result<std::unique_ptr<TimedFloor>> open_floor(const Setting& setting, std::size_t payload_bytes,
                                               const MemoryDevice& device) {
  ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
  auto domain = NACRE_TRY(domain_as(device, directory.path()));
  const std::filesystem::path path = directory.path() / "range";
  NACRE_TRY(create_written_file(path, append_span_bytes(setting)));
  PosixFileSystem files;
  auto file = NACRE_TRY(files.open(path, domain->open_options()));
  auto region =
      NACRE_TRY(domain->map(std::move(file), append_span_bytes(setting), pmem::MapContent::kFresh));
  return std::make_unique<TimedFloor>(TimedFloor{.directory = std::move(directory),
                                                 .domain = std::move(domain),
                                                 .region = std::move(region),
                                                 .payloads = Payloads(payload_bytes),
                                                 .record_bytes = record_bytes(payload_bytes)});
}

/// Takes no time of its own.
constexpr MemoryDevice kNoDevice{.name = "no device",
                                 .source = "",
                                 .read_bytes_per_s = 1'000'000'000'000,
                                 .write_bytes_per_s = 1'000'000'000'000};

Contender region_contender(const Setting& setting, std::size_t payload_bytes, std::string name,
                           Role role, std::string tuning, const MemoryDevice& device) {
  return {std::move(name), role, std::move(tuning), [=]() -> Result<Measure> {
            auto floor = NACRE_TRY(open_floor(setting, payload_bytes, device));
            return Measure([floor = std::move(floor)](Nanoseconds slice) -> Result<double> {
              return *ns_per_operation(slice, [&](std::uint64_t n) { return floor->append(n); });
            });
          }};
}

}  // namespace

Result<std::unique_ptr<pmem::Domain>> timed_domain(const Setting& setting,
                                                   const std::filesystem::path& directory) {
  const auto device = find_memory_device(setting.device);
  if (!device) return nullptr;
  return domain_as(*device, directory);
}

std::string device_words(const Setting& setting) {
  return setting.device.empty() ? "" : fmt::format(", as slow as {}", setting.device);
}

Contender timed_floor(const Setting& setting, std::size_t payload_bytes) {
  const MemoryDevice device = find_memory_device(setting.device).value_or(kNoDevice);
  return region_contender(
      setting, payload_bytes, "floor", Role::kFloor,
      fmt::format("the same lines streamed and fenced through the same domain. {}: {}", device.name,
                  device.source),
      device);
}

Contender host_floor(const Setting& setting, std::size_t payload_bytes) {
  return region_contender(setting, payload_bytes, "host", Role::kVariant,
                          "the floor's work on a device that takes no time: nothing can be shown "
                          "to be faster here",
                          kNoDevice);
}

}  // namespace nacre::bench
