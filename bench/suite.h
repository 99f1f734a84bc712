#pragma once

// A benchmark program: its arguments, its rows one after the other, its table and files.

#include <functional>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/workload.h"

namespace nacre::bench {

struct Suite {
  std::string program;  ///< Such as "bench_wal".
  std::string about;    ///< One line for `--help`.
  /// Each gives some of the rows, in the order they are reported.
  std::vector<std::function<std::vector<Benchmark>(const Setting&)>> parts;
  /// Memory devices that `--as` takes; none: there is no `--as`.
  std::vector<std::string> devices = {};
};

/// The whole of `main`. Ends with `kIncomplete` when one of nacre's own figures is missing, with
/// `kUsage` when the arguments are wrong.
int run_suite(const Suite& suite, int argc, char** argv);

}  // namespace nacre::bench
