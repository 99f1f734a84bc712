#include "lib/store/memtable_entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace nacre::store {
namespace {

using testing::ElementsAre;

class VersionChainTest : public testing::Test {
 protected:
  void push(std::uint64_t sequence, std::string_view value, BatchMark* mark = nullptr) {
    const Arena::Piece piece = arena_.allocate(VersionChain::bytes(mark));
    Version* const version = VersionChain::create(piece.data, Sequence{sequence}, EntryKind::kPut,
                                                  as_bytes(value), mark);
    chain_.push(arena_, *version, piece.ref);
  }
  std::vector<std::string> seen(Sequence at = kNewest) const {
    std::vector<std::string> values;
    for (const Version* version = chain_.find(arena_, at); version != nullptr;
         version = VersionChain::older(arena_, *version)) {
      values.emplace_back(as_text(version->value()));
    }
    return values;
  }

  Arena arena_;
  VersionChain chain_;
};

TEST_F(VersionChainTest, TheNewestSequenceComesFirstInWhateverOrderTheyArrive) {
  EXPECT_EQ(chain_.find(arena_, kNewest), nullptr);
  push(20, "b");
  push(40, "d");
  push(10, "a");
  push(30, "c");
  EXPECT_THAT(seen(), ElementsAre("d", "c", "b", "a"));
  EXPECT_THAT(seen(Sequence{30}), ElementsAre("c", "b", "a"));
  EXPECT_THAT(seen(Sequence{29}), ElementsAre("b", "a"));
  EXPECT_THAT(seen(Sequence{9}), ElementsAre());
}

TEST_F(VersionChainTest, OfOneSequenceTheLaterComesFirst) {
  push(20, "x");
  push(10, "first");
  push(10, "second");
  push(10, "third");
  EXPECT_THAT(seen(Sequence{10}), ElementsAre("third", "second", "first"));
}

TEST_F(VersionChainTest, AnUnpublishedBatchIsPassedOver) {
  BatchMark* const mark = BatchMark::create(arena_);
  push(10, "a");
  push(20, "b", mark);
  push(30, "c");
  push(40, "d", mark);
  EXPECT_THAT(seen(), ElementsAre("c", "a"));
  EXPECT_THAT(seen(Sequence{25}), ElementsAre("a"));
  EXPECT_FALSE(mark->published());
  mark->publish();
  EXPECT_TRUE(mark->published());
  EXPECT_THAT(seen(), ElementsAre("d", "c", "b", "a"));
}

TEST_F(VersionChainTest, AVersionHasWhatItWasMadeOf) {
  std::vector<std::byte> value(Version::kMaxBytes);
  BatchMark* const mark = BatchMark::create(arena_);
  mark->publish();
  for (BatchMark* const of : {static_cast<BatchMark*>(nullptr), mark}) {
    for (const EntryKind kind :
         {EntryKind::kPut, EntryKind::kRemove, EntryKind::kPutUntil, EntryKind::kMerge}) {
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, value.size()}) {
        const Arena::Piece piece = arena_.allocate(VersionChain::bytes(of));
        const Version* const version =
            VersionChain::create(piece.data, kNewest, kind, Bytes(value).first(bytes), of);
        EXPECT_EQ(version->sequence(), kNewest);
        EXPECT_EQ(version->kind(), kind);
        EXPECT_EQ(version->value().data(), value.data());
        EXPECT_EQ(version->value().size(), bytes);
      }
    }
  }
}

TEST_F(VersionChainTest, ThreadsPushWithoutLosingOneOrTheOrder) {
  constexpr std::uint64_t kThreads = 3;
  // So many that they meet even where other processes leave them little time side by side.
  constexpr std::uint64_t kEach = 1000000;
  // Sequences from one counter: all threads push at the front, where they meet.
  std::atomic<std::uint64_t> sequence{0};
  std::atomic<std::uint64_t> running{kThreads};
  std::barrier begin(kThreads + 1);
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      begin.arrive_and_wait();
      for (std::uint64_t i = 0; i < kEach; ++i) push(sequence.fetch_add(1), "v");
      running.fetch_sub(1);
    });
  }
  const auto count_in_order = [this] {
    std::uint64_t count = 0;
    Sequence last = kNewest;
    for (const Version* version = chain_.find(arena_, kNewest); version != nullptr;
         version = VersionChain::older(arena_, *version)) {
      EXPECT_LT(version->sequence(), last);
      last = version->sequence();
      ++count;
    }
    return count;
  };
  begin.arrive_and_wait();
  for (std::uint64_t before = 0; running.load() > 0;) {
    const std::uint64_t count = count_in_order();
    ASSERT_GE(count, before) << "what was once there stays";
    before = count;
  }
  EXPECT_EQ(count_in_order(), kThreads * kEach);
}

}  // namespace
}  // namespace nacre::store
