#include "pmem/copy_routines_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "pmem/copy_lines.h"

namespace nacre::pmem {
namespace {

struct Sse2Stores {
  static void lines(std::byte* to, const std::byte* from, std::size_t count) noexcept {
    auto* target = reinterpret_cast<__m128i*>(to);
    const auto* source = reinterpret_cast<const __m128i*>(from);
    for (; count > 0; --count, target += 4, source += 4) {
      const __m128i a = _mm_loadu_si128(source);
      const __m128i b = _mm_loadu_si128(source + 1);
      const __m128i c = _mm_loadu_si128(source + 2);
      const __m128i d = _mm_loadu_si128(source + 3);
      _mm_stream_si128(target, a);
      _mm_stream_si128(target + 1, b);
      _mm_stream_si128(target + 2, c);
      _mm_stream_si128(target + 3, d);
    }
  }
  static void finish(const std::byte*, std::size_t) noexcept {}
};

struct Avx2Stores {
  __attribute__((target("avx2"))) static void lines(std::byte* to, const std::byte* from,
                                                    std::size_t count) noexcept {
    auto* target = reinterpret_cast<__m256i*>(to);
    const auto* source = reinterpret_cast<const __m256i*>(from);
    for (; count > 0; --count, target += 2, source += 2) {
      const __m256i a = _mm256_loadu_si256(source);
      const __m256i b = _mm256_loadu_si256(source + 1);
      _mm256_stream_si256(target, a);
      _mm256_stream_si256(target + 1, b);
    }
  }
  static void finish(const std::byte*, std::size_t) noexcept {}
};

}  // namespace

const CopyRoutines kAvx2Routines = {
    .name = "avx2-nt", .stream = &stream_lines<Avx2Stores>, .copy = &copy_lines<Avx2Stores>};
const CopyRoutines kSse2Routines = {
    .name = "sse2-nt", .stream = &stream_lines<Sse2Stores>, .copy = &copy_lines<Sse2Stores>};

}  // namespace nacre::pmem

#endif
