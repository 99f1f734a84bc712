#include "lib/store/hash_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "lib/store/table_hash.h"
#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre::store {
namespace {

/// Where the entries lie that a search meets, in turn.
std::vector<std::uint64_t> met(const HashIndex& index, std::uint64_t hash) {
  std::vector<std::uint64_t> offsets;
  index.find({hash}, [&](std::uint64_t offset) {
    offsets.push_back(offset);
    return false;
  });
  return offsets;
}

TEST(HashIndex, FindsEveryKeyWhateverTheLoad) {
  SeededRandom random(test::seed());
  for (const std::size_t count : {1U, 7U, 8U, 9U, 100U, 20'000U}) {
    HashIndexBuilder builder;
    std::vector<std::uint64_t> hashes;
    for (std::size_t i = 0; i < count; ++i) {
      hashes.push_back(random.next_u64());
      builder.add({hashes.back()}, 4096 + i * 8);
    }
    const auto buckets = builder.build();
    const HashIndex index(std::as_bytes(std::span(buckets)));
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(std::ranges::count(met(index, hashes[i]), 4096 + i * 8) == 1);
    }
  }
}

TEST(HashIndex, MeetsAnotherKeyOnceInTenThousandTimesAtMost) {
  SeededRandom random(test::seed());
  HashIndexBuilder builder;
  for (std::size_t i = 0; i < 200'000; ++i) builder.add({random.next_u64()}, 4096 + i * 8);
  const auto buckets = builder.build();
  const HashIndex index(std::as_bytes(std::span(buckets)));
  std::size_t false_matches = 0;
  constexpr std::size_t kMisses = 500'000;
  for (std::size_t i = 0; i < kMisses; ++i) false_matches += met(index, random.next_u64()).size();
  // 8 slots of 16 bits: 61 are expected.
  EXPECT_LT(false_matches, 120u);
}

TEST(HashIndex, HoldsKeysOfOneHash) {
  HashIndexBuilder builder;
  for (std::size_t i = 0; i < 100; ++i) builder.add({42}, 4096 + i * 8);
  builder.add({std::uint64_t{1} << 63}, 9000);
  const auto buckets = builder.build();
  const HashIndex index(std::as_bytes(std::span(buckets)));
  EXPECT_EQ(met(index, 42).size(), 100u);
  EXPECT_EQ(met(index, std::uint64_t{1} << 63), std::vector<std::uint64_t>{9000});
}

TEST(HashIndex, WithoutKeysFindsNothing) {
  EXPECT_TRUE(met(HashIndex(Bytes()), 42).empty());
  HashIndex(Bytes()).prefetch({42});
}

TEST(HashIndex, SeesEverySlotOfABucket) {
  for (unsigned slot = 0; slot < IndexBucket::kSlots; ++slot) {
    IndexBucket bucket{};
    std::ranges::fill(bucket.fingerprint, std::uint16_t{0x1234});
    bucket.fingerprint[slot] = std::uint16_t{0xffee};
    std::ranges::fill(bucket.entry, std::uint32_t{0xffeeffee});
    EXPECT_EQ(matching_slots(bucket, 0xffee), 1U << slot);
  }
}

TEST(TableHash, TellsKeysOfEveryLengthApart) {
  std::set<std::uint64_t> hashes;
  std::size_t keys = 0;
  for (std::size_t bytes = 0; bytes < 70; ++bytes) {
    const std::string zeros(bytes, '\0');
    hashes.insert(table_hash(as_bytes(zeros)));
    ++keys;
    for (std::size_t at = 0; at < bytes; ++at) {
      for (const char byte : {'\1', '\x80', 'a'}) {
        std::string key = zeros;
        key[at] = byte;
        hashes.insert(table_hash(as_bytes(key)));
        ++keys;
      }
    }
  }
  EXPECT_EQ(hashes.size(), keys);
}

// On media: these values never change. They come from a program made from docs/format/table.md.
TEST(TableHash, IsWhatItAlwaysWas) {
  EXPECT_EQ(table_hash(as_bytes("")), 0x23c25a65d4743354u);
  EXPECT_EQ(table_hash(as_bytes("a")), 0x3811e08a336c5646u);
  EXPECT_EQ(table_hash(as_bytes("apple")), 0xf9796f670846b72eu);
  EXPECT_EQ(table_hash(as_bytes("pineapple")), 0x95b6e53551b0f85cu);
  EXPECT_EQ(table_hash(as_bytes("0123456789abcdef0123")), 0xe99d0d48cbb04d44u);
}

}  // namespace
}  // namespace nacre::store
