// bench wal: what a durable append, a commit, a recovery and a read cost, beside what they must
// cost (the floor) and what they cost elsewhere (the peers). See docs/benchmarks.md.

#include <cstdlib>
#include <string>
#include <vector>

#include "bench/suite.h"
#include "bench/wal_rows.h"
#include "nacre/emulation/latency_model.h"

namespace {

using nacre::bench::Benchmark;
using nacre::bench::Setting;

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const nacre::MemoryDevice& device : nacre::known_memory_devices()) {
    names.emplace_back(device.name);
  }
  return names;
}

/// Rows that the model of a memory device says nothing about.
auto without_device(std::vector<Benchmark> (*rows)(const Setting&)) {
  return [rows](const Setting& setting) {
    return setting.device.empty() ? rows(setting) : std::vector<Benchmark>();
  };
}

}  // namespace

int main(int argc, char** argv) {
  namespace bench = nacre::bench;
  // libpmem takes only what it believes to be persistent memory; read at its first mapping.
  setenv("PMEM_IS_PMEM_FORCE", "1", 1);
  return bench::run_suite(
      {.program = "bench_wal",
       .about = "nacre's log against its floor and its peers, in one process and run",
       // Memory first: what other rows have freed is given out again.
       .parts = {without_device(bench::memory_benchmarks), bench::append_benchmarks,
                 without_device(bench::commit_benchmarks),
                 without_device(bench::commit_async_benchmarks),
                 without_device(bench::read_benchmarks)},
       .devices = device_names()},
      argc, argv);
}
