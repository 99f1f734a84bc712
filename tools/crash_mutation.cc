#include "tools/crash_mutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "lib/base/try.h"

namespace nacre::tools {
namespace {

/// Enough recoveries to come by every place in recovery too.
constexpr std::uint64_t kStatesToList = 200;

Error fails_unchanged(const CrashJob& job, const CrashReport& report) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{} fails under {} as it is; mend that first: {}", job.suite.name,
                      job.model.name, report.to_string())};
}

struct Candidate {
  CrashJob job;
  std::size_t caught = 0;  // Mutations that it was the first to miss.
};

struct Place {
  CrashSite site;
  std::vector<Candidate*> candidates;  // That come by it.
};

/// A search of a mutated nacre. Most of what can be missed is missed by the first, in a moment.
struct Pass {
  std::size_t depth;
  /// With kills a search has many more states, and comes to fewer of each kind in its time.
  bool process_kills;
};

/// The part of nacre that a suite is about: "wal" of "wal-append".
std::string_view part_of(const CrashJob& job) {
  return std::string_view(job.suite.name).substr(0, job.suite.name.find('-'));
}

/// By address, which is that of one call.
Result<std::map<const void*, Place>> list_places(std::span<Candidate> candidates,
                                                 const CrashTestOptions& options) {
  CrashTestOptions listing = options;
  listing.in_process = true;
  listing.jobs = 1;
  listing.note_sites = true;
  listing.max_states = kStatesToList;
  listing.process_kills = true;
  listing.kill_recovery = false;
  std::map<const void*, Place> places;
  for (Candidate& candidate : candidates) {
    const CrashJob& job = candidate.job;
    const CrashReport report = job.suite.explore(job.model, listing);
    if (report.verdict == CrashVerdict::kFailed) return fails_unchanged(job, report);
    for (const CrashSite& site : report.ordering_sites) {
      Place& place = places[site.address];
      const bool can_move = place.site.can_move || site.can_move;
      place.site = site;
      place.site.can_move = can_move;
      // What a log does is for the suites of logs to miss: those of a store, which stands on one,
      // come by the same places behind a hundred others.
      if (place.candidates.empty() || part_of(place.candidates.front()->job) == part_of(job)) {
        place.candidates.push_back(&candidate);
      }
    }
  }
  return places;
}

/// "segment.cc:85 in nacre::Segment::write_state" of all that a description says.
std::string_view own_place(std::string_view place) {
  place = place.substr(0, place.find(", from "));
  return place.substr(0, place.find('('));
}

struct SourceLine {
  std::string_view file;
  std::size_t line = 0;
};

SourceLine line_of(std::string_view place) {
  const std::size_t colon = place.find(':');
  SourceLine at{.file = place.substr(0, colon)};
  if (colon == place.npos) return at;
  const std::string_view digits = place.substr(colon + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), at.line);
  return at;
}

/// "`nacre::Segment::write_state` (segment.cc)", without the line, which moves with every change
/// above it.
std::string lasting_place(std::string_view place) {
  constexpr std::string_view kIn = " in ";
  place = own_place(place);
  const std::size_t in = place.find(kIn);
  const std::string_view function =
      in == place.npos ? std::string_view() : place.substr(in + kIn.size());
  const std::string_view file = line_of(place).file;
  if (!function.starts_with("nacre::")) return fmt::format("{}", file);
  return fmt::format("`{}` ({})", function, file);
}

std::string_view mutation_name(CrashMutation mutation) {
  return mutation == CrashMutation::kDrop ? "dropped" : "moved";
}

std::string_view reason_for(const MutationResult& result, std::span<const SurvivalReason> reasons) {
  const auto found = std::ranges::find_if(reasons, [&](const SurvivalReason& reason) {
    return reason.file == line_of(result.site.place).file && reason.kind == result.site.kind &&
           (reason.number == 0 || reason.number == result.number) &&
           reason.mutation.value_or(result.mutation) == result.mutation;
  });
  return found == reasons.end() ? std::string_view() : found->reason;
}

/// Those that have missed most come first: what misses one place of a function often misses others.
MutationResult run_mutation(Place& place, CrashMutation mutation, const CrashTestOptions& options) {
  MutationResult result;
  result.site = place.site;
  result.mutation = mutation;
  result.jobs = place.candidates.size();
  CrashTestOptions mutated = options;
  mutated.mutated_site = place.site.address;
  mutated.mutation = mutation;
  mutated.kill_recovery = false;
  std::ranges::sort(place.candidates, [](const Candidate* a, const Candidate* b) {
    return std::pair(b->caught, a) < std::pair(a->caught, b);
  });
  for (const Pass& pass : {Pass{.depth = 1, .process_kills = false},
                           Pass{.depth = options.depth, .process_kills = false},
                           Pass{.depth = options.depth, .process_kills = true}}) {
    mutated.depth = pass.depth;
    mutated.process_kills = pass.process_kills;
    for (Candidate* const candidate : place.candidates) {
      const CrashJob& job = candidate->job;
      if (job.suite.explore(job.model, mutated).verdict != CrashVerdict::kFailed) continue;
      result.caught_by = fmt::format("{}, {}", job.suite.name, job.model.name);
      candidate->caught += 1;
      return result;
    }
  }
  return result;
}

