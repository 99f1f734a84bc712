// bench io: what the scheduler and its backends make of a disk, beside bare system calls and bare
// liburing on the same file. See docs/benchmarks.md.

#include <memory>

#include "bench/io_rows.h"
#include "bench/suite.h"

namespace nacre::bench {
namespace {

std::vector<Benchmark> io_benchmarks(const Setting& setting) {
  const auto file = std::make_shared<DataFile>(setting);
  std::vector<Benchmark> all;
  for (const auto& part :
       {transfer_benchmarks, posix_benchmarks, group_benchmarks, mixed_benchmarks}) {
    for (Benchmark& benchmark : part(file)) all.push_back(std::move(benchmark));
  }
  for (Benchmark& benchmark : overhead_benchmarks()) all.push_back(std::move(benchmark));
  return all;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_suite(
      {.program = "bench_io",
       .about =
           "nacre's file I/O against bare system calls and bare liburing, in one process and run",
       .parts = {nacre::bench::io_benchmarks}},
      argc, argv);
}
