#include "pmem/copy_routines.h"

#include <array>
#include <cstdint>

#include "pmem/copy_lines.h"
#include "pmem/copy_routines_internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace nacre::pmem {
namespace {

struct CachedStores {
  static void lines(std::byte* to, const std::byte* from, std::size_t count) noexcept {
    if (count > 0) std::memcpy(to, from, count * kCacheLineBytes);
  }
  static void finish(const std::byte* begin, std::size_t bytes) noexcept {
    native_flush().flush(begin, bytes);
  }
};

constexpr CopyRoutines kPortableRoutines = {
    .name = "portable", .stream = &stream_lines<CachedStores>, .copy = &copy_lines<CachedStores>};

class SupportedRoutines {
 public:
  SupportedRoutines() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2")) {
      add(kAvx512Routines);
    }
    if (__builtin_cpu_supports("avx2")) add(kAvx2Routines);
    add(kSse2Routines);
#endif
    add(kPortableRoutines);
  }
  std::span<const CopyRoutines> list() const noexcept { return {routines_.data(), count_}; }

 private:
  void add(const CopyRoutines& routines) noexcept { routines_[count_++] = routines; }

  std::array<CopyRoutines, 4> routines_{};
  std::size_t count_ = 0;
};

#if defined(__x86_64__)

std::uintptr_t line_of(const std::byte* address) noexcept {
  return reinterpret_cast<std::uintptr_t>(address) & ~(kCacheLineBytes - 1);
}

__attribute__((target("clwb"))) void flush_clwb(const std::byte* begin,
                                                std::size_t bytes) noexcept {
  const auto end = reinterpret_cast<std::uintptr_t>(begin) + bytes;
  for (std::uintptr_t line = line_of(begin); line < end; line += kCacheLineBytes) {
    _mm_clwb(reinterpret_cast<void*>(line));
  }
}

__attribute__((target("clflushopt"))) void flush_clflushopt(const std::byte* begin,
                                                            std::size_t bytes) noexcept {
  const auto end = reinterpret_cast<std::uintptr_t>(begin) + bytes;
  for (std::uintptr_t line = line_of(begin); line < end; line += kCacheLineBytes) {
    _mm_clflushopt(reinterpret_cast<void*>(line));
  }
}

void flush_clflush(const std::byte* begin, std::size_t bytes) noexcept {
  const auto end = reinterpret_cast<std::uintptr_t>(begin) + bytes;
  for (std::uintptr_t line = line_of(begin); line < end; line += kCacheLineBytes) {
    _mm_clflush(reinterpret_cast<void*>(line));
  }
}

/// CPUID leaf 7, subleaf 0, EBX (Intel SDM volume 2, CPUID). The compiler's own test by name is no
/// use: g++ 12 does not know "clwb" there.
FlushRoutine choose_flush() noexcept {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    if ((ebx & bit_CLWB) != 0) return {.name = "clwb", .flush = &flush_clwb};
    if ((ebx & bit_CLFLUSHOPT) != 0) return {.name = "clflushopt", .flush = &flush_clflushopt};
  }
  return {.name = "clflush", .flush = &flush_clflush};
}

#else

FlushRoutine choose_flush() noexcept { return {.name = "none", .flush = &no_flush}; }

#endif

}  // namespace

void no_flush(const std::byte*, std::size_t) noexcept {}

std::span<const CopyRoutines> supported_copy_routines() noexcept {
  static const SupportedRoutines supported;
  return supported.list();
}

const CopyRoutines& best_copy_routines() noexcept { return supported_copy_routines().front(); }

const FlushRoutine& native_flush() noexcept {
  static const FlushRoutine chosen = choose_flush();
  return chosen;
}

}  // namespace nacre::pmem
