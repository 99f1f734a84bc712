#pragma once

// CRC32C (Castagnoli, RFC 3720 appendix B.4; reflected polynomial 0x82f63b78), by ISA-L.

#include <cstdint>

#include "nacre/types.h"

namespace nacre {

/// Continues `crc` over `bytes`. No inversion at either end, so that calls chain and any seed can
/// be used: crc32c(crc32c(s, a), b) == crc32c(s, ab). The usual CRC32C of `x` is
/// ~crc32c(~0u, x).
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) noexcept;

/// Continues `crc` over the little-endian bytes of three integers, which never go through memory.
/// Behind a fence, loading bytes that were stored in pieces of another size waits for the fence;
/// see docs/domains.md.
std::uint32_t crc32c_fields(std::uint32_t crc, std::uint32_t first, std::uint64_t second,
                            std::uint64_t third) noexcept;

}  // namespace nacre
