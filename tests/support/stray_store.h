#pragma once

// For tests of overwrite protection: where a process has files mapped for stores, and how a store
// there ends it.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "pmem/store_key.h"

namespace nacre::test {

inline bool has_protection_keys() noexcept { return pmem::probe_store_keys().kernel; }

/// What this process has mapped, shared and writable by the page tables, of files at or below
/// `path` (proc_pid_maps(5)).
inline std::vector<std::span<std::byte>> mapped_for_stores(const std::filesystem::path& path) {
  std::vector<std::span<std::byte>> views;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3) continue;
    const bool of_path = line.find(" " + path.string()) != std::string::npos;
    if (!of_path || std::string_view(rights) != "rw-s") continue;
    views.emplace_back(reinterpret_cast<std::byte*>(begin), end - begin);
  }
  return views;
}

/// Ends the process, for EXPECT_EXIT: with 0 after `body`, or when that faults with what kind of
/// fault it was, SEGV_ACCERR or SEGV_PKUERR.
template <class Body>
[[noreturn]] void exit_with_fault(Body body) {
  struct sigaction action{};
  action.sa_sigaction = [](int, siginfo_t* info, void*) { std::_Exit(info->si_code); };
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  body();
  std::_Exit(0);
}

inline void store_at(const std::byte* at) {
  *const_cast<volatile std::byte*>(at) = std::byte{0x5a};
}

}  // namespace nacre::test
