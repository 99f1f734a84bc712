#pragma once

// The work that all contenders of an I/O row do: so many transfers of one size kept in flight.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "bench/stopwatch.h"
#include "nacre/random.h"

namespace nacre::bench {

struct Transfer {
  bool write = false;
  bool sequential = false;
  std::size_t bytes = 4096;
  std::size_t depth = 1;

  /// Large ones are reported by their bytes, small ones by their number.
  bool by_bytes() const noexcept { return bytes >= std::size_t{1} << 20; }
  const char* unit() const noexcept { return by_bytes() ? "GB/s" : "ops/s"; }
  Sample sample(std::uint64_t ended, const Stopwatch& watch) const {
    return by_bytes() ? watch.gigabytes_per_second(ended, bytes)
                      : watch.operations_per_second(ended);
  }
};

/// Where the next transfer goes in a file. Thread safety: any thread.
///
/// Each sequential scan begins at a place of its own. Where all began at the first byte, one after
/// the other in each round, the first read what the disk had to fetch, and left it to the others in
/// a cache of the disk's.
class Offsets {
 public:
  Offsets(const Transfer& transfer, std::size_t file_bytes) noexcept
      : transfer_(transfer),
        blocks_(file_bytes / transfer.bytes),
        count_(blocks_ / 8 * next_eighth_++) {}

  std::uint64_t next() noexcept {
    // Relaxed: the order of two threads' transfers does not matter.
    const std::uint64_t block = transfer_.sequential
                                    ? count_.fetch_add(1, std::memory_order_relaxed) % blocks_
                                    : uniform_below(random_, blocks_);
    return block * transfer_.bytes;
  }

 private:
  static constexpr std::uint64_t kSeed = 20191015;
  Transfer transfer_;
  std::uint64_t blocks_;
  static inline std::atomic<std::uint64_t> next_eighth_ = 0;
  std::atomic<std::uint64_t> count_;
  SeededRandom random_{kSeed};
};

/// One aligned buffer for each transfer in flight, with content that no device stores for nothing.
class TransferBuffers {
 public:
  explicit TransferBuffers(const Transfer& transfer)
      : each_(transfer.bytes), bytes_(transfer.bytes * transfer.depth) {
    constexpr std::size_t kAlignment = 4096;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes_)));
    if (memory_ == nullptr) throw std::bad_alloc();
    SeededRandom random(bytes_);
    for (std::size_t at = 0; at < bytes_; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random.next_u64();
      std::memcpy(memory_.get() + at, &word, sizeof(word));
    }
  }

  std::size_t count() const noexcept { return bytes_ / each_; }
  std::span<std::byte> all() const noexcept { return {memory_.get(), bytes_}; }
  std::span<std::byte> at(std::size_t index) const noexcept {
    return {memory_.get() + index * each_, each_};
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  std::size_t each_;
  std::size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace nacre::bench
