#include "bench/nt_store.h"

#include <immintrin.h>

namespace nacre::bench {
namespace {

__attribute__((target("avx512f"), always_inline)) inline void line_avx512(
    std::byte* to, const std::byte* from) noexcept {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
}

__attribute__((target("avx2"), always_inline)) inline void line_avx2(
    std::byte* to, const std::byte* from) noexcept {
  for (std::size_t at = 0; at < kLineBytes; at += sizeof(__m256i)) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + at),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at)));
  }
}

__attribute__((always_inline)) inline void line_sse2(std::byte* to,
                                                     const std::byte* from) noexcept {
  for (std::size_t at = 0; at < kLineBytes; at += sizeof(__m128i)) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + at),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
  }
}

// The loop is written once for each instruction set: a call for each line or record would be a
// cost that is not the memory's. GCC inlines a target-specific function only into its like, hence
// a macro in place of a template.
#define NACRE_BENCH_DEFINE_LOOPS(suffix, attributes)                                            \
  attributes void stream_##suffix(std::byte* to, const std::byte* from,                         \
                                  std::size_t lines) noexcept {                                 \
    for (std::size_t i = 0; i < lines; ++i) {                                                   \
      line_##suffix(to + i * kLineBytes, from + i * kLineBytes);                                \
    }                                                                                           \
  }                                                                                             \
  attributes void floor_##suffix(FloorLoop& loop, std::uint64_t n) noexcept {                   \
    const std::size_t bytes = loop.record_bytes;                                                \
    std::size_t position = loop.position;                                                       \
    for (std::uint64_t i = loop.count; i < loop.count + n; ++i) {                               \
      if (position + bytes > loop.range.size()) position = 0;                                   \
      std::byte* to = loop.range.data() + position;                                             \
      const std::byte* from = loop.source + (i % 16) * loop.source_stride;                      \
      for (std::size_t at = 0; at < bytes; at += kLineBytes) line_##suffix(to + at, from + at); \
      _mm_sfence();                                                                             \
      position += bytes;                                                                        \
    }                                                                                           \
    loop.position = position;                                                                   \
    loop.count += n;                                                                            \
  }

NACRE_BENCH_DEFINE_LOOPS(avx512, __attribute__((target("avx512f"))))
NACRE_BENCH_DEFINE_LOOPS(avx2, __attribute__((target("avx2"))))
NACRE_BENCH_DEFINE_LOOPS(sse2, )
#undef NACRE_BENCH_DEFINE_LOOPS

struct Routines {
  void (*stream)(std::byte*, const std::byte*, std::size_t) noexcept;
  void (*floor)(FloorLoop&, std::uint64_t) noexcept;
  std::string_view name;
};

const Routines& routines() noexcept {
  static const Routines chosen = [] {
    if (__builtin_cpu_supports("avx512f")) return Routines{stream_avx512, floor_avx512, "avx512"};
    if (__builtin_cpu_supports("avx2")) return Routines{stream_avx2, floor_avx2, "avx2"};
    return Routines{stream_sse2, floor_sse2, "sse2"};
  }();
  return chosen;
}

}  // namespace

void run_floor(FloorLoop& loop, std::uint64_t n) noexcept { routines().floor(loop, n); }

void stream_lines(std::byte* to, const std::byte* from, std::size_t lines) noexcept {
  routines().stream(to, from, lines);
}

void store_fence() noexcept { _mm_sfence(); }

std::string_view stream_instruction_set() noexcept { return routines().name; }

}  // namespace nacre::bench
