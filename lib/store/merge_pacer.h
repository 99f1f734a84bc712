#pragma once

// How fast tables are merged at most.
//
// Thread safety: none; one merge at a time.

#include <cstdint>

#include "lib/io/token_bucket.h"

namespace nacre::store {

class MergePacer {
 public:
  /// `bytes_per_second`: 0 for no bound.
  explicit MergePacer(std::uint64_t bytes_per_second) noexcept
      : is_on_(bytes_per_second != 0), bucket_(bytes_per_second) {}

  bool is_on() const noexcept { return is_on_; }
  /// So many bytes have been read and written.
  void take(std::uint64_t bytes, std::uint64_t now_ns) noexcept { bucket_.take(bytes, now_ns); }
  /// How long from `now_ns` on the merge is to rest.
  std::uint64_t wait_ns(std::uint64_t now_ns) const noexcept {
    const std::uint64_t opens_ns = bucket_.opens_ns();
    return opens_ns > now_ns ? opens_ns - now_ns : 0;
  }

 private:
  bool is_on_;
  TokenBucket bucket_;
};

}  // namespace nacre::store
