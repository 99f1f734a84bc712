#include "tools/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "nacre/file_system.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

// What a handful of lanes wants to register with the kernel: their images of 4 MiB and the buffers
// of the ring.
constexpr std::uint64_t kComfortableMemlockBytes = std::uint64_t{64} << 20;

/// What a log gets whose user asks for nothing in particular.
Result<IoBackendInfo> probe_io_engine(FileSystem& file_system) {
  IoBackendInfo info = NACRE_TRY(make_io_backend(file_system))->info();
  const auto files = std::ranges::find(info.features, "registered_files", &IoFeature::name);
  if (files == info.features.end() || files->on) return info;
  IoBackendInfo posix =
      NACRE_TRY(make_io_backend(file_system, {.engine = IoEngine::kPosix}))->info();
  posix.reason = fmt::format("a log's lock has to be registered with io_uring: {}", files->reason);
  return posix;
}

}  // namespace

Result<Diagnosis> examine(const std::filesystem::path& directory) {
  PosixFileSystem file_system;
  pmem::DirectoryProbe probe = NACRE_TRY(pmem::probe_directory(file_system, directory));
  Result<DomainInfo> power = pmem::decide_domain(probe, DomainRequest::kAuto);
  Result<DomainInfo> process = pmem::decide_domain(probe, DomainRequest::kEmulated);
  std::error_code failed;
  const std::filesystem::space_info space = std::filesystem::space(directory, failed);
  Diagnosis diagnosis{.directory = std::move(probe),
                      .free_bytes = failed ? 0 : space.available,
                      .power = std::move(power),
                      .process = std::move(process),
                      .cpu = pmem::probe_cpu(),
                      .kernel = probe_kernel(),
                      .memory = probe_memory(),
                      .io_uring = probe_io_uring(),
                      .io_engine = NACRE_TRY(probe_io_engine(file_system))};
  diagnosis.advice = find_advice(diagnosis);
  return diagnosis;
}

std::vector<std::string> find_advice(const Diagnosis& diagnosis) {
  std::vector<std::string> advice;
  if (!diagnosis.power) {
    advice.emplace_back(
        "Nothing written in this directory can be made safe against power loss. Put the log on a "
        "disk, or say that a crash of the process is all it has to survive: --durability process.");
  }
  if (diagnosis.directory.unsafe_shutdowns.value_or(0) > 0) {
    advice.push_back(
        fmt::format("The device has counted {} {} that lost its buffers. If the number grows, its "
                    "power-fail protection is broken.",
                    *diagnosis.directory.unsafe_shutdowns,
                    plural(*diagnosis.directory.unsafe_shutdowns, "shutdown")));
  }
  const auto& memlock = diagnosis.memory.memlock_limit_bytes;
  if (memlock && *memlock < kComfortableMemlockBytes) {
    advice.push_back(
        fmt::format("Only {} of memory may be locked. Raise it ('ulimit -l', or "
                    "LimitMEMLOCK= of the service) so that I/O buffers can be "
                    "registered with the kernel.",
                    format_bytes(*memlock)));
  }
  if (diagnosis.memory.transparent_huge_pages == "never") {
    advice.emplace_back(
        "Transparent huge pages are off. 'madvise' lets nacre's log images use them: "
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
  }
  if (diagnosis.io_uring.disabled_sysctl.value_or(0) != 0) {
    advice.emplace_back(
        "io_uring is disabled for this user; 'sysctl kernel.io_uring_disabled=0' "
        "allows it.");
  }
  return advice;
}

}  // namespace nacre::tools
