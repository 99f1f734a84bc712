#pragma once

// What a workload does to persistent memory that is wrong, or that costs more than it must.
//
//   const PersistenceReport report = check_persistence(setup, run);
//   EXPECT_FENCES_LE(report, "append", 1);
//   EXPECT_TRUE(report.mistakes().empty()) << report.to_string();
//
// Unlike the explorer this looks at one run alone, and knows nothing of recovery: a program whose
// recovery proves what it reads by a checksum may rightly do some of what is found here.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/emulation/crash_history.h"
#include "nacre/emulation/simulated_machine.h"
#include "nacre/result.h"

namespace nacre {

enum class PersistenceIssue : std::uint8_t {
  // Mistakes, unless recovery knows how to do without.
  kNotDurableAtReturn,    ///< An operation returned before what it stored was durable.
  kMissedTail,            ///< A flush covers part of a store, and nothing covers the rest.
  kFenceOfAnotherThread,  ///< A fence with nothing of its own, while another thread's flush waits.
  kUnorderedCommit,       ///< One fence for a word of 8 bytes and for what was written before it.
  // Costs.
  kCleanFlush,       ///< A flush of a line without a store to write back.
  kRepeatedFlush,    ///< A second flush of a line before the fence.
  kFlushOfStreamed,  ///< A flush of what was streamed past the cache.
  kEmptyFence,       ///< A fence with nothing to wait for.
  kOverwritten,      ///< A store over another one that was not durable yet.
};

/// "not_durable_at_return", and so on.
std::string_view persistence_issue_name(PersistenceIssue issue) noexcept;
/// Whether it may lose data, rather than time.
constexpr bool is_mistake(PersistenceIssue issue) noexcept {
  return issue <= PersistenceIssue::kUnorderedCommit;
}

/// The same thing found at the same place in the program.
struct PersistenceFinding {
  PersistenceIssue issue = PersistenceIssue::kEmptyFence;
  std::string site;       ///< The store, flush or fence it is about.
  std::string other;      ///< For kUnorderedCommit, what was written before.
  std::string operation;  ///< In which it was found first.
  std::size_t count = 0;
};

/// What one operation asked of the memory and the files.
struct OperationCost {
  std::string name;
  std::size_t fences = 0;
  std::size_t flushes = 0;       ///< Lines.
  std::size_t stored_words = 0;  ///< Of 8 bytes, through the cache.
  std::size_t streamed_words = 0;
  std::size_t lines_written = 0;  ///< Different lines of 64 bytes.
  std::size_t memory_syncs = 0;   ///< msync.
  std::size_t file_writes = 0;
  std::size_t file_syncs = 0;
  std::size_t directory_syncs = 0;
};

struct PersistenceReport {
  std::vector<OperationCost> operations;
  std::vector<PersistenceFinding> findings;

  std::vector<PersistenceFinding> mistakes() const;
  /// The largest among the operations whose name begins with `prefix`. Asserts that there is one.
  std::size_t most(std::size_t OperationCost::* cost, std::string_view prefix) const;
  /// For a terminal.
  std::string to_string() const;
};

/// Runs the workload once on a machine of its own, in this process. `setup` may be empty; what it
/// does is not looked at.
/// Errors: as SimulatedMachine::create.
Result<PersistenceReport> check_persistence(
    const SimulatedMachineOptions& options, const std::function<void(SimulatedMachine&)>& setup,
    const std::function<void(SimulatedMachine&, CrashRun&)>& run);

}  // namespace nacre

// For GoogleTest, which the test includes. `operation` is the beginning of the names it is about.
#define EXPECT_FENCES_LE(report, operation, bound)                                           \
  EXPECT_LE((report).most(&::nacre::OperationCost::fences, (operation)), std::size_t{bound}) \
      << (report).to_string()
#define EXPECT_FLUSHES_LE(report, operation, bound)                                           \
  EXPECT_LE((report).most(&::nacre::OperationCost::flushes, (operation)), std::size_t{bound}) \
      << (report).to_string()
#define EXPECT_LINES_WRITTEN_LE(report, operation, bound)                       \
  EXPECT_LE((report).most(&::nacre::OperationCost::lines_written, (operation)), \
            std::size_t{bound})                                                 \
      << (report).to_string()
