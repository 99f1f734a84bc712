#include "lib/store/sparse_index.h"

namespace nacre::store {
namespace {

std::size_t shared_prefix(Bytes a, Bytes b) noexcept {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

void SparseIndexBuilder::add(Bytes key, std::uint64_t offset) {
  const bool first = points_.empty();
  if (first) {
    first_key_.assign(key.begin(), key.end());
    prefix_bytes_ = comparator_.keeps_prefixes() ? key.size() : 0;
  }
  // Keys lie in order, so that no later one shares more with the first.
  const std::size_t shared = shared_prefix(key, Bytes(first_key_).first(prefix_bytes_));
  prefix_bytes_ = shared;
  ++entries_since_point_;
  if (!first && entries_since_point_ <= kEntries && offset - point_offset_ < kBytes) return;
  entries_since_point_ = 1;
  point_offset_ = offset;
  Point point{.entry = static_cast<std::uint32_t>(offset / kEntryAlignment),
              .shared_bytes = static_cast<std::uint32_t>(shared),
              .tail_bytes =
                  static_cast<std::uint32_t>(std::min(key.size() - shared, sizeof(std::uint64_t))),
              .tail = {}};
  std::copy_n(key.begin() + static_cast<std::ptrdiff_t>(shared), point.tail_bytes,
              point.tail.begin());
  points_.push_back(point);
}

std::uint64_t SparseIndexBuilder::head_of(const Point& point) const noexcept {
  // The 8 bytes behind the final prefix: first what the key shares with the first one, then its
  // own.
  std::array<std::byte, 2 * sizeof(std::uint64_t)> bytes{};
  const std::size_t shared = std::min(point.shared_bytes - prefix_bytes_, sizeof(std::uint64_t));
  std::copy_n(first_key_.begin() + static_cast<std::ptrdiff_t>(prefix_bytes_), shared,
              bytes.begin());
  std::copy_n(point.tail.begin(), point.tail_bytes,
              bytes.begin() + static_cast<std::ptrdiff_t>(shared));
  return comparator_.head(Bytes(bytes).first(shared + point.tail_bytes), 0);
}

std::vector<std::byte> SparseIndexBuilder::build() const {
  std::vector<std::byte> area(points_.size() * (sizeof(le64) + sizeof(le32)));
  std::byte* head_at = area.data();
  std::byte* entry_at = area.data() + points_.size() * sizeof(le64);
  for (const Point& point : points_) {
    const le64 head = head_of(point);
    const le32 entry = point.entry;
    std::memcpy(head_at, &head, sizeof head);
    std::memcpy(entry_at, &entry, sizeof entry);
    head_at += sizeof head;
    entry_at += sizeof entry;
  }
  return area;
}

}  // namespace nacre::store
