#pragma once

// Which instructions store past the cache.

namespace nacre {

/// Whether the x86-64 instruction there is a store with a non-temporal hint, or a direct store:
/// MOVNTI, MOVNTQ, MOVNTDQ, MOVNTPS, MOVNTPD, MASKMOVQ, MASKMOVDQU, with their VEX and EVEX forms,
/// and MOVDIRI, MOVDIR64B (Intel SDM, volume 2, 2.1-2.7 for the encoding).
bool is_streaming_store(const void* instruction) noexcept;

}  // namespace nacre
