#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "lib/store/memtable.h"
#include "nacre/random.h"
#include "tests/lib/store/memtable_model.h"
#include "tests/support/seed.h"

namespace nacre::store {
namespace {

using test::MemtableModel;

TEST(MemtableCursor, IsNowhereInAnEmptyMemtable) {
  Arena arena;
  const Memtable memtable(Comparator::bytewise(), arena);
  Memtable::Cursor cursor(memtable);
  EXPECT_FALSE(cursor.valid());
  cursor.seek_first();
  EXPECT_FALSE(cursor.valid());
  cursor.seek_last();
  EXPECT_FALSE(cursor.valid());
  cursor.seek(as_bytes("a"));
  EXPECT_FALSE(cursor.valid());
  cursor.seek_for_prev(as_bytes("a"));
  EXPECT_FALSE(cursor.valid());
}

/// A cursor and the iterator that says where it belongs.
class Walk {
 public:
  explicit Walk(const MemtableModel& model)
      : model_(model), cursor_(model.memtable()), expected_(model.keys().end()) {}

  void move(SeededRandom& random, const std::string& key) {
    const auto& keys = model_.keys();
    switch (random.next_u64() % 16) {
      case 0:
        cursor_.seek_first();
        expected_ = keys.begin();
        return;
      case 1:
        cursor_.seek_last();
        expected_ = std::prev(keys.end());
        return;
      case 2:
        cursor_.seek(as_bytes(key));
        expected_ = keys.lower_bound(key);
        return;
      case 3:
        cursor_.seek_for_prev(as_bytes(key));
        expected_ = keys.upper_bound(key);
        expected_ = expected_ == keys.begin() ? keys.end() : std::prev(expected_);
        return;
      default:
        break;
    }
    if (expected_ == keys.end()) return;
    // Long runs one way, so that they cross leaves.
    if (random.next_u64() % 50 == 0) forward_ = !forward_;
    if (forward_) {
      cursor_.next();
      ++expected_;
    } else {
      cursor_.prev();
      expected_ = expected_ == keys.begin() ? keys.end() : std::prev(expected_);
    }
  }

  void check(std::uint64_t at) const {
    ASSERT_EQ(cursor_.valid(), expected_ != model_.keys().end());
    if (!cursor_.valid()) return;
    ASSERT_EQ(as_text(cursor_.key()), expected_->first);
    ASSERT_EQ(model_.chain(cursor_.version(Sequence{at})), model_.expected(expected_->first, at));
  }

 private:
  const MemtableModel& model_;
  Memtable::Cursor cursor_;
  MemtableModel::Keys::const_iterator expected_;
  bool forward_ = true;
};

TEST(MemtableCursor, WalksAsAMapDoesWhileKeysAreInserted) {
  SeededRandom random(test::seed());
  for (const Comparator& order : test::orders()) {
    for (const test::KeyShape& shape : test::key_shapes()) {
      SCOPED_TRACE(fmt::format("{} {}", order.name(), shape.name));
      MemtableModel model(order);
      model.insert(shape.draw(random), 1);
      Walk walk(model);
      for (int i = 0; i < 20000; ++i) {
        if (random.next_u64() % 8 == 0) model.insert(shape.draw(random), random.next_u64() % 100);
        walk.move(random, shape.draw(random));
        ASSERT_NO_FATAL_FAILURE(walk.check(random.next_u64() % 100));
      }
    }
  }
}

TEST(MemtableCursor, GoesOverAllKeysBothWays) {
  SeededRandom random(test::seed());
  MemtableModel model(Comparator::bytewise());
  for (int i = 0; i < 50000; ++i) model.insert(test::key_shapes()[0].draw(random), 1);
  Memtable::Cursor cursor(model.memtable());
  cursor.seek_first();
  for (const auto& [key, versions] : model.keys()) {
    ASSERT_TRUE(cursor.valid());
    ASSERT_EQ(as_text(cursor.key()), key);
    cursor.next();
  }
  EXPECT_FALSE(cursor.valid());
  cursor.seek_last();
  for (auto i = model.keys().rbegin(); i != model.keys().rend(); ++i) {
    ASSERT_TRUE(cursor.valid());
    ASSERT_EQ(as_text(cursor.key()), i->first);
    cursor.prev();
  }
  EXPECT_FALSE(cursor.valid());
}

TEST(MemtableCursor, MeetsAKeyWhoseVersionsAreInvisible) {
  Arena arena;
  Memtable memtable(Comparator::bytewise(), arena);
  BatchMark* const mark = BatchMark::create(arena);
  memtable.insert(as_bytes("a"), Sequence{1}, EntryKind::kPut, {}, mark);
  Memtable::Cursor cursor(memtable);
  cursor.seek_first();
  ASSERT_TRUE(cursor.valid());
  EXPECT_EQ(cursor.version(), nullptr);
  mark->publish();
  EXPECT_NE(cursor.version(), nullptr);
  EXPECT_EQ(cursor.version(Sequence{0}), nullptr);
}

}  // namespace
}  // namespace nacre::store
