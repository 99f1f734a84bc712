#pragma once

// What this machine offers beside its files and its CPU: the kernel, io_uring, memory.
//
// Thread safety: every function may be called from any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nacre::tools {

struct NamedFlag {
  std::string_view name;
  bool available = false;
};

struct IoUringProbe {
  /// 0 when a ring could be set up; otherwise why not (errno).
  int setup_errno = 0;
  /// The sysctl kernel.io_uring_disabled: 0 allowed, 1 for a group alone, 2 for nobody; empty where
  /// the kernel does not have it.
  std::optional<int> disabled_sysctl;
  std::vector<NamedFlag> features;     ///< What the kernel reports (IORING_FEAT_...).
  std::vector<NamedFlag> setup_flags;  ///< Each tried with a ring of its own (IORING_SETUP_...).
  std::vector<NamedFlag> operations;   ///< What nacre's I/O may use (IORING_OP_...).
  bool registered_buffers = false;     ///< A buffer of 4 KiB could be registered.
};

IoUringProbe probe_io_uring();

struct MemoryProbe {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::optional<std::uint64_t> memlock_limit_bytes;  ///< Empty: no limit.
  std::uint64_t huge_page_bytes = 0;                 ///< 0: none configured in the kernel.
  std::uint64_t huge_pages_total = 0;
  std::uint64_t huge_pages_free = 0;
  std::string transparent_huge_pages;  ///< "always", "madvise", "never"; empty when unknown.
};

MemoryProbe probe_memory();

struct KernelProbe {
  std::string release;       ///< As uname -r.
  std::string architecture;  ///< As uname -m.
  std::string cpu_model;     ///< Empty when the kernel does not tell.
  std::size_t cpus = 0;      ///< That this process may run on.
};

KernelProbe probe_kernel();

/// The word in brackets of a sysfs choice such as "always [madvise] never"; empty without one.
std::string_view chosen_word(std::string_view choices) noexcept;

/// The number behind `name` in /proc/meminfo's form ("Name:   123 kB"), in bytes where the unit is
/// kB; 0 when it is not there.
std::uint64_t meminfo_value(std::string_view meminfo, std::string_view name) noexcept;

}  // namespace nacre::tools
