#pragma once

// The hash index of a table: from a key to its newest entry, in one cache line as a rule. It is the
// table's filter too: a key that is not there costs the same line, and finds the fingerprint of
// another one there once in some ten thousand times.
//
// A bucket that is full passes keys on to the next one, and keeps a bit of each one's hash, so that
// hardly a search goes on in vain. Implements that part of docs/format/table.md.

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "lib/store/table_format.h"
#include "nacre/types.h"

namespace nacre::store {

/// What of a key's hash the index uses.
struct IndexHash {
  std::uint64_t hash = 0;

  /// The bucket where the search begins, of `buckets`.
  std::uint64_t home(std::uint64_t buckets) const noexcept { return (hash >> 32) * buckets >> 32; }
  std::uint16_t fingerprint() const noexcept { return static_cast<std::uint16_t>(hash); }
  std::uint32_t passed_bit() const noexcept { return 1U << ((hash >> 16) & 31); }
};

/// The slots of `bucket` with this fingerprint, as bits. Some may be empty.
inline unsigned matching_slots(const IndexBucket& bucket, std::uint16_t fingerprint) noexcept {
#if defined(__SSE2__)
  // Slots 0 to 7, and 2 to 9: what lies behind the fingerprints is never looked at.
  const auto* words = reinterpret_cast<const std::byte*>(bucket.fingerprint.data());
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(fingerprint));
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words + 4));
  const auto both = static_cast<unsigned>(_mm_movemask_epi8(
      _mm_packs_epi16(_mm_cmpeq_epi16(low, wanted), _mm_cmpeq_epi16(high, wanted))));
  return (both & 0xff) | (both >> 14) << 8;
#else
  unsigned slots = 0;
  for (unsigned i = 0; i < IndexBucket::kSlots; ++i) {
    slots |= static_cast<unsigned>(bucket.fingerprint[i] == fingerprint) << i;
  }
  return slots;
#endif
}

/// Borrows its bytes, which stay where they are. Thread safety: immutable.
class HashIndex {
 public:
  HashIndex() = default;
  /// `bytes`: whole buckets.
  explicit HashIndex(Bytes bytes) noexcept
      : buckets_(reinterpret_cast<const IndexBucket*>(bytes.data())),
        count_(bytes.size() / sizeof(IndexBucket)) {}

  /// Has the cache line brought in where a search for `hash` begins; reads nothing itself.
  void prefetch(IndexHash hash) const noexcept {
    if (count_ > 0) __builtin_prefetch(buckets_ + hash.home(count_));
  }

  /// Calls `visit(offset)` with where each entry begins that may be meant, until it returns true.
  template <class Visit>
  void find(IndexHash hash, Visit&& visit) const noexcept {
    std::uint64_t at = hash.home(count_);
    // As many as there are at most: a damaged index must not keep us for ever.
    for (std::uint64_t left = count_; left > 0; --left) {
      const IndexBucket& bucket = buckets_[at];
      unsigned slots = matching_slots(bucket, hash.fingerprint());
      for (; slots != 0; slots &= slots - 1) {
        const std::uint64_t entry = bucket.entry[static_cast<unsigned>(std::countr_zero(slots))];
        if (entry != 0 && visit(entry * kEntryAlignment)) return;
      }
      if ((bucket.passed & hash.passed_bit()) == 0) return;
      at = at + 1 == count_ ? 0 : at + 1;
    }
  }

 private:
  const IndexBucket* buckets_ = nullptr;
  std::uint64_t count_ = 0;
};

/// Thread safety: one thread at a time. Memory: 16 bytes a key, and the index itself in `build`.
class HashIndexBuilder {
 public:
  /// `offset`: where the newest entry of a key begins.
  void add(IndexHash hash, std::uint64_t offset) {
    keys_.push_back({hash, static_cast<std::uint32_t>(offset / kEntryAlignment)});
  }
  std::uint64_t keys() const noexcept { return keys_.size(); }
  std::uint64_t memory_bytes() const noexcept { return keys_.capacity() * sizeof(Key); }

  std::vector<IndexBucket> build() const;

 private:
  struct Key {
    IndexHash hash;
    std::uint32_t entry;
  };
  std::vector<Key> keys_;
};

}  // namespace nacre::store
