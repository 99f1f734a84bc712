#include "lib/store/memtable_entry.h"

#include <algorithm>
#include <new>

namespace nacre::store {

Version* VersionChain::create(std::byte* place, Sequence sequence, EntryKind kind, Bytes value,
                              BatchMark* mark) noexcept {
  auto* const version = new (place) Version(sequence, kind, value, mark != nullptr);
  if (mark != nullptr) new (version + 1) BatchMark*(mark);
  return version;
}

void VersionChain::push(const Arena& arena, Version& version, ArenaRef ref) noexcept {
  // Versions are only ever put in, so the link behind which this one belongs stays good; at most
  // others come to stand between it and what followed.
  std::atomic<ArenaRef>* link = &newest_;
  ArenaRef next = link->load(std::memory_order_acquire);
  for (;;) {
    while (next != 0 && arena.at<Version>(next)->sequence_ > version.sequence_) {
      link = &arena.at<Version>(next)->older_;
      next = link->load(std::memory_order_acquire);
    }
    version.older_.store(next, std::memory_order_relaxed);
    // Release: who finds the version finds all of it.
    if (link->compare_exchange_weak(next, ref, std::memory_order_release,
                                    std::memory_order_acquire)) {
      return;
    }
  }
}

const Version* VersionChain::find(const Arena& arena, Sequence at) const noexcept {
  ArenaRef ref = newest_.load(std::memory_order_acquire);
  while (ref != 0) {
    const Version* const version = arena.at<Version>(ref);
    if (version->sequence_ <= at && version->visible()) return version;
    ref = version->older_.load(std::memory_order_acquire);
  }
  return nullptr;
}

const Version* VersionChain::older(const Arena& arena, const Version& version) noexcept {
  ArenaRef ref = version.older_.load(std::memory_order_acquire);
  while (ref != 0) {
    const Version* const next = arena.at<Version>(ref);
    if (next->visible()) return next;
    ref = next->older_.load(std::memory_order_acquire);
  }
  return nullptr;
}

KeyRecord* KeyRecord::create(std::byte* place, Bytes key) noexcept {
  auto* const record = new (place) KeyRecord(static_cast<std::uint32_t>(key.size()));
  std::ranges::copy(key, place + sizeof(KeyRecord));
  return record;
}

}  // namespace nacre::store
