#include "lib/io/buddy_allocator.h"

#include "lib/base/assert.h"

namespace nacre {

BuddyAllocator::BuddyAllocator(std::size_t pages) : pages_(pages) {
  constexpr std::size_t kLargest = std::size_t{1} << kMaxOrder;
  NACRE_ASSERT(pages > 0 && pages % kLargest == 0 && pages < kNone);
  free_.fill(kNone);
  // The lowest comes out first: it is the likeliest to be registered with the kernel.
  for (std::size_t page = pages; page > 0; page -= kLargest) {
    push(static_cast<std::uint32_t>(page - kLargest), kMaxOrder);
  }
}

std::optional<std::size_t> BuddyAllocator::take(unsigned order) {
  NACRE_ASSERT(order <= kMaxOrder);
  unsigned found = order;
  while (found <= kMaxOrder && free_[found] == kNone) ++found;
  if (found > kMaxOrder) return std::nullopt;
  const std::uint32_t page = free_[found];
  unlink(page);
  while (found > order) {
    --found;
    push(page + (std::uint32_t{1} << found), found);
  }
  pages_[page].state = State::kTaken;
  pages_[page].order = static_cast<std::uint8_t>(order);
  return page;
}

unsigned BuddyAllocator::give_back(std::size_t taken) {
  NACRE_ASSERT(taken < pages_.size() && pages_[taken].state == State::kTaken);
  auto page = static_cast<std::uint32_t>(taken);
  const unsigned order = pages_[page].order;
  pages_[page].state = State::kInside;
  unsigned joined = order;
  for (; joined < kMaxOrder; ++joined) {
    const std::uint32_t buddy = page ^ (std::uint32_t{1} << joined);
    if (pages_[buddy].state != State::kFree || pages_[buddy].order != joined) break;
    unlink(buddy);
    page &= ~(std::uint32_t{1} << joined);
  }
  push(page, joined);
  return order;
}

void BuddyAllocator::push(std::uint32_t page, unsigned order) {
  const std::uint32_t next = free_[order];
  pages_[page] = {.next = next,
                  .previous = kNone,
                  .state = State::kFree,
                  .order = static_cast<std::uint8_t>(order)};
  if (next != kNone) pages_[next].previous = page;
  free_[order] = page;
}

void BuddyAllocator::unlink(std::uint32_t page) {
  Page& block = pages_[page];
  if (block.previous == kNone) {
    free_[block.order] = block.next;
  } else {
    pages_[block.previous].next = block.next;
  }
  if (block.next != kNone) pages_[block.next].previous = block.previous;
  block.state = State::kInside;
}

}  // namespace nacre
