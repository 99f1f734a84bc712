#pragma once

// What a crash may leave of what a program wrote: the parameters of the simulated machine.
//
// docs/crash_testing.md says what each of them means and where it comes from.

#include <cstddef>
#include <cstdint>
#include <string>

namespace nacre {

/// How stores to mapped memory become durable.
enum class MemoryModel : std::uint8_t {
  /// ADR: a line of 64 bytes keeps a prefix of the stores to it since it was last flushed and
  /// fenced by the thread that flushed; streamed words are in any order until a fence.
  kCacheLine,
  /// eADR, CXL GPF: cached stores survive as soon as they are visible, in the order of all stores;
  /// streamed words are in any order until a fence.
  kDurableCache,
  /// A mapped file of the page cache: each page holds any of its contents since the last msync that
  /// succeeded.
  kMappedPages,
};

/// Which of the operations on names that no directory sync has covered a crash may leave.
enum class NameModel : std::uint8_t {
  kPosixMinimum,    ///< Any set that contains, with each operation, those it depends on.
  kOrderedJournal,  ///< The first so many.
};

struct CrashModel {
  MemoryModel memory = MemoryModel::kCacheLine;
  NameModel names = NameModel::kPosixMinimum;
  /// What a file's device writes as a whole: 512 or 4096.
  std::size_t device_unit_bytes = 4096;
  /// Torn further than usual: the ends of a copy byte by byte, mapped pages by sectors of 512.
  bool strict = false;
  /// A unit of a device that was being written may hold garbage.
  bool paranoid = false;

  static CrashModel cache_line() { return {}; }
  static CrashModel durable_cache() { return {.memory = MemoryModel::kDurableCache}; }
  static CrashModel mapped_pages() { return {.memory = MemoryModel::kMappedPages}; }

  /// Such as "cache_line,posix_minimum,4096" with ",strict" and ",paranoid" when set.
  std::string name() const;
};

}  // namespace nacre
