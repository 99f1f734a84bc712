#pragma once

// Runs contenders against each other: nacre, its peers and the floor, one slice each, again and
// again, so that a machine whose speed drifts drifts under all of them alike. The median counts.
//
// Thread safety: none; one driving thread. A contender may start threads of its own.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/result.h"

namespace nacre::bench {

using Nanoseconds = std::chrono::nanoseconds;
using SteadyClock = std::chrono::steady_clock;

enum class Better : std::uint8_t {
  kLower,   ///< A cost.
  kHigher,  ///< A rate.
};

enum class Role : std::uint8_t {
  kNacre,
  kFloor,    ///< The least any implementation of the same contract must do.
  kPeer,     ///< Another implementation, as its makers publish it.
  kVariant,  ///< A further figure that explains the row; reported apart from the peers.
};

/// What one slice gave.
struct Sample {
  // NOLINTNEXTLINE(google-explicit-constructor): most rows have nothing but the figure.
  Sample(double value) : figure(value) {}
  Sample(double value, std::map<std::string, double> others)
      : figure(value), beside(std::move(others)) {}

  double figure;  ///< In the row's unit, above 0.
  /// What else the same slice showed, by a name that ends in its unit: `cpu_ns` is the processor
  /// time of one operation, `p99_ns` a latency, `background_bytes_s` a rate, 0 when it stood still.
  std::map<std::string, double> beside;
};

/// Measures for about `slice`.
using Measure = std::move_only_function<Result<Sample>(Nanoseconds slice)>;

struct Contender {
  std::string name;
  Role role = Role::kPeer;
  std::string tuning;  ///< How it is set up, for the reader of the figures.
  /// Sets up; what it holds is released when the row ends. Outside every measured slice.
  std::move_only_function<Result<Measure>()> prepare;
};

/// What nacre's figure is held against: `versus` times `factor`, or `factor` alone when `versus` is
/// empty. "At most" when lower is better, "at least" when higher is.
struct Bar {
  std::string versus;
  double factor = 1;
  /// When not empty, the bar is for what stands beside the figure by this name: always "at most".
  std::string of = {};
};

struct Benchmark {
  std::string name;
  std::string unit;
  Better better = Better::kLower;
  std::vector<Contender> contenders = {};
  std::vector<Bar> bars = {};
  /// Of a row whose slices take as long as their work; 0: as many rounds as planned.
  std::size_t max_rounds = 0;
};

/// What one contender reached. Without samples nothing was measured, and `failure` says why.
struct Figure {
  std::string name;
  Role role = Role::kPeer;
  std::string tuning;
  std::vector<double> samples;
  std::string failure;
  std::map<std::string, std::vector<double>> beside = {};  ///< As in the samples, by name.

  bool measured() const noexcept { return !samples.empty(); }
  /// REQUIRES: measured().
  double median() const;
  double min() const;
  double max() const;
  /// The median of what stands beside the figure by that name, if anything does.
  std::optional<double> median_beside(const std::string& what) const;
};

struct BarResult {
  std::string text;  ///< Such as "<= 1.15 x floor".
  bool met = false;
  double ratio = 0;  ///< Nacre's figure over the one it is held against (over 1 when alone).
};

struct Row {
  std::string name;
  std::string unit;
  Better better = Better::kLower;
  std::vector<Figure> figures;  ///< nacre first, then the floor, peers, variants.
  std::vector<BarResult> bars;

  const Figure* find(std::string_view figure) const noexcept;  ///< Null when not measured.
  const Figure* find(Role role) const noexcept;
};

struct Plan {
  std::size_t rounds = 25;
  Nanoseconds slice = std::chrono::milliseconds(150);
  /// When set, slices are shortened and rounds left out so that the row ends by then; one round
  /// runs in any case.
  std::optional<SteadyClock::time_point> deadline;
  /// Asked between slices; true ends the row with what there is.
  std::function<bool()> interrupted = [] { return false; };
};

/// Prepares every contender, warms each with one slice that is thrown away, then runs the rounds.
/// A contender that fails keeps no figure; the others go on.
Row run(Benchmark benchmark, const Plan& plan);

/// Runs `chunk(n)`, which performs n operations and returns false when one failed, for about
/// `slice`. Returns nanoseconds an operation; nullopt when one failed.
template <class Chunk>
std::optional<double> ns_per_operation(Nanoseconds slice, Chunk&& chunk) {
  std::uint64_t operations = 0;
  std::uint64_t step = 1;
  const SteadyClock::time_point start = SteadyClock::now();
  SteadyClock::time_point now = start;
  do {
    if (!chunk(step)) return std::nullopt;
    operations += step;
    const SteadyClock::time_point after = SteadyClock::now();
    // Steps grow until the clock is read some fifty times a slice, too rarely to be felt.
    if (after - now < slice / 100) step *= 2;
    now = after;
  } while (now - start < slice);
  const auto elapsed = std::chrono::duration<double, std::nano>(now - start);
  return elapsed.count() / static_cast<double>(operations);
}

}  // namespace nacre::bench
