#include "lib/codec/crc32c.h"

#include <cstddef>
#include <span>

#include <isa-l/crc.h>

#include "lib/base/endian.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nacre {
namespace {

/// ISA-L counts in int.
constexpr std::size_t kPieceBytes = std::size_t{1} << 30;
constexpr std::size_t kWideBytes = 128;

/// It inverts at neither end, so that pieces chain.
std::uint32_t by_isal(std::uint32_t crc, const std::byte* at, std::size_t bytes) noexcept {
  // ISA-L only reads, but its parameter is not const.
  return crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<std::byte*>(at)),
                     static_cast<int>(bytes), crc);
}

#if defined(__x86_64__)
__attribute__((target("avx"))) void zero_upper() noexcept { _mm256_zeroupper(); }
#endif

/// ISA-L's widest routine leaves the upper halves of the vector registers in use, and every SSE
/// instruction behind it then waits for them: a loop over 1-KiB records ran at half its speed
/// (`./dev bench wal --filter read_seq`). Intel Optimization Reference Manual, 3.11.5.3.
void clean_wide_registers() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx")) [[likely]]
    zero_upper();
#endif
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t fields_by_instruction(
    std::uint32_t crc, std::uint32_t first, std::uint64_t second, std::uint64_t third) noexcept {
  const std::uint64_t so_far = _mm_crc32_u64(_mm_crc32_u32(crc, first), second);
  return static_cast<std::uint32_t>(_mm_crc32_u64(so_far, third));
}
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  while (left > kPieceBytes) [[unlikely]] {
    crc = by_isal(crc, at, kPieceBytes);
    at += kPieceBytes;
    left -= kPieceBytes;
  }
  crc = by_isal(crc, at, left);
  // Short pieces do not reach the wide registers.
  if (bytes.size() >= kWideBytes) clean_wide_registers();
  return crc;
}

std::uint32_t crc32c_fields(std::uint32_t crc, std::uint32_t first, std::uint64_t second,
                            std::uint64_t third) noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) [[likely]] {
    return fields_by_instruction(crc, first, second, third);
  }
#endif
  struct {
    le32 first;
    le64 second;
    le64 third;
  } const fields{first, second, third};
  static_assert(sizeof fields == 20);
  return crc32c(crc, std::as_bytes(std::span(&fields, 1)));
}

}  // namespace nacre
