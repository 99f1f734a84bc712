// How a failure is told: made small, described, and named so that it can be run again.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "emulation/explorer/describe_state.h"
#include "emulation/explorer/explorer.h"
#include "emulation/explorer/explorer_level.h"
#include "emulation/explorer/process_end.h"
#include "emulation/simulation/simulated_files.h"

namespace nacre {
namespace {

using Others = ChosenSet::Others;

bool is_usual(const Choice& choice, Others others) {
  return choice.chosen == (others == Others::kOldest ? 0 : choice.count - 1);
}

Reproduction::Crash crash_at(const CrashPoint& point, Others others) {
  return {.point = point.number, .kind = point.kind, .chosen = {}, .others = others};
}

void put_over(std::string& under, const std::string& over) {
  for (std::size_t i = 0; i < over.size(); ++i) {
    if (over[i] != '.') under[i] = over[i];
  }
}

/// Into rows in the order of their addresses.
void add_row(std::vector<CrashBytes>& rows, CrashBytes row) {
  const auto place = std::ranges::lower_bound(rows, row.address, {}, &CrashBytes::address);
  if (place == rows.end() || place->address != row.address) {
    rows.insert(place, std::move(row));
    return;
  }
  put_over(place->oldest, row.oldest);
  put_over(place->kept, row.kept);
  put_over(place->newest, row.newest);
}

/// Makes one of the granules that one place in the program has written and that lack the same.
void merge_alike(std::vector<CrashGranule>& granules) {
  std::vector<CrashGranule> merged;
  for (CrashGranule& granule : granules) {
    const auto alike = std::ranges::find_if(merged, [&](const CrashGranule& other) {
      return other.path == granule.path && other.lost_store == granule.lost_store &&
             other.hint == granule.hint;
    });
    if (alike == merged.end()) {
      merged.push_back(std::move(granule));
      continue;
    }
    alike->address = std::min(alike->address, granule.address);
    alike->bytes += granule.bytes;
    for (CrashBytes& row : granule.pieces) add_row(alike->pieces, std::move(row));
  }
  granules = std::move(merged);
}

}  // namespace

void Explorer::fail(std::size_t level, std::vector<Choice> choices, std::string message) {
  ++failures_;
  tells_ = true;
  const Reproduction::Crash smallest = shrink(level, choices);
  // Once more, for what it reads and for what is said about it.
  ChosenSet chooser(smallest.chosen, smallest.others);
  Machine& machine = levels_[level]->core();
  machine.set_captures_calls(true);
  if (Problem problem = run_state(level, chooser, /*nested=*/nullptr)) {
    message = *std::move(problem);
  }
  machine.set_captures_calls(!options_.reproduce.empty());
  tells_ = false;
  on_failure_(describe(level, smallest, std::move(message)));
}

void Explorer::tell_of_death(const SearchPosition& position, std::string message) {
  const auto is_there = [&](const CrashPoint& point) { return point.index == position.point; };
  if (!go_to_point(1, is_there)) return;
  levels_[1]->choices = position.path();
  tell_as_it_is(1, std::move(message));
}

void Explorer::tell_as_it_is(std::size_t level, std::string message) {
  ++failures_;
  Reproduction::Crash crash = crash_at(levels_[level]->point, Others::kOldest);
  for (const Choice& choice : levels_[level]->choices) {
    if (!is_usual(choice, crash.others)) crash.chosen[choice.granule] = choice.chosen;
  }
  on_failure_(describe(level, crash, std::move(message)));
}

std::string Explorer::exit_text() const {
  const std::string text =
      fmt::format("{} ended the process with exit()", stage_name(progress_.stage));
  if (entered_ == 0) return text;
  Reproduction::Crash crash = crash_at(levels_[entered_]->point, Others::kOldest);
  for (const Choice& choice : levels_[entered_]->choices) {
    crash.chosen[choice.granule] = choice.chosen;
  }
  return fmt::format("{}\n  This state alone: --crash_repro={}", text,
                     reproduction_of(entered_, crash).to_string());
}

Reproduction Explorer::reproduction_of(std::size_t level, const Reproduction::Crash& crash) const {
  Reproduction reproduction{.seed = progress_.schedule.seed,
                            .schedule_steps = progress_.schedule.steps,
                            .trace_hash = trace_hash_,
                            .crashes = {}};
  for (std::size_t i = 1; i < level; ++i) {
    Reproduction::Crash before = crash_at(levels_[i]->point, Others::kOldest);
    for (const Choice& choice : levels_[i]->choices) before.chosen[choice.granule] = choice.chosen;
    reproduction.crashes.push_back(std::move(before));
  }
  reproduction.crashes.push_back(crash);
  return reproduction;
}

CrashFailure Explorer::describe(std::size_t level, const Reproduction::Crash& crash,
                                std::string message) {
  CrashFailure failure;
  failure.message = std::move(message);
  for (std::size_t i = 1; i < level; ++i) {
    failure.crash_point += describe_point(levels_[i]->point, source_trace(i), operations_) +
                           (levels_[i]->is_killed() && !levels_[i + 1]->is_killed()
                                ? ", and a power cut in the recovery from that, "
                                : ", and in the recovery from that, ");
  }
  failure.reproduction = reproduction_of(level, crash).to_string();
  failure.point = levels_[1]->point.index;
  const CrashPoint& point = levels_[level]->point;
  const Trace& trace = source_trace(level);
  failure.crash_point += describe_point(point, trace, operations_);
  if (point.event < trace.events().size()) {
    const auto calls = trace.calls(trace.events()[point.event]);
    if (!calls.empty()) failure.site = sites_.describe(calls);
  }
  failure.others_newest = crash.others == Others::kNewest;
  describe_granules(level, crash.others, failure);
  return failure;
}

void Explorer::describe_granules(std::size_t level, Others others, CrashFailure& failure) {
  constexpr std::size_t kMaxOvertaken = 4;
  const Level& target = *levels_[level];
  const auto crash_of = [&](const Choice& choice) {
    const std::size_t origin = target.origins[choice.granule];
    return DescribedCrash{.trace = source_trace(origin),
                          .event = levels_[origin]->point.event,
                          .model = options_.machine.model.memory,
                          .definite = target.definite,
                          .sites = sites_};
  };
  std::map<std::size_t, std::vector<std::size_t>> kept_events;  // By origin.
  for (const Choice& choice : target.choices) {
    const Granule& granule = target.state.granules[choice.granule];
    const std::size_t event =
        event_of(granule, granule.candidates[choice.chosen], crash_of(choice));
    if (event != Candidate::kNoEvent) kept_events[target.origins[choice.granule]].push_back(event);
  }
  for (const Choice& choice : target.choices) {
    const std::size_t origin = target.origins[choice.granule];
    const std::vector<std::size_t>& kept = kept_events[origin];
    CrashGranule granule =
        describe_granule(target.state.granules[choice.granule], choice, crash_of(choice), kept);
    const bool is_overtaken =
        kept.empty() || (granule.lost_event != 0 && std::ranges::max(kept) >= granule.lost_event);
    name_file(granule);
    if (origin != 1) granule.kept_event = granule.lost_event = 0;
    if (!is_usual(choice, others)) {
      failure.granules.push_back(std::move(granule));
    } else if (others == Others::kOldest && is_overtaken) {
      failure.overtaken.push_back(std::move(granule));
    }
  }
  // What came last is nearest to what overtook it.
  std::ranges::sort(failure.overtaken, [](const CrashGranule& one, const CrashGranule& other) {
    return std::tie(other.lost_event, one.address) < std::tie(one.lost_event, other.address);
  });
  merge_alike(failure.overtaken);
  if (failure.overtaken.size() > kMaxOvertaken) failure.overtaken.resize(kMaxOvertaken);
}

void Explorer::name_file(CrashGranule& granule) {
  SimulatedFiles& files = levels_[0]->core().files();
  if (granule.bytes == 0) {
    const std::string path = files.path_of_size(granule.address);
    if (!path.empty()) granule.content += " of " + path;
    return;
  }
  const auto place = files.place_of(granule.address);
  if (!place) return;
  granule.path = place->path;
  const MediaAddress begin = granule.address - place->offset;
  granule.address = place->offset;
  for (CrashBytes& piece : granule.pieces) piece.address -= begin;
}

const Trace& Explorer::source_trace(std::size_t level) const { return levels_[level - 1]->trace(); }

Reproduction::Crash Explorer::shrink(std::size_t level, const std::vector<Choice>& choices) {
  Reproduction::Crash from_oldest = shrink_towards(level, choices, Others::kOldest);
  Reproduction::Crash from_newest = shrink_towards(level, choices, Others::kNewest);
  // "Nothing of it is there" is the smallest set, and names nobody.
  const bool names_nobody = from_oldest.chosen.empty() && !from_newest.chosen.empty();
  const bool is_smaller = from_newest.chosen.size() < from_oldest.chosen.size();
  return names_nobody || is_smaller ? from_newest : from_oldest;
}

Reproduction::Crash Explorer::shrink_towards(std::size_t level, const std::vector<Choice>& choices,
                                             Others others) {
  Reproduction::Crash crash = crash_at(levels_[level]->point, others);
  for (const Choice& choice : choices) {
    // Also what is usual, at first: with others beside it the run may read something else.
    crash.chosen[choice.granule] = choice.chosen;
  }
  for (const Choice& choice : choices) {
    auto fewer = crash.chosen;
    fewer.erase(choice.granule);
    ChosenSet chooser(fewer, others);
    if (is_usual(choice, others) || run_state(level, chooser, /*nested=*/nullptr)) {
      crash.chosen = std::move(fewer);
    }
  }
  return crash;
}

}  // namespace nacre
