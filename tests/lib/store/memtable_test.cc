#include "lib/store/memtable.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nacre/random.h"
#include "tests/lib/store/memtable_model.h"
#include "tests/support/seed.h"

namespace nacre::store {
namespace {

using test::MemtableModel;

std::string text(const Version* version) {
  return version == nullptr ? "none" : std::string(as_text(version->value()));
}

TEST(Memtable, AnEmptyOneHasNothing) {
  Arena arena;
  const Memtable memtable(Comparator::bytewise(), arena);
  EXPECT_EQ(memtable.find(as_bytes("a"), kNewest), nullptr);
  EXPECT_EQ(memtable.find({}, kNewest), nullptr);
  EXPECT_EQ(memtable.entries(), 0U);
  EXPECT_EQ(memtable.comparator().name(), "nacre.bytewise");
}

TEST(Memtable, CopiesTheKeyAndPointsToTheValue) {
  Arena arena;
  Memtable memtable(Comparator::bytewise(), arena);
  std::string key = "key";
  const std::string value = "value";
  memtable.insert(as_bytes(key), Sequence{7}, EntryKind::kMerge, as_bytes(value));
  key = "gone";
  const Version* const version = memtable.find(as_bytes("key"), kNewest);
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(version->sequence(), Sequence{7});
  EXPECT_EQ(version->kind(), EntryKind::kMerge);
  EXPECT_EQ(version->value().data(), as_bytes(value).data());
  EXPECT_EQ(version->value().size(), value.size());
  EXPECT_EQ(memtable.find(as_bytes("key"), Sequence{6}), nullptr);
}

TEST(Memtable, ABatchIsThereAtOnceOnItsMark) {
  Arena arena;
  Memtable one(Comparator::bytewise(), arena);
  Memtable other(Comparator::reverse_bytewise(), arena);
  BatchMark* const mark = BatchMark::create(arena);
  one.insert(as_bytes("a"), Sequence{1}, EntryKind::kPut, as_bytes("old"));
  one.insert(as_bytes("a"), Sequence{2}, EntryKind::kPut, as_bytes("new"), mark);
  one.insert(as_bytes("b"), Sequence{2}, EntryKind::kPut, as_bytes("first"), mark);
  other.insert(as_bytes("c"), Sequence{2}, EntryKind::kRemove, {}, mark);
  EXPECT_EQ(text(one.find(as_bytes("a"), kNewest)), "old");
  EXPECT_EQ(one.find(as_bytes("b"), kNewest), nullptr);
  EXPECT_EQ(other.find(as_bytes("c"), kNewest), nullptr);
  mark->publish();
  EXPECT_EQ(text(one.find(as_bytes("a"), kNewest)), "new");
  EXPECT_EQ(text(one.find(as_bytes("a"), Sequence{1})), "old");
  EXPECT_EQ(text(one.find(as_bytes("b"), kNewest)), "first");
  ASSERT_NE(other.find(as_bytes("c"), kNewest), nullptr);
  EXPECT_EQ(other.find(as_bytes("c"), kNewest)->kind(), EntryKind::kRemove);
}

TEST(Memtable, IsAMapOfVersionsInEveryOrderAndForEveryShapeOfKeys) {
  SeededRandom random(test::seed());
  for (const Comparator& order : test::orders()) {
    for (const test::KeyShape& shape : test::key_shapes()) {
      SCOPED_TRACE(fmt::format("{} {}", order.name(), shape.name));
      MemtableModel model(order);
      for (int i = 0; i < 4000; ++i) {
        model.insert(shape.draw(random), random.next_u64() % 1000);
        const std::string key = shape.draw(random);
        const std::uint64_t at = random.next_u64() % 1000;
        ASSERT_EQ(model.found(key, at), model.expected(key, at));
      }
      for (const auto& [key, versions] : model.keys()) {
        ASSERT_EQ(model.found(key, ~std::uint64_t{0}), model.expected(key, ~std::uint64_t{0}));
      }
      EXPECT_EQ(model.memtable().entries(), model.entries());
    }
  }
}

TEST(Memtable, HasKeysOfEveryLength) {
  MemtableModel model(Comparator::bytewise());
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8},
                                  std::size_t{4096}, kMaxKeyBytes - 1, kMaxKeyBytes}) {
    for (const char last : {'a', 'z', '\xff', '\0'}) {
      std::string key(bytes, 'k');
      if (!key.empty()) key.back() = last;
      model.insert(key, bytes + 1);
    }
  }
  for (const auto& [key, versions] : model.keys()) {
    ASSERT_EQ(model.found(key, kNewest.value), model.expected(key, kNewest.value)) << key.size();
  }
  EXPECT_EQ(model.memtable().find(as_bytes(std::string(100, 'k')), kNewest), nullptr);
}

TEST(MemtableDeathTest, AKeyHasABound) {
  Arena arena;
  Memtable memtable(Comparator::bytewise(), arena);
  const std::string key(kMaxKeyBytes + 1, 'k');
  EXPECT_DEATH(memtable.insert(as_bytes(key), Sequence{1}, EntryKind::kPut, {}), "kMaxKeyBytes");
}

/// What an entry takes above its key, for keys of 16 bytes.
double overhead(const std::function<std::string(std::uint64_t)>& key, std::uint64_t entries) {
  Arena arena;
  Memtable memtable(Comparator::bytewise(), arena);
  for (std::uint64_t i = 0; i < entries; ++i) {
    memtable.insert(as_bytes(key(i)), Sequence{i}, EntryKind::kPut, {});
  }
  const double handed_out = static_cast<double>(arena.used_bytes());
  EXPECT_NEAR(static_cast<double>(memtable.bytes()) / handed_out, 1, 0.05);
  return handed_out / static_cast<double>(entries) - 16;
}

TEST(Memtable, AnEntryTakesAtMost64BytesAboveItsKey) {
  SeededRandom random(test::seed());
  const auto random_key = [&](std::uint64_t) {
    const std::uint64_t halves[2] = {random.next_u64(), random.next_u64()};
    return std::string(reinterpret_cast<const char*>(halves), sizeof halves);
  };
  EXPECT_LE(overhead(random_key, 1000000), 64);
}

TEST(Memtable, KeysInOrderLeaveFullNodesBehind) {
  constexpr std::uint64_t kEntries = 100000;
  // 32 bytes of record and version, 8 of the slot, and nearly nothing beside.
  EXPECT_LE(overhead([](std::uint64_t i) { return fmt::format("{:016}", i); }, kEntries), 42);
  EXPECT_LE(overhead([](std::uint64_t i) { return fmt::format("{:016}", kEntries - i); }, kEntries),
            42);
}

}  // namespace
}  // namespace nacre::store
