#pragma once

// Hands the faults of guarded memory to the media they belong to, and steps over stores.
//
// Installs handlers for SIGSEGV and SIGTRAP at the first use; what is not for simulated media goes
// on to whoever had the signal before.

#include <cstddef>

namespace nacre {

class Media;

class FaultHandler {
 public:
  static constexpr std::size_t kMaxWatched = 64;

  /// False when so many media are watched already. Thread safety: any thread.
  [[nodiscard]] static bool watch(Media& media, const std::byte* guarded,
                                  std::size_t bytes) noexcept;
  static void forget(Media& media) noexcept;
};

}  // namespace nacre
