#pragma once

// How many tables gets look into, by a sample of them: to count each would make every get write a
// cache line.
//
// Thread safety: every member may be called from any thread.

#include <atomic>
#include <cstdint>

namespace nacre::store {

class ReadSamples {
 public:
  struct Counts {
    std::uint64_t gets = 0;
    std::uint64_t tables = 0;
  };

  /// True at every kEvery-th call of a thread, whichever store it is for.
  static bool is_due() noexcept {
    static thread_local std::uint32_t calls = 0;
    return ++calls % kEvery == 0;
  }

  void add(std::uint64_t tables) noexcept {
    gets_.fetch_add(1, std::memory_order_relaxed);
    tables_.fetch_add(tables, std::memory_order_relaxed);
  }
  Counts counts() const noexcept {
    return {.gets = gets_.load(std::memory_order_relaxed),
            .tables = tables_.load(std::memory_order_relaxed)};
  }

  static constexpr std::uint32_t kEvery = 256;

 private:
  std::atomic<std::uint64_t> gets_{0};
  std::atomic<std::uint64_t> tables_{0};
};

}  // namespace nacre::store
