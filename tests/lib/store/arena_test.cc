#include "lib/store/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre::store {
namespace {

struct Taken {
  Arena::Piece piece;
  std::size_t bytes = 0;
};

/// Fails where two of them overlap.
void expect_apart(std::vector<Taken> all) {
  std::ranges::sort(all, {}, [](const Taken& taken) { return taken.piece.data; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    ASSERT_LE(all[i - 1].piece.data + all[i - 1].bytes, all[i].piece.data);
  }
}

TEST(Arena, PiecesAreApartAlignedAndFoundByTheirReference) {
  SeededRandom random(test::seed());
  Arena arena;
  std::vector<Taken> all;
  for (int i = 0; i < 20000; ++i) {
    const std::size_t alignment = std::size_t{8} << random.next_u64() % 10;
    const std::size_t most = random.next_u64() % 100 == 0 ? Arena::kMaxPieceBytes : 600;
    const std::size_t bytes = 1 + random.next_u64() % most;
    const Arena::Piece piece = arena.allocate(bytes, alignment);
    ASSERT_NE(piece.ref, 0U);
    ASSERT_EQ(arena.data(piece.ref), piece.data);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(piece.data) % alignment, 0U);
    std::memset(piece.data, i, bytes);
    all.push_back({piece, bytes});
  }
  expect_apart(all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto* const end = all[i].piece.data + all[i].bytes;
    ASSERT_EQ(std::find_if(all[i].piece.data, const_cast<std::byte*>(end),
                           [&](std::byte at) { return at != static_cast<std::byte>(i); }),
              end);
  }
}

TEST(Arena, ThreadsNeverGetTheSamePiece) {
  constexpr int kThreads = 4;
  constexpr int kPieces = 20000;
  Arena arena;
  std::vector<std::vector<Taken>> taken(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(test::seed() + static_cast<std::uint64_t>(t));
      for (int i = 0; i < kPieces; ++i) {
        const std::size_t bytes = 1 + random.next_u64() % (i % 1000 == 0 ? 40000 : 200);
        const Arena::Piece piece = arena.allocate(bytes, i % 50 == 0 ? 64 : 8);
        std::memset(piece.data, t, bytes);
        taken[static_cast<std::size_t>(t)].push_back({piece, bytes});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Taken> all;
  for (const auto& some : taken) all.insert(all.end(), some.begin(), some.end());
  expect_apart(std::move(all));
}

TEST(Arena, BytesWithoutAReferenceMayBeMore) {
  Arena arena;
  const std::size_t sizes[] = {0, 1, Arena::kMaxPieceBytes, Arena::kMaxPieceBytes + 1,
                               std::size_t{16} << 20};
  for (const std::size_t bytes : sizes) {
    const std::span<std::byte> span = arena.allocate_bytes(bytes);
    ASSERT_EQ(span.size(), bytes);
    if (bytes > 0) std::memset(span.data(), 1, bytes);
  }
}

TEST(Arena, CountsWhatItHandsOutAndWhatItTakes) {
  Arena arena;
  const std::size_t nothing = arena.used_bytes();
  EXPECT_EQ(arena.reserved_bytes(), 0U);
  constexpr std::size_t kPieces = 100000;
  for (std::size_t i = 0; i < kPieces; ++i) arena.allocate(40);
  const std::size_t used = arena.used_bytes() - nothing;
  EXPECT_GE(used, kPieces * 40);
  EXPECT_LT(used, kPieces * 40 * 102 / 100 + (std::size_t{64} << 10));
  EXPECT_EQ(arena.reserved_bytes() % Arena::kChunkBytes, 0U);
  EXPECT_GE(arena.reserved_bytes(), used);
  EXPECT_LE(arena.reserved_bytes(), used + Arena::kChunkBytes);
  arena.allocate_bytes(std::size_t{5} << 20);
  EXPECT_GE(arena.reserved_bytes(), used + (std::size_t{5} << 20));
}

TEST(ArenaDeathTest, APieceHasABound) {
  Arena arena;
  EXPECT_DEATH(arena.allocate(Arena::kMaxPieceBytes + 1), "kMaxPieceBytes");
}

}  // namespace
}  // namespace nacre::store
