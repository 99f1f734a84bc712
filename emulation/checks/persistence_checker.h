#pragma once

// Follows each word that a workload stores until it is durable.
//
// Thread safety: none.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "emulation/explorer/call_site.h"
#include "emulation/simulation/trace.h"
#include "nacre/emulation/crash_history.h"
#include "nacre/emulation/persistence_report.h"

namespace nacre {

class PersistenceChecker {
 public:
  /// Lifetime: both outlive this.
  PersistenceChecker(const Trace& trace, std::span<const CrashOperation> operations);

  PersistenceReport run();

 private:
  /// A word that is not durable yet.
  struct Word {
    std::size_t event = 0;  // The newest store to it.
    std::size_t first = 0;  // The event that began the stores this one is part of.
    std::ptrdiff_t operation = -1;
    std::uint16_t thread = 0;  // That stored it, or flushed it.
    bool streamed = false;
    bool flushed = false;
  };
  struct Found {
    PersistenceIssue issue;
    const void* site;
    const void* other;
    auto operator<=>(const Found&) const = default;
  };

  void step(std::size_t index);
  void store(std::size_t index);
  void flush(const Event& event);
  void flush_line(const Event& event, MediaAddress line);
  void fence(const Event& event);
  void end_operation(std::ptrdiff_t operation);
  void look_for_commit(const std::vector<Word>& settled);
  void note(PersistenceIssue issue, const void* site, const void* other = nullptr);
  OperationCost* cost();

  const Trace& trace_;
  std::span<const CrashOperation> operations_;
  std::map<MediaAddress, Word> words_;
  // By line and thread: flushed since the thread's last fence.
  std::set<std::pair<MediaAddress, std::uint16_t>> flushed_lines_;
  std::ptrdiff_t operation_ = -1;              // The one under way that began last.
  std::vector<std::set<MediaAddress>> lines_;  // By operation.
  std::size_t run_ = 0;                        // The event that began the stores under way.
  MediaAddress run_end_ = 0;
  std::size_t run_last_ = 0;
  struct Seen {
    std::ptrdiff_t operation = -1;
    std::size_t event = 0;
    std::size_t count = 0;
  };
  std::map<Found, Seen> found_;
  std::size_t now_ = 0;
  PersistenceReport report_;
};

}  // namespace nacre
