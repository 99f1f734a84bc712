#pragma once

// Hands failures from the processes that search to the one that reports.
//
// Through shared memory, which a program under test does not lose as it may lose a descriptor, by
// closing all that it has not opened.
//
// Thread safety: one process at a time sends, and one receives.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nacre/emulation/crash_report.h"

namespace nacre {

class FailureChannel {
 public:
  /// All failures together; those that are too many are counted.
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

  /// Asserts that there is address space.
  FailureChannel();
  ~FailureChannel();
  FailureChannel(const FailureChannel&) = delete;
  FailureChannel& operator=(const FailureChannel&) = delete;

  /// In a child, as in its own children.
  void send(const CrashFailure& failure);
  /// In the parent: the next one, or none so far.
  std::optional<CrashFailure> receive();
  /// Failures that did not fit.
  std::uint64_t untold() const noexcept {
    return shared_->untold.load(std::memory_order_acquire);  // Pairs with send().
  }

 private:
  struct Shared {
    std::atomic<std::uint64_t> written = 0;
    std::atomic<std::uint64_t> untold = 0;
    std::array<char, kMaxBytes> text;
  };

  /// False when there is no room.
  bool put(std::string_view packed);

  Shared* shared_ = nullptr;
  std::uint64_t read_ = 0;
};

}  // namespace nacre
