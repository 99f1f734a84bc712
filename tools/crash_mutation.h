#pragma once

// Mutations of nacre: takes out each flush, fence, sync and durable write, or moves it behind the
// next store, one at a time, and lets the crash suites find that something is wrong.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"
#include "tools/crash_selection.h"

namespace nacre::tools {

/// Why nothing has to miss a place.
struct SurvivalReason {
  std::string_view file;  ///< The place is in it: "recovery.cc". Functions may be inlined.
  std::string_view kind;  ///< Such as "fence".
  /// Which of that kind and mutation in the file, from 1 in the order of the lines. 0: each of
  /// them.
  std::size_t number = 0;
  std::optional<CrashMutation> mutation = std::nullopt;  ///< None: either.
  std::string_view reason;
};

/// Those of nacre.
std::span<const SurvivalReason> survival_reasons();

struct MutationResult {
  CrashSite site;
  CrashMutation mutation = CrashMutation::kDrop;
  std::string caught_by;    ///< A suite and model that failed; empty: none did.
  std::string_view reason;  ///< Why it may survive, where that is known.
  std::size_t jobs = 0;     ///< That come by it.
  std::size_t number = 0;   ///< Of its kind and mutation in its file, from 1.

  bool survives() const noexcept { return caught_by.empty(); }
  /// Nothing has missed it, and nobody knows why: a suite is missing, or it can go. Or it is
  /// explained, and something has missed it.
  bool is_wrong() const noexcept { return survives() == reason.empty(); }
};

/// What came of each mutation, as soon as it is known and before reasons are looked for, and behind
/// how many places of how many.
using OnMutation = std::function<void(std::size_t done, std::size_t places, const MutationResult&)>;

/// One result for each place that any of `jobs` comes by, and each mutation of it; the copies of an
/// inlined place count as one. It is tried by those of `jobs` that come by it and are about the
/// same part of nacre as the first of them. `options` say the budget of each run, of which there
/// are up to three for a mutation and a job: with one crash, with crashes of recovery, and with
/// kills of the process too. Errors: `invalid_argument` (a job fails as it is, so that it would
/// seem to miss everything).
Result<std::vector<MutationResult>> mutate(
    std::span<const CrashJob> jobs, const CrashTestOptions& options, const OnMutation& on_result,
    std::span<const SurvivalReason> reasons = survival_reasons());

/// Two lines.
std::string mutation_text(const MutationResult& result);

/// The same for each result; survivors come last.
std::string mutations_text(std::span<const MutationResult> results);

/// The same as a page of documentation.
std::string mutations_page(std::span<const MutationResult> results);

}  // namespace nacre::tools
