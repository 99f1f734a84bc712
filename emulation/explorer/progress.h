#pragma once

// How far a search has come, in memory that outlives the process that searches.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "emulation/explorer/choice_path.h"
#include "emulation/simulation/thread_schedule.h"

namespace nacre {

/// The state a search was in. Trivially copyable: it lies in shared memory.
struct SearchPosition {
  static constexpr std::size_t kMaxChoices = std::size_t{1} << 14;

  std::uint64_t point = 0;
  std::uint64_t choice_count = 0;
  /// There were more choices than fit: the others are not known to another process.
  bool is_cut = false;
  std::array<Choice, kMaxChoices> choices{};

  void begin(std::uint64_t at_point) noexcept {
    point = at_point;
    choice_count = 0;
    is_cut = false;
  }
  void add(const Choice& choice) noexcept {
    if (choice_count == kMaxChoices) {
      is_cut = true;
      return;
    }
    choices[choice_count++] = choice;
  }
  std::vector<Choice> path() const {
    return {choices.begin(), choices.begin() + static_cast<std::ptrdiff_t>(choice_count)};
  }
};

/// What a search has counted.
struct SearchCounts {
  std::uint64_t operations = 0;
  std::uint64_t events = 0;
  std::uint64_t crash_points = 0;
  std::uint64_t open_points = 0;
  std::uint64_t kill_points = 0;
  std::uint64_t recovery_kills = 0;
  std::uint64_t states = 0;
  std::uint64_t nested_states = 0;
  std::uint64_t distinct_outcomes = 0;
  double product = 0;
  std::uint64_t trace_hash = 0;  ///< Of the workload.
  bool recorded = false;         ///< The workload has run.
  bool out_of_budget = false;
  /// Of the threads of the workload; 0 when it has none.
  std::uint64_t schedule_steps = 0;
  bool recovery_read = false;  ///< Something, where a crash had left something open.
  /// Why some states were left out, beside the budget; as text.
  std::array<char, 512> limit{};

  void leave_out_states(std::string_view why) noexcept {
    out_of_budget = true;
    if (limit[0] == 0) why.copy(limit.data(), limit.size() - 1);
  }
};

/// The function of the program under test that runs.
enum class ProgramStage : std::uint8_t { kSetup, kRun, kRecover, kCheck, kUse };

/// How a process that searches has ended. Only what it says itself counts: the program under test
/// may end it with any exit status.
enum class SearchEnd : std::uint8_t { kNotYet, kFinished, kRefused, kFailed, kHung };

/// What was counted at one crash point.
struct PointCounts {
  std::uint64_t states = 0;
  std::uint64_t nested_states = 0;
  std::uint64_t outcomes = 0;
};

struct SearchProgress {
  /// Crash points further on are not counted one by one.
  static constexpr std::size_t kMaxPoints = 4096;

  /// How the threads of the workload take turns. Given to the search.
  ThreadScheduleOptions schedule;
  SearchCounts counts;
  SearchPosition position;
  ProgramStage stage = ProgramStage::kSetup;
  SearchEnd end = SearchEnd::kNotYet;
  SearchEnd state_end = SearchEnd::kNotYet;  ///< Of a state with a process of its own.
  /// Calls of the program under test; it hangs where they stay the same.
  std::uint64_t beats = 0;
  std::array<PointCounts, kMaxPoints> points{};

  /// The counts of a crash point of the workload.
  PointCounts& at(std::uint64_t point) noexcept {
    return point < kMaxPoints ? points[point] : further_points;
  }
  PointCounts further_points;
};

}  // namespace nacre
