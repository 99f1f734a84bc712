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
  entry.figure.beside.clear();
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

std::optional<Error> unsoundness(const Sample& sample) {
  const auto error = [](std::string_view what, double value) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the measurement gave {}{}, which is no figure", what, value));
  };
  if (!std::isfinite(sample.figure) || sample.figure <= 0) return error("", sample.figure);
  for (const auto& [what, value] : sample.beside) {
    if (!std::isfinite(value) || value < 0) return error(what + " ", value);
  }
  return std::nullopt;
}

void measure_once(Entry& entry, Nanoseconds slice, bool keep) {
  if (!entry.measure) return;
  const Result<Sample> sample = entry.measure(slice);
  if (!sample) return fail(entry, sample.error());
  if (const std::optional<Error> unsound = unsoundness(*sample)) return fail(entry, *unsound);
  if (!keep) return;
  entry.figure.samples.push_back(sample->figure);
  for (const auto& [what, value] : sample->beside) entry.figure.beside[what].push_back(value);
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

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::string bar_text(const Bar& bar, Better better) {
  const std::string subject = bar.of.empty() ? "" : bar.of + " ";
  const std::string_view sign = better == Better::kLower ? "<=" : ">=";
  if (bar.versus.empty()) return fmt::format("{}{} {:g}", subject, sign, bar.factor);
  return fmt::format("{}{} {:.3g} x {}", subject, sign, bar.factor, bar.versus);
}

/// What a bar is about: the figure, or what stands beside it.
std::optional<double> subject_of(const Bar& bar, const Figure* figure) {
  if (figure == nullptr) return std::nullopt;
  if (bar.of.empty()) return figure->median();
  return figure->median_beside(bar.of);
}

std::vector<BarResult> judge(const Row& row, const std::vector<Bar>& bars) {
  std::vector<BarResult> results;
  for (const Bar& bar : bars) {
    const Better better = bar.of.empty() ? row.better : Better::kLower;
    const std::optional<double> nacre = subject_of(bar, row.find(Role::kNacre));
    const std::optional<double> versus =
        bar.versus.empty() ? std::optional(1.0) : subject_of(bar, row.find(bar.versus));
    if (!nacre || !versus) continue;
    const double ratio = *nacre / *versus;
    const bool met = better == Better::kLower ? ratio <= bar.factor : ratio >= bar.factor;
    results.push_back({.text = bar_text(bar, better), .met = met, .ratio = ratio});
  }
  return results;
}

}  // namespace

double Figure::median() const {
  NACRE_ASSERT(measured());
  return median_of(samples);
}

std::optional<double> Figure::median_beside(const std::string& what) const {
  const auto found = beside.find(what);
  if (found == beside.end() || found->second.empty()) return std::nullopt;
  return median_of(found->second);
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
  const std::size_t rounds =
      benchmark.max_rounds == 0 ? plan.rounds : std::min(plan.rounds, benchmark.max_rounds);
  for (std::size_t round = 0; round < rounds; ++round) {
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
