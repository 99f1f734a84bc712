#pragma once

// How many bytes of background transfers may be with the device while somebody waits for reads or
// for the log: few enough that those stay near the latency they have on an idle device.
//
// The idle latency is measured, not assumed: now and then the background pauses for a few of those
// transfers. From there on the window follows additive increase, multiplicative decrease, as TCP's
// congestion window does (RFC 5681, section 3.1): it halves when they have become slow, and grows
// by one step after a run of them that were not.
//
// Thread safety: none of its own.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace nacre {

/// Transfers somebody waits for; each kind has an idle latency of its own.
enum class Foreground : std::uint8_t { kRead, kLogWrite };

class BackgroundWindow {
 public:
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  /// The window moves in steps of this, and never closes further: the background goes on.
  static constexpr std::uint64_t kStepBytes = std::uint64_t{32} << 10;
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 20;
  /// So long after its last transfer a foreground counts as there. A first read after a longer
  /// silence may meet a device full of background transfers.
  static constexpr std::uint64_t kStaysNs = 1'000'000'000;
  /// A transfer of more bytes says more of its own size than of the device.
  static constexpr std::uint64_t kMaxSampleBytes = std::uint64_t{64} << 10;
  /// The idle latency is taken from so many, so often; the background pauses at most so long.
  static constexpr std::size_t kIdleSamples = 16;
  static constexpr std::uint64_t kIdleEveryNs = 1'000'000'000;
  static constexpr std::uint64_t kMaxPauseNs = 10'000'000;
  static constexpr std::uint64_t kPauseAgainNs = 100'000'000;
  /// Slow is more than this times the idle latency.
  static constexpr std::uint64_t kSlow = 2;
  /// Two slow ones among so many halve the window; none widens it.
  static constexpr std::size_t kRun = 32;

  /// What a foreground transfer remembers of its beginning.
  struct Sample {
    Foreground kind = Foreground::kRead;
    std::uint64_t began_ns = 0;
    std::uint64_t background_begun = 0;
    bool quiet = false;
  };

  Sample begin(Foreground kind, std::uint64_t now_ns) noexcept;
  void end(const Sample& sample, std::uint64_t bytes, std::uint64_t now_ns);
  void begin_background(std::uint64_t bytes) noexcept;
  void end_background(std::uint64_t bytes) noexcept;

  /// Whether a background transfer of `bytes` may begin. One may always, unless there is a pause.
  bool admits(std::uint64_t bytes, std::uint64_t now_ns) noexcept;
  /// When a pause ends by itself, or kUnlimited.
  std::uint64_t pause_ends_ns() const noexcept;
  /// `kUnlimited` while there is no foreground.
  std::uint64_t bytes(std::uint64_t now_ns) const noexcept;

 private:
  /// What is known of one kind.
  struct Kind {
    std::size_t in_flight = 0;
    bool seen = false;
    std::uint64_t last_ns = 0;
    std::uint64_t idle_ns = 0;  // Its latency on an idle device; 0 until it has been measured.
    std::vector<std::uint64_t> samples;
    std::uint64_t due_ns = 0;  // When it is measured again.
    std::uint64_t pause_ends_ns = kUnlimited;

    bool is_there(std::uint64_t now_ns) const noexcept;
    bool pauses(std::uint64_t now_ns) noexcept;
    void take(std::uint64_t latency_ns, std::uint64_t now_ns);
  };

  Kind& of(Foreground kind) noexcept { return kinds_[static_cast<std::size_t>(kind)]; }
  void judge(const Sample& sample, std::uint64_t now_ns) noexcept;

  std::array<Kind, 2> kinds_;
  std::uint64_t window_bytes_ = kStepBytes;
  std::size_t background_ = 0;
  std::uint64_t background_bytes_ = 0;
  std::uint64_t background_begun_ = 0;
  std::size_t run_ = 0;
  std::size_t slow_ = 0;
  std::uint64_t changed_ns_ = 0;
};

}  // namespace nacre
