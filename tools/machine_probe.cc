#include "tools/machine_probe.h"

#include <liburing.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

namespace nacre::tools {
namespace {

constexpr unsigned kProbeEntries = 4;
constexpr std::size_t kProbeBufferBytes = 4096;

constexpr std::array<std::pair<std::string_view, unsigned>, 6> kFeatures = {{
    {"nodrop", IORING_FEAT_NODROP},
    {"submit_stable", IORING_FEAT_SUBMIT_STABLE},
    {"ext_arg", IORING_FEAT_EXT_ARG},
    {"native_workers", IORING_FEAT_NATIVE_WORKERS},
    {"rsrc_tags", IORING_FEAT_RSRC_TAGS},
    {"linked_file", IORING_FEAT_LINKED_FILE},
}};

// DEFER_TASKRUN is refused without SINGLE_ISSUER (io_uring_setup(2)).
constexpr std::array<std::pair<std::string_view, unsigned>, 5> kSetupFlags = {{
    {"coop_taskrun", IORING_SETUP_COOP_TASKRUN},
    {"single_issuer", IORING_SETUP_SINGLE_ISSUER},
    {"defer_taskrun", IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER},
    {"sqpoll", IORING_SETUP_SQPOLL},
    {"iopoll", IORING_SETUP_IOPOLL},
}};

constexpr std::array<std::pair<std::string_view, int>, 9> kOperations = {{
    {"read_fixed", IORING_OP_READ_FIXED},
    {"write_fixed", IORING_OP_WRITE_FIXED},
    {"fsync", IORING_OP_FSYNC},
    {"fallocate", IORING_OP_FALLOCATE},
    {"openat", IORING_OP_OPENAT},
    {"renameat", IORING_OP_RENAMEAT},
    {"unlinkat", IORING_OP_UNLINKAT},
    {"link_timeout", IORING_OP_LINK_TIMEOUT},
    {"msg_ring", IORING_OP_MSG_RING},
}};

std::string read_text(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<std::uint64_t> leading_number(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  return number;
}

bool ring_can_be_set_up(unsigned flags) {
  io_uring ring{};
  if (io_uring_queue_init(kProbeEntries, &ring, flags) != 0) return false;
  io_uring_queue_exit(&ring);
  return true;
}

bool can_register_buffer(io_uring& ring) {
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(kProbeBufferBytes, kProbeBufferBytes), &std::free);
  if (memory == nullptr) return false;
  const iovec buffer{.iov_base = memory.get(), .iov_len = kProbeBufferBytes};
  if (io_uring_register_buffers(&ring, &buffer, 1) != 0) return false;
  return io_uring_unregister_buffers(&ring) == 0;
}

std::vector<NamedFlag> probe_operations(io_uring& ring) {
  std::vector<NamedFlag> operations;
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  for (const auto& [name, operation] : kOperations) {
    const bool available = probe != nullptr && io_uring_opcode_supported(probe, operation) != 0;
    operations.push_back({.name = name, .available = available});
  }
  if (probe != nullptr) io_uring_free_probe(probe);
  return operations;
}

std::string cpu_model() {
  const std::string cpuinfo = read_text("/proc/cpuinfo");
  const std::size_t name = cpuinfo.find("model name");
  if (name == std::string::npos) return {};
  const std::size_t begin = cpuinfo.find(": ", name);
  const std::size_t end = cpuinfo.find('\n', name);
  if (begin == std::string::npos || begin > end) return {};
  return cpuinfo.substr(begin + 2, end - begin - 2);
}

}  // namespace

IoUringProbe probe_io_uring() {
  IoUringProbe probe;
  if (const auto value = leading_number(read_text("/proc/sys/kernel/io_uring_disabled"))) {
    probe.disabled_sysctl = static_cast<int>(*value);
  }
  io_uring ring{};
  io_uring_params params{};
  const int result = io_uring_queue_init_params(kProbeEntries, &ring, &params);
  if (result != 0) {
    probe.setup_errno = -result;
    return probe;
  }
  for (const auto& [name, bit] : kFeatures) {
    probe.features.push_back({.name = name, .available = (params.features & bit) != 0});
  }
  probe.operations = probe_operations(ring);
  probe.registered_buffers = can_register_buffer(ring);
  io_uring_queue_exit(&ring);
  for (const auto& [name, flags] : kSetupFlags) {
    probe.setup_flags.push_back({.name = name, .available = ring_can_be_set_up(flags)});
  }
  return probe;
}

MemoryProbe probe_memory() {
  const std::string meminfo = read_text("/proc/meminfo");
  MemoryProbe probe;
  probe.total_bytes = meminfo_value(meminfo, "MemTotal");
  probe.available_bytes = meminfo_value(meminfo, "MemAvailable");
  probe.huge_page_bytes = meminfo_value(meminfo, "Hugepagesize");
  probe.huge_pages_total = meminfo_value(meminfo, "HugePages_Total");
  probe.huge_pages_free = meminfo_value(meminfo, "HugePages_Free");
  probe.transparent_huge_pages =
      chosen_word(read_text("/sys/kernel/mm/transparent_hugepage/enabled"));
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    probe.memlock_limit_bytes = limit.rlim_cur;
  }
  return probe;
}

KernelProbe probe_kernel() {
  KernelProbe probe;
  utsname names{};
  if (::uname(&names) == 0) {
    probe.release = names.release;
    probe.architecture = names.machine;
  }
  probe.cpu_model = cpu_model();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
    probe.cpus = static_cast<std::size_t>(CPU_COUNT(&cpus));
  }
  return probe;
}

std::string_view chosen_word(std::string_view choices) noexcept {
  const std::size_t open = choices.find('[');
  if (open == std::string_view::npos) return {};
  const std::size_t close = choices.find(']', open);
  if (close == std::string_view::npos) return {};
  return choices.substr(open + 1, close - open - 1);
}

std::uint64_t meminfo_value(std::string_view meminfo, std::string_view name) noexcept {
  while (!meminfo.empty()) {
    const std::size_t end = std::min(meminfo.find('\n'), meminfo.size());
    std::string_view line = meminfo.substr(0, end);
    meminfo.remove_prefix(std::min(end + 1, meminfo.size()));
    if (!line.starts_with(name) || line.size() == name.size() || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::uint64_t unit = line.ends_with(" kB") ? 1024 : 1;
    return leading_number(line).value_or(0) * unit;
  }
  return 0;
}

}  // namespace nacre::tools
