#include "pmem/copy_routines_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

// Masked loads suppress faults in the lanes they leave out (Intel SDM volume 1, 15.6.4), so that a
// line is put together from pieces of any length without a byte outside them being touched.
#define NACRE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi2")))
#define NACRE_AVX512_INLINE NACRE_AVX512 __attribute__((always_inline)) inline

namespace nacre::pmem {
namespace {

NACRE_AVX512_INLINE __mmask64 first_lanes(std::size_t lanes) noexcept {
  return _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(lanes));
}

/// `base` less `bytes`, as an address of which only lanes from `bytes` on may be read.
NACRE_AVX512_INLINE const void* before(const std::byte* base, std::size_t bytes) noexcept {
  return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(base) - bytes);
}

NACRE_AVX512_INLINE void store_line(std::byte* to, __m512i line) noexcept {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), line);
}

NACRE_AVX512_INLINE __m512i with_word(__m512i line, unsigned index,
                                      const std::byte* head) noexcept {
  long long word;
  __builtin_memcpy(&word, head + index * sizeof word, sizeof word);
  return _mm512_mask_set1_epi64(line, static_cast<__mmask8>(1u << index), word);
}

/// Puts the `head_bytes` (1 to 63) bytes of `head` over the front of `line`.
///
/// The caller has just stored the head, and the fence before that keeps its stores in the store
/// buffer. A load as wide as the line would wait for them to drain, after the fence: 5 ns of every
/// append (docs/domains.md). Loads of the same 8 bytes as were stored are served from the buffer.
NACRE_AVX512_INLINE __m512i with_head(__m512i line, const std::byte* head,
                                      std::size_t head_bytes) noexcept {
  switch (head_bytes) {
    case 40:
      line = with_word(line, 4, head);
      [[fallthrough]];
    case 32:
      line = with_word(line, 3, head);
      [[fallthrough]];
    case 24:
      line = with_word(line, 2, head);
      [[fallthrough]];
    case 16:
      line = with_word(line, 1, head);
      [[fallthrough]];
    case 8:
      return with_word(line, 0, head);
    default:
      return _mm512_mask_loadu_epi8(line, first_lanes(head_bytes), head);
  }
}

NACRE_AVX512 void stream(std::byte* to, const std::byte* head, std::size_t head_bytes,
                         const std::byte* body, std::size_t body_bytes) noexcept {
  for (; head_bytes >= kCacheLineBytes; head_bytes -= kCacheLineBytes) {
    store_line(to, _mm512_loadu_si512(head));
    to += kCacheLineBytes;
    head += kCacheLineBytes;
  }
  if (head_bytes > 0) {
    const std::size_t taken = std::min(kCacheLineBytes - head_bytes, body_bytes);
    __m512i line = _mm512_setzero_si512();
    if (taken > 0) {
      line = _mm512_maskz_loadu_epi8(first_lanes(taken) << head_bytes, before(body, head_bytes));
    }
    store_line(to, with_head(line, head, head_bytes));
    to += kCacheLineBytes;
    body += taken;
    body_bytes -= taken;
  }
  for (; body_bytes >= kCacheLineBytes; body_bytes -= kCacheLineBytes) {
    store_line(to, _mm512_loadu_si512(body));
    to += kCacheLineBytes;
    body += kCacheLineBytes;
  }
  if (body_bytes > 0) {
    store_line(to, _mm512_maskz_loadu_epi8(first_lanes(body_bytes), body));
  }
}

/// Copies fewer than 64 bytes through the cache.
NACRE_AVX512_INLINE void copy_ragged(std::byte* to, const std::byte* from, std::size_t bytes,
                                     FlushFunction flush) noexcept {
  const __mmask64 lanes = first_lanes(bytes);
  _mm512_mask_storeu_epi8(to, lanes, _mm512_maskz_loadu_epi8(lanes, from));
  flush(to, bytes);
}

NACRE_AVX512 void copy(std::byte* to, const std::byte* from, std::size_t bytes,
                       FlushFunction flush) noexcept {
  const std::size_t past_line = reinterpret_cast<std::uintptr_t>(to) % kCacheLineBytes;
  if (past_line != 0 && bytes > 0) {
    const std::size_t ragged = std::min(kCacheLineBytes - past_line, bytes);
    copy_ragged(to, from, ragged, flush);
    to += ragged;
    from += ragged;
    bytes -= ragged;
  }
  for (; bytes >= kCacheLineBytes; bytes -= kCacheLineBytes) {
    store_line(to, _mm512_loadu_si512(from));
    to += kCacheLineBytes;
    from += kCacheLineBytes;
  }
  if (bytes > 0) copy_ragged(to, from, bytes, flush);
}

}  // namespace

const CopyRoutines kAvx512Routines = {.name = "avx512-nt", .stream = &stream, .copy = &copy};

}  // namespace nacre::pmem

#endif