/// One result for each place in the sources; of its copies the one that survives counts.
void merge_copies(std::vector<MutationResult>& results) {
  const auto key = [](const MutationResult& result) {
    return std::tuple(own_place(result.site.place), std::string_view(result.site.kind),
                      result.mutation);
  };
  const auto order = [&](const MutationResult& result) {
    return std::tuple(key(result), result.caught_by.size(), std::string_view(result.caught_by));
  };
  std::ranges::sort(results, {}, order);
  const auto copies = std::ranges::unique(results, {}, key);
  results.erase(copies.begin(), copies.end());
}

/// In the order of the lines, which the results are in from then on.
void number_places(std::vector<MutationResult>& results) {
  std::ranges::sort(results, {}, [](const MutationResult& result) {
    const SourceLine at = line_of(result.site.place);
    return std::tuple(at.file, at.line, std::string_view(result.site.kind), result.mutation);
  });
  std::map<std::tuple<std::string_view, std::string_view, CrashMutation>, std::size_t> counts;
  for (MutationResult& result : results) {
    const std::string_view file = line_of(result.site.place).file;
    result.number = ++counts[{file, result.site.kind, result.mutation}];
  }
}

}  // namespace

Result<std::vector<MutationResult>> mutate(std::span<const CrashJob> jobs,
                                           const CrashTestOptions& options,
                                           const OnMutation& on_result,
                                           std::span<const SurvivalReason> reasons) {
  std::vector<Candidate> candidates;
  for (const CrashJob& job : jobs) candidates.push_back({.job = job});
  auto places = NACRE_TRY(list_places(candidates, options));
  std::vector<MutationResult> results;
  std::size_t done = 0;
  for (auto& [address, place] : places) {
    for (const CrashMutation mutation : {CrashMutation::kDrop, CrashMutation::kMove}) {
      if (mutation == CrashMutation::kMove && !place.site.can_move) continue;
      results.push_back(run_mutation(place, mutation, options));
      on_result(done, places.size(), results.back());
    }
    done += 1;
  }
  merge_copies(results);
  number_places(results);
  for (MutationResult& result : results) result.reason = reason_for(result, reasons);
  std::vector<MutationResult> survivors_last;
  for (const bool survives : {false, true}) {
    std::ranges::copy_if(
        results, std::back_inserter(survivors_last),
        [&](const MutationResult& result) { return result.survives() == survives; });
  }
  return survivors_last;
}

std::string mutation_text(const MutationResult& result) {
  std::string fate = "caught by " + result.caught_by;
  if (result.survives()) fate = fmt::format("SURVIVES {} suites and models", result.jobs);
  if (!result.reason.empty()) {
    fate += result.survives() ? ": " : ", though it is said that nothing misses it: ";
    fate += result.reason;
  }
  return fmt::format("{:<15}{:<8} {}\n    {}\n", result.site.kind, mutation_name(result.mutation),
                     own_place(result.site.place), fate);
}

std::string mutations_text(std::span<const MutationResult> results) {
  std::string text;
  for (const MutationResult& result : results) text += mutation_text(result);
  const auto survive = std::ranges::count_if(results, &MutationResult::survives);
  const auto wrong = std::ranges::count_if(results, &MutationResult::is_wrong);
  return text + fmt::format("{} mutations, {} caught, {} survive; {} not as explained\n",
                            results.size(), static_cast<std::ptrdiff_t>(results.size()) - survive,
                            survive, wrong);
}

std::string mutations_page(std::span<const MutationResult> results) {
  const auto survive = std::ranges::count_if(results, &MutationResult::survives);
  std::string page = fmt::format(
      "# nacre's flushes, fences and syncs, one at a time\n\n"
      "Each place in nacre that makes something durable, which the suites of `nacre crashtest` "
      "come\n"
      "by, is taken out (dropped), or made to happen only behind the next store (moved), where "
      "its\n"
      "operation has one. The suites of the part it belongs to (the first of wal, log and store "
      "that\n"
      "comes by it) run with it under every model, crashes in recovery and kills of the process\n"
      "alone included, and have to fail: the table names one that does, or says why nothing\n"
      "can. `./dev mutate` makes this page anew, and fails when a place survives that\n"
      "`tools/crash_mutation_reasons.cc` does not explain.\n\n"
      "{} mutations, {} caught, {} explained.\n\n"
      "| Place | Kind | Mutation | Caught by, or why it survives |\n|---|---|---|---|\n",
      results.size(), static_cast<std::ptrdiff_t>(results.size()) - survive, survive);
  for (const MutationResult& result : results) {
    page +=
        fmt::format("| {} | {} | {} | {} |\n", lasting_place(result.site.place), result.site.kind,
                    mutation_name(result.mutation),
                    result.survives() ? (result.reason.empty() ? "**UNEXPLAINED**" : result.reason)
                                      : std::string_view(result.caught_by));
  }
  return page;
}

}  // namespace nacre::tools
