#include "lib/store/hash_index.h"

#include <algorithm>

namespace nacre::store {
namespace {

/// Eight of ten slots: fuller, and searches pass on too often; emptier, and misses in the cache
/// grow with the index.
constexpr std::uint64_t kKeysPerBucket = 8;
/// The bucket of a key is asked for so many keys ahead.
constexpr std::size_t kPrefetchKeys = 16;

/// False when the bucket is full; it then remembers that `hash` went on.
bool place(IndexBucket& bucket, IndexHash hash, std::uint32_t entry) noexcept {
  for (std::size_t slot = 0; slot < IndexBucket::kSlots; ++slot) {
    if (bucket.entry[slot] != 0) continue;
    bucket.fingerprint[slot] = hash.fingerprint();
    bucket.entry[slot] = entry;
    return true;
  }
  bucket.passed = bucket.passed | hash.passed_bit();
  return false;
}

}  // namespace

std::vector<IndexBucket> HashIndexBuilder::build() const {
  const std::uint64_t count = (keys_.size() + kKeysPerBucket - 1) / kKeysPerBucket;
  std::vector<IndexBucket> buckets(count, IndexBucket{});
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const std::size_t ahead = std::min(i + kPrefetchKeys, keys_.size() - 1);
    __builtin_prefetch(&buckets[keys_[ahead].hash.home(count)], 1);
    std::uint64_t at = keys_[i].hash.home(count);
    while (!place(buckets[at], keys_[i].hash, keys_[i].entry)) {
      at = at + 1 == count ? 0 : at + 1;
    }
  }
  return buckets;
}

}  // namespace nacre::store
