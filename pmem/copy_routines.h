#pragma once

// Stores that go past the caches to persistent memory, in one table chosen once per process from
// what the CPU offers; callers never branch on it.
//
// Nothing here is durable before `fence` returns, and only to the extent the memory behind the
// addresses is persistent. No routine reads a byte outside its sources or writes one outside the
// range it documents.
//
// Thread safety: every function may be called from any thread; a fence waits for its own thread.

#include <cstddef>
#include <span>
#include <string_view>

#include "nacre/types.h"

namespace nacre::pmem {

inline constexpr std::size_t kCacheLineBytes = 64;

/// Starts writing back the cache lines of [begin, begin + bytes). `bytes` is above 0.
using FlushFunction = void (*)(const std::byte* begin, std::size_t bytes) noexcept;

struct CopyRoutines {
  /// Such as "avx512-nt"; shown by `nacre doctor`.
  std::string_view name;

  /// Writes `head`, then `body`, then zeros up to the next multiple of 64 bytes, as whole lines
  /// none of which is read first. `to` is a multiple of 64. A head of 8, 16, 24, 32 or 40 bytes is
  /// fastest when it was built by 8-byte stores: it then comes straight out of the store buffer.
  void (*stream)(std::byte* to, const std::byte* head, std::size_t head_bytes,
                 const std::byte* body, std::size_t body_bytes) noexcept;

  /// Copies `bytes` bytes to any address: whole lines go past the cache, the ragged ends through
  /// it and then to `flush`, so that a fence makes all of it durable.
  void (*copy)(std::byte* to, const std::byte* from, std::size_t bytes,
               FlushFunction flush) noexcept;
};

/// The routines this CPU runs, the best first; the last one is portable and always there.
std::span<const CopyRoutines> supported_copy_routines() noexcept;

/// The best of them.
const CopyRoutines& best_copy_routines() noexcept;

struct FlushRoutine {
  /// "clwb", "clflushopt", "clflush", or "none" where no instruction is known for this CPU:
  /// persistent memory is then refused.
  std::string_view name;
  FlushFunction flush;
};

/// The cheapest instruction this CPU has for writing a line back.
const FlushRoutine& native_flush() noexcept;

/// For memory whose caches are in the domain already.
void no_flush(const std::byte* begin, std::size_t bytes) noexcept;

/// Waits until this thread's streams, copies and flushes have reached the memory controller.
inline void store_fence() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

}  // namespace nacre::pmem
