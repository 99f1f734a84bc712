#pragma once

// Which of several threads goes on: a function of a seed and of what the threads do.
//
// Each thread has a priority, drawn at random, and the highest one that can go on does. At a few
// steps, drawn at random from the length of the run, the thread that goes on becomes the last of
// all. A bug that shows itself when d events come in one order is found with a probability of at
// least 1 / (n * k^(d-1)), for n threads, k steps and d - 1 such changes (Burckhardt, Kothari,
// Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
// ASPLOS 2010).
//
// Thread safety: none.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nacre {

struct ThreadScheduleOptions {
  std::uint64_t seed = 1;
  /// How long the run is, in steps; 0: not known yet, and no thread is interrupted.
  std::uint64_t steps = 0;
  /// How often a thread is interrupted that could have gone on.
  std::size_t preemptions = 0;
};

/// A set of threads, one bit each.
using ThreadSet = std::uint32_t;

class ThreadSchedule {
 public:
  static constexpr std::size_t kMaxThreads = 4;

  ThreadSchedule() : ThreadSchedule(ThreadScheduleOptions()) {}
  explicit ThreadSchedule(const ThreadScheduleOptions& options);

  /// New threads, `count` of them, at most kMaxThreads.
  void begin(std::size_t count);
  /// One step of `running`, at which it may be interrupted.
  void step(std::size_t running);
  /// All others go before it from here on.
  void put_last(std::size_t thread) noexcept;
  /// The one of `ready`, which is not empty, that goes on.
  std::size_t next(ThreadSet ready) const noexcept;
  /// In all.
  std::uint64_t steps() const noexcept { return steps_; }

 private:
  std::uint64_t seed_;
  std::uint64_t steps_ = 0;
  std::vector<std::uint64_t> changes_;  // Steps, in their order.
  std::array<std::int64_t, kMaxThreads> priorities_{};
  std::int64_t lowest_ = 0;
};

}  // namespace nacre
