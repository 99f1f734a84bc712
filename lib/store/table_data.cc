#include "lib/store/table_data.h"

#include <algorithm>

namespace nacre::store {

TableData::TableData(Bytes file, const TableHeader& header)
    : file_(file.data()),
      data_end_(header.data_end),
      area_end_(header.checksums.offset),
      blocks_((area_end_ - kTableDataOffset + kTableBlockBytes - 1) / kTableBlockBytes),
      checksums_(reinterpret_cast<const le32*>(file.data() + header.checksums.offset)),
      verified_(std::make_unique<std::atomic<std::uint64_t>[]>((blocks_ + 63) / 64)) {}

bool TableData::verify_block(std::uint64_t block, ReadProblem& problem) const noexcept {
  const std::uint64_t begin = kTableDataOffset + block * kTableBlockBytes;
  const std::uint64_t bytes = std::min<std::uint64_t>(kTableBlockBytes, area_end_ - begin);
  if (table_crc({file_ + begin, bytes}) != checksums_[block]) {
    return fail(problem, ReadFault::kChecksum, begin);
  }
  verified_[block / 64].fetch_or(std::uint64_t{1} << (block % 64), std::memory_order_relaxed);
  return true;
}

bool TableData::verify_blocks(std::uint64_t first, std::uint64_t last,
                              ReadProblem& problem) const noexcept {
  for (std::uint64_t block = first; block <= last; ++block) {
    if (!is_verified(block) && !verify_block(block, problem)) return false;
  }
  return true;
}

}  // namespace nacre::store
