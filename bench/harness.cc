#include "bench/harness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/base/assert.h"

namespace nacre::bench {
namespace {

struct Entry {
  Figure figure;
  Measure measure;  // Empty once the contender has failed.
};

void fail(Entry& entry, const Error& error) {
  entry.figure.failure = error.to_string();
  entry.figure.samples.clear();
  entry.measure = nullptr;
}

std::vector<Entry> prepare(std::vector<Contender> contenders) {
  std::vector<Entry> entries;
  for (Contender& contender : contenders) {
    Entry entry{.figure = {.name = std::move(contender.name),
                           .role = contender.role,
                           .tuning = std::move(contender.tuning),
                           .samples = {},
                           .failure = {}},
                .measure = nullptr};
    if (Result<Measure> measure = contender.prepare()) {
      entry.measure = *std::move(measure);
    } else {
      fail(entry, measure.error());
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

void measure_once(Entry& entry, Nanoseconds slice, bool keep) {
  if (!entry.measure) return;
  Result<double> value = entry.measure(slice);
  if (!value) {
    fail(entry, value.error());
  } else if (!std::isfinite(*value) || *value <= 0) {
    fail(entry, Error(ErrorCode::kInvalidArgument,
                      fmt::format("the measurement gave {}, which is no figure", *value)));
  } else if (keep) {
    entry.figure.samples.push_back(*value);
  }
}

Nanoseconds fitting_slice(const Plan& plan, std::size_t contenders) {
  constexpr Nanoseconds kShortest = std::chrono::milliseconds(5);
  // One part in five is left for what a contender does between its slices.
  constexpr double kMeasuredShare = 0.8;
  if (!plan.deadline) return plan.slice;
  const double left = static_cast<double>((*plan.deadline - SteadyClock::now()).count());
  const double slices =
      static_cast<double>((plan.rounds + 1) * std::max<std::size_t>(contenders, 1));
  const Nanoseconds share(static_cast<std::int64_t>(left * kMeasuredShare / slices));
  return std::clamp(share, std::min(kShortest, plan.slice), plan.slice);
}

std::string bar_text(const Bar& bar, Better better) {
  const std::string_view sign = better == Better::kLower ? "<=" : ">=";
  if (bar.versus.empty()) return fmt::format("{} {:g}", sign, bar.factor);
  return fmt::format("{} {:.3g} x {}", sign, bar.factor, bar.versus);
}

std::vector<BarResult> judge(const Row& row, const std::vector<Bar>& bars) {
  std::vector<BarResult> results;
  const Figure* nacre = row.find(Role::kNacre);
  if (nacre == nullptr) return results;
  for (const Bar& bar : bars) {
    double versus = 1;
    if (!bar.versus.empty()) {
      const Figure* other = row.find(bar.versus);
      if (other == nullptr) continue;
      versus = other->median();
    }
    const double ratio = nacre->median() / versus;
    const bool met = row.better == Better::kLower ? ratio <= bar.factor : ratio >= bar.factor;
    results.push_back({.text = bar_text(bar, row.better), .met = met, .ratio = ratio});
  }
  return results;
}

}  // namespace

double Figure::median() const {
  NACRE_ASSERT(measured());
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle];
  return (sorted[middle - 1] + sorted[middle]) / 2;
}

double Figure::min() const {
  NACRE_ASSERT(measured());
  return *std::min_element(samples.begin(), samples.end());
}

double Figure::max() const {
  NACRE_ASSERT(measured());
  return *std::max_element(samples.begin(), samples.end());
}

const Figure* Row::find(std::string_view figure) const noexcept {
  for (const Figure& candidate : figures) {
    if (candidate.name == figure && candidate.measured()) return &candidate;
  }
  return nullptr;
}

const Figure* Row::find(Role role) const noexcept {
  for (const Figure& candidate : figures) {
    if (candidate.role == role && candidate.measured()) return &candidate;
  }
  return nullptr;
}

Row run(Benchmark benchmark, const Plan& plan) {
  std::vector<Entry> entries = prepare(std::move(benchmark.contenders));
  const Nanoseconds slice = fitting_slice(plan, entries.size());

  for (Entry& entry : entries) {
    if (plan.interrupted()) break;
    measure_once(entry, slice, false);
  }
  for (std::size_t round = 0; round < plan.rounds; ++round) {
    if (round > 0 && plan.deadline && SteadyClock::now() >= *plan.deadline) break;
    for (std::size_t turn = 0; turn < entries.size(); ++turn) {
      if (plan.interrupted()) break;
      // Each round starts with another contender, so that nobody always follows the same one.
      measure_once(entries[(round + turn) % entries.size()], slice, true);
    }
  }

  Row row{.name = std::move(benchmark.name),
          .unit = std::move(benchmark.unit),
          .better = benchmark.better,
          .figures = {},
          .bars = {}};
  for (const Role role : {Role::kNacre, Role::kFloor, Role::kPeer, Role::kVariant}) {
    for (Entry& entry : entries) {
      if (entry.figure.role == role) row.figures.push_back(std::move(entry.figure));
    }
  }
  row.bars = judge(row, benchmark.bars);
  return row;
}

}  // namespace nacre::bench
