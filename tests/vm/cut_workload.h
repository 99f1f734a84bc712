#pragma once

// What runs while the power is cut: writers whose every operation follows from a seed and a number,
// so that after a cut it can be told from what is there, and from nothing else, whether it is what
// some number of them left, byte by byte.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "nacre/result.h"

namespace nacre::test {

inline constexpr std::uint32_t kCutWriters = 3;
/// How much one `operate` may leave of what it has not acknowledged.
inline constexpr std::uint64_t kCutMostInFlight = 24;

class CutWorkload {
 public:
  virtual ~CutWorkload() = default;

  /// Opens what is in `directory`, recovering it, or makes it.
  virtual Status open(const std::filesystem::path& directory) = 0;

  /// How many operations of `writer` are there. Looks at everything.
  /// Errors: `corruption` when what is there is not what that many of them leave.
  virtual Result<std::uint64_t> recovered(std::uint32_t writer) = 0;

  /// Does some operations of `writer`, from `sequence` on, one to kCutMostInFlight.
  /// Durability: durable on success. Returns how many. Thread: one for each writer.
  virtual Result<std::uint64_t> operate(std::uint32_t writer, std::uint64_t sequence) = 0;

  /// What goes on beside the writers; called again and again from a thread of its own.
  /// Returns false when there is nothing to do.
  virtual Result<bool> work_beside() = 0;

  virtual Status close() = 0;
};

/// "wal", "log", "store", or "compaction": null for another name.
std::unique_ptr<CutWorkload> make_cut_workload(std::string_view name, std::uint64_t seed);

std::unique_ptr<CutWorkload> make_wal_workload(std::uint64_t seed);
std::unique_ptr<CutWorkload> make_log_workload(std::uint64_t seed);
/// With `compacting` its memtables are flushed, its tables merged and loads done all along.
std::unique_ptr<CutWorkload> make_store_workload(std::uint64_t seed, bool compacting);

}  // namespace nacre::test
