#pragma once

// Cuts a range of equal pages into blocks of 1, 2, 4 … pages, and joins them again: the binary
// buddy system (Knuth, The Art of Computer Programming, volume 1, section 2.5). It knows page
// numbers alone, never memory.
//
// Thread safety: none of its own.
// Invariant: a free block's buddy is not a free block of the same size, or the two would be one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace nacre {

class BuddyAllocator {
 public:
  /// The largest block holds 2^kMaxOrder pages.
  static constexpr unsigned kMaxOrder = 9;

  /// `pages` is a multiple of the largest block's, and not 0; all are free.
  explicit BuddyAllocator(std::size_t pages);

  /// The first page of a block of 2^`order` pages, or nothing when no such block is free.
  std::optional<std::size_t> take(unsigned order);

  /// Gives the block at `page` back; returns its order. It was taken, and not given back yet.
  unsigned give_back(std::size_t page);

 private:
  enum class State : std::uint8_t { kInside, kFree, kTaken };

  struct Page {
    std::uint32_t next = kNone;  // In the list of free blocks of one order.
    std::uint32_t previous = kNone;
    State state = State::kInside;  // Of the block that begins here, if one does.
    std::uint8_t order = 0;
  };

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  void push(std::uint32_t page, unsigned order);
  void unlink(std::uint32_t page);

  std::vector<Page> pages_;
  std::array<std::uint32_t, kMaxOrder + 1> free_{};  // The first of each list.
};

}  // namespace nacre
