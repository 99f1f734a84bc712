#pragma once

// Results for people (a table) and for machines (JSON, the contract in docs/benchmarks.md).

#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/machine.h"

namespace nacre::bench {

/// A figure with its unit in the form a person reads: "104.2 ns", "78.1 us", "9.87 M/s".
std::string human_figure(double value, std::string_view unit);

/// What stands beside a figure, by the unit its name ends in: "cpu 2.1 µs", "p99 870 µs".
std::string human_beside(std::string_view what, double value);

/// How many times the floor's cost a figure is, whichever way is better: 1 is the floor, above 1
/// costs more.
double relative_cost(double value, double floor, Better better) noexcept;

/// One row as lines of a table, each ended.
std::string table_rows(const Row& row);

/// How every contender was set up, once for each.
std::string tuning_notes(const std::vector<Row>& rows);

/// The document of `--json`. A figure that was not measured is absent, never zero.
std::string to_json(const std::vector<Row>& rows, const Machine& machine);

}  // namespace nacre::bench
