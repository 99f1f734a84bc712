#pragma once

// A transfer in several pieces of memory, as preadv(2), pwritev(2) and io_uring take it.

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace nacre {

/// One call moves at most so much (the kernel would cut at 2 GiB less a page), in so many parts.
inline constexpr std::size_t kMaxTransferBytes = std::size_t{1} << 30;
inline constexpr std::size_t kMaxTransferParts = 1024;

/// Puts into `parts` what `pieces` hold from their byte `skip` on, as far as one call takes it, and
/// at most `most` bytes; returns how many bytes that is.
template <class Pieces>
std::size_t gather_parts(const Pieces& pieces, std::size_t skip, std::vector<iovec>& parts,
                         std::size_t most = kMaxTransferBytes) {
  parts.clear();
  std::size_t gathered = 0;
  for (const auto& piece : pieces) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const std::size_t bytes = std::min(piece.size() - skip, most - gathered);
    if (bytes == 0 || parts.size() == kMaxTransferParts) break;
    // The kernel's type is one for reading and writing, and so without `const`.
    auto* const data = const_cast<std::byte*>(piece.data() + skip);
    parts.push_back({.iov_base = data, .iov_len = bytes});
    gathered += bytes;
    skip = 0;
  }
  return gathered;
}

}  // namespace nacre
