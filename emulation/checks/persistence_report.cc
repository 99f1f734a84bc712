#include "nacre/emulation/persistence_report.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "emulation/checks/persistence_checker.h"
#include "emulation/simulation/machine.h"
#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

struct IssueText {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<IssueText, 9> kIssueTexts = {{
    {"not_durable_at_return", "stored, and not durable when the operation returned"},
    {"missed_tail", "stored, and only a part of it was flushed"},
    {"fence_of_another_thread",
     "a fence with nothing to wait for, while another thread has flushed"},
    {"unordered_commit", "stored as one word, and made durable by the same fence as"},
    {"clean_flush", "a flush of a line that had nothing to write back"},
    {"repeated_flush", "a flush of a line that was flushed already"},
    {"flush_of_streamed", "a flush of what was streamed, and needs the fence alone"},
    {"empty_fence", "a fence with nothing to wait for"},
    {"overwritten", "a store over one that was not durable yet"},
}};

const IssueText& text_of(PersistenceIssue issue) {
  return kIssueTexts[static_cast<std::size_t>(issue)];
}

std::string finding_text(const PersistenceFinding& finding) {
  return fmt::format("  {:<8}{}: {}{}{}{}\n", is_mistake(finding.issue) ? "mistake" : "cost",
                     finding.site, text_of(finding.issue).sentence,
                     finding.other.empty() ? "" : " what was written at " + finding.other,
                     finding.operation.empty() ? "" : ", in " + finding.operation,
                     finding.count == 1 ? "" : fmt::format(", {} times", finding.count));
}

}  // namespace

std::string_view persistence_issue_name(PersistenceIssue issue) noexcept {
  return text_of(issue).name;
}

std::vector<PersistenceFinding> PersistenceReport::mistakes() const {
  std::vector<PersistenceFinding> found;
  std::ranges::copy_if(findings, std::back_inserter(found),
                       [](const auto& finding) { return is_mistake(finding.issue); });
  return found;
}

std::size_t PersistenceReport::most(std::size_t OperationCost::* cost,
                                    std::string_view prefix) const {
  std::size_t most = 0;
  bool found = false;
  for (const OperationCost& operation : operations) {
    if (!operation.name.starts_with(prefix)) continue;
    found = true;
    most = std::max(most, operation.*cost);
  }
  // A bound on nothing would always hold.
  NACRE_ASSERT(found);
  return most;
}

std::string PersistenceReport::to_string() const {
  std::string text =
      fmt::format("{:<24}{:>8}{:>8}{:>8}{:>10}{:>10}{:>8}{:>8}\n", "operation", "fences", "flushes",
                  "lines", "stored", "streamed", "writes", "syncs");
  for (const OperationCost& operation : operations) {
    text += fmt::format("{:<24}{:>8}{:>8}{:>8}{:>10}{:>10}{:>8}{:>8}\n", operation.name,
                        operation.fences, operation.flushes, operation.lines_written,
                        operation.stored_words, operation.streamed_words, operation.file_writes,
                        operation.file_syncs + operation.memory_syncs + operation.directory_syncs);
  }
  for (const PersistenceFinding& finding : findings) text += finding_text(finding);
  return text;
}

Result<PersistenceReport> check_persistence(
    const SimulatedMachineOptions& options, const std::function<void(SimulatedMachine&)>& setup,
    const std::function<void(SimulatedMachine&, CrashRun&)>& run) {
  SimulatedMachine machine = NACRE_TRY(SimulatedMachine::create(options));
  machine.core().set_recording(false);
  if (setup) setup(machine);
  machine.core().settle();
  machine.core().set_recording(true);
  CrashRun recorder(machine.core());
  run(machine, recorder);
  machine.core().set_recording(false);
  return PersistenceChecker(machine.core().trace(), recorder.operations()).run();
}

}  // namespace nacre
