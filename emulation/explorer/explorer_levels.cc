// What a level begins with: the media and the record that a crash falls into, and what it leaves.

#include <algorithm>

#include "emulation/explorer/explorer.h"
#include "emulation/explorer/explorer_level.h"
#include "emulation/simulation/simulated_files.h"
#include "emulation/simulation/visible_bytes.h"

namespace nacre {
namespace {

/// The last level that recovers from kills: what the workload leaves is recovered from twice.
constexpr std::size_t kLastKilled = 2;

}  // namespace

bool Explorer::go_to_point(std::size_t level, const std::function<bool(const CrashPoint&)>& is_it) {
  CrashPoints points = begin_level(level);
  CrashPoint point;
  while (points.next(point)) {
    if (!is_it(point)) continue;
    open_state(level, points, point);
    return true;
  }
  return false;
}

bool Explorer::may_crash(std::size_t level) const {
  // A kill of recovery is none of those that `depth` counts: the power cut behind it shows what it
  // has left.
  const bool recovery_was_killed = level > 1 && levels_[level]->is_killed();
  return level - std::size_t{recovery_was_killed} < options_.depth;
}

CrashPoints Explorer::begin_level(std::size_t level) {
  prepare_level(level);
  const Level& source = *levels_[level - 1];
  // Where recovery has stored nothing, the next one sees what it has seen.
  const bool kills =
      level == 1 || (level == kLastKilled && kills_recovery_ &&
                     std::ranges::any_of(source.core().trace().events(), changes_what_is_visible));
  return CrashPoints(
      source_trace(level), options_.machine.model, levels_[level]->definite,
      {.kills = kills_ && kills, .first = source.is_killed() ? source.trace().killed_at() : 0});
}

std::size_t Explorer::first_process(std::size_t level) const {
  --level;
  while (levels_[level]->is_killed()) --level;
  return level;
}

void Explorer::for_each_decided(std::size_t level,
                                const std::function<void(const Patch&)>& put) const {
  for (std::size_t i = std::max<std::size_t>(1, first_process(level)); i < level; ++i) {
    for (const Choice& choice : levels_[i]->choices) {
      const Granule& granule = levels_[i]->state.granules[choice.granule];
      for (const Patch& patch : granule.candidates[choice.chosen].patches) put(patch);
    }
  }
}

void Explorer::prepare_level(std::size_t level) {
  Machine& target = levels_[level]->core();
  target.media().restore();
  target.adopt(levels_[first_process(level)]->core());
  // What the crashes before have decided is definite for this one.
  for_each_decided(
      level, [&](const Patch& patch) { target.media().save_bytes(patch.address, patch.bytes); });
  Level& source = *levels_[level - 1];
  if (!source.is_killed()) return;
  // Nothing else has been decided: it is all as it was, with room for what was made since.
  target.files().adopt(source.core().files());
  source.since_power_cut.begin_with(source_trace(level - 1), source.point.event);
  source.since_power_cut.go_on_with(source.core().trace());
}

void Explorer::open_state(std::size_t level, const CrashPoints& points, const CrashPoint& point) {
  Level& target = *levels_[level];
  target.core().media().restore();
  target.point = point;
  target.state = {};
  target.origins.clear();
  target.outcomes.clear();
  if (level > 1) {
    // What nobody has read is as open as it was.
    const Level& source = *levels_[level - 1];
    for (std::size_t i = 0; i < source.state.granules.size(); ++i) {
      if (!source.resolver.is_resolved(i)) {
        target.state.granules.push_back(source.state.granules[i]);
        target.origins.push_back(source.origins[i]);
      }
    }
  }
  if (!target.is_killed()) points.collect(target.state);
  if (!target.state.limit.empty()) progress_.counts.leave_out_states(target.state.limit);
  target.origins.resize(target.state.granules.size(), level);
  target.resolver.set_state(target.state);
}

void Explorer::show_what_was_visible(std::size_t level) {
  Level& target = *levels_[level];
  DecidedBytes before(levels_[first_process(level)]->core().media());
  for_each_decided(level, [&](const Patch& patch) { before.write(patch.address, patch.bytes); });
  PresentBytes present(target.core().media());
  make_visible(source_trace(level), target.point.event, before, present);
}

}  // namespace nacre
