// The order in which states are tried, and how far the budget goes.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "emulation/explorer/explorer.h"
#include "emulation/explorer/explorer_level.h"
#include "emulation/explorer/representatives.h"
#include "emulation/explorer/search_text.h"

namespace nacre {
namespace {

/// What the crashes of one recovery may cost at least, in states.
constexpr std::uint64_t kLeastForRecovery = 64;
/// States of a crash point among which its budget for crashes in recovery is shared out, at most.
constexpr double kMostSharers = 1024;
/// The same of its time, where kills make these crashes many.
constexpr double kMostTimeSharers = 16;

/// More would not fit into a clock.
constexpr double kMaxSeconds = 1e9;

double product_of(const CrashState& state) {
  double product = 1;
  for (const Granule& granule : state.granules) {
    product *= static_cast<double>(granule.candidates.size());
  }
  return product;
}

MediaAddress address_of(const CrashState& state, std::uint32_t granule) {
  return state.granules[granule].spans.front().address;
}

std::string divergence_text(const Divergence& divergence, const CrashState& state) {
  const std::string read =
      divergence.read_granule
          ? fmt::format("the open bytes at {:#x}", address_of(state, *divergence.read_granule))
          : "nothing more";
  return not_deterministic_text(
      fmt::format("read {} where it had read the open bytes at {:#x} (load {} of open bytes)", read,
                  address_of(state, divergence.expected_granule), divergence.choice + 1));
}

}  // namespace

void Explorer::search(std::size_t shard, std::size_t shards, const SearchPosition* position) {
  std::size_t count = 0;
  CrashPoint point;
  for (CrashPoints all = begin_level(1); all.next(point);) ++count;
  CrashPoints points = begin_level(1);
  SearchCounts& counts = progress_.counts;
  while (!has_failed() && points.next(point)) {
    if (point.index % shards != shard) continue;
    if (position != nullptr && point.index < position->point) continue;
    const bool resumes = position != nullptr && point.index == position->point;
    if (resumes && position->is_cut) counts.leave_out_states(cut_choices_text());
    open_state(1, points, point);
    if (!resumes) {
      const double product = product_of(levels_[1]->state);
      ++(point.kind == CrashKind::kKill ? counts.kill_points : counts.crash_points);
      counts.product += product;
      if (product > 1) ++counts.open_points;
    }
    const Budget budget = share_out((count - point.index + shards - 1) / shards);
    search_point(1, budget, resumes ? position : nullptr);
  }
}

void Explorer::search_recovery(std::size_t level, const Budget& budget) {
  CrashPoints points = begin_level(level);
  CrashPoint point;
  while (!has_failed() && points.next(point)) {
    if (is_spent(budget)) {
      progress_.counts.out_of_budget = true;
      return;
    }
    open_state(level, points, point);
    if (point.kind == CrashKind::kKill) ++progress_.counts.recovery_kills;
    search_point(level, budget, nullptr);
  }
}

void Explorer::search_point(std::size_t level, const Budget& budget,
                            const SearchPosition* position) {
  ChoicePath path(position != nullptr ? position->path() : std::vector<Choice>());
  if (position != nullptr && !path.skip_first()) return;
  const std::uint64_t left = budget.states - std::min(budget.states, states_run());
  if (product_of(levels_[level]->state) > static_cast<double>(left)) {
    // Recovery may read so little that a row through all of it is short, whatever the product.
    const std::uint64_t quarter = left / 4;
    if (search_all(level, budget.first(quarter, states_run()), path)) return;
    search_representatives(level, budget.first(2 * quarter, states_run()));
  }
  if (!search_all(level, budget, path)) progress_.counts.out_of_budget = true;
}

void Explorer::search_representatives(std::size_t level, const Budget& budget) {
  Representatives representatives(levels_[level]->state, options_.seed);
  while (!has_failed() && !is_spent(budget)) {
    ChosenSet chooser = representatives.next();
    try_state(level, chooser, budget);
  }
}

bool Explorer::search_all(std::size_t level, const Budget& budget, ChoicePath& path) {
  do {
    if (is_spent(budget)) return false;
    try_state(level, path, budget);
    // What comes next in the row would be no more than a guess.
    if (path.divergence() || has_failed()) return true;
  } while (path.advance());
  return true;
}

void Explorer::try_state(std::size_t level, Chooser& chooser, const Budget& budget) {
  Budget nested = budget;
  const double sharers = std::clamp(product_of(levels_[level]->state), 1.0, kMostSharers);
  const std::uint64_t left = budget.states - std::min(budget.states, states_run());
  nested.states =
      states_run() +
      std::max(kLeastForRecovery, static_cast<std::uint64_t>(static_cast<double>(left) / sharers));
  if (kills_ && level == 1 && budget.deadline != TimePoint::max()) {
    // Kills of one recovery could take all the time that the other states of this point have.
    const auto now = std::chrono::steady_clock::now();
    nested.deadline = now + (budget.deadline - std::min(now, budget.deadline)) /
                                static_cast<TimePoint::rep>(std::min(sharers, kMostTimeSharers));
  }
  const Budget* const for_recovery = may_crash(level) ? &nested : nullptr;
  const bool repeats = is_sampled();
  PointCounts& here = progress_.at(levels_[1]->point.index);
  ++(level == 1 ? progress_.counts.states : progress_.counts.nested_states);
  ++(level == 1 ? here.states : here.nested_states);
  if (level == 1 && options_.fork_each_state) {
    run_isolated(chooser, for_recovery, repeats);
    chooser.take_over(levels_[1]->choices);
  } else {
    run_and_tell(level, chooser, for_recovery, repeats);
  }
}

void Explorer::run_and_tell(std::size_t level, Chooser& chooser, const Budget* nested,
                            bool repeats) {
  const std::size_t failures = failures_;
  Problem problem = run_state(level, chooser, nested);
  if (failures_ > failures) return;  // Of a crash in this recovery.
  if (const auto divergence = chooser.divergence()) {
    tell_as_it_is(level, divergence_text(*divergence, levels_[level]->state));
    return;
  }
  // One that fails is worth it as well: shrinking it would be told something else each time.
  if (repeats || (problem && !options_.fork_each_state)) {
    if (Problem difference = repeat(level, problem)) {
      tell_as_it_is(level, *std::move(difference));
      return;
    }
  }
  if (problem) fail(level, levels_[level]->choices, *std::move(problem));
}

bool Explorer::is_sampled() {
  constexpr std::uint64_t kFirst = 8;
  constexpr std::uint64_t kOneIn = 64;
  return sampled_++ < kFirst || uniform_below(sampler_, kOneIn) == 0;
}

Explorer::Problem Explorer::repeat(std::size_t level, const Problem& first) {
  Level& target = *levels_[level];
  const std::vector<Choice> choices = target.choices;
  const CrashProgram::State found = target.found;
  ChoicePath same(choices);
  tells_ = true;  // The search stays where it is.
  const Problem second = run_state(level, same, /*nested=*/nullptr);
  tells_ = false;
  if (const auto divergence = same.divergence()) return divergence_text(*divergence, target.state);
  if (target.choices.size() > choices.size()) {
    return not_deterministic_text(
        fmt::format("read open bytes at {:#x} that it had not read",
                    address_of(target.state, target.choices[choices.size()].granule)));
  }
  const auto end_text = [](const Problem& problem) {
    return problem ? fmt::format("failed ({})", *problem) : "passed";
  };
  if (first.has_value() != second.has_value()) {
    return not_deterministic_text(
        fmt::format("{} where it had {}", end_text(second), end_text(first)));
  }
  if (found != nullptr && target.found != nullptr && !program_.equal(found, target.found)) {
    return not_deterministic_text("found something else");
  }
  return std::nullopt;
}

Explorer::Budget Explorer::share_out(std::size_t points_left) const {
  const std::uint64_t run = states_run();
  // Each schedule has the same share, so that what one finds does not depend on the others.
  const std::size_t schedules = progress_.counts.schedule_steps > 0 ? options_.schedules : 1;
  const std::uint64_t states = std::max<std::uint64_t>(1, options_.max_states / schedules);
  Budget budget;
  budget.states = run + (states - std::min(states, run)) / points_left;
  if (options_.max_seconds > 0) {
    const double seconds =
        std::min(options_.max_seconds, kMaxSeconds) / static_cast<double>(schedules);
    const auto end = began_ + std::chrono::duration_cast<TimePoint::duration>(
                                  std::chrono::duration<double>(seconds));
    const auto now = std::chrono::steady_clock::now();
    budget.deadline = now + (end - std::min(now, end)) / static_cast<TimePoint::rep>(points_left);
  }
  return budget;
}

bool Explorer::is_spent(const Budget& budget) const {
  return states_run() >= budget.states || (budget.deadline != TimePoint::max() &&
                                           std::chrono::steady_clock::now() >= budget.deadline);
}

std::uint64_t Explorer::states_run() const {
  return progress_.counts.states + progress_.counts.nested_states;
}

}  // namespace nacre
