// bench store: what the ordered key-value store's operations cost, beside what they cost in
// RocksDB, LevelDB and LMDB. See docs/benchmarks.md.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "bench/suite.h"

namespace nacre::bench {

std::vector<Benchmark> store_scale_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  for (const std::uint64_t records : scale_records(setting)) {
    const std::string suffix = "/" + records_name(records);
    rows.push_back(put_row(setting, "scale/put" + suffix, records));
    for (Benchmark& row : read_rows(setting, "scale/", suffix, records)) {
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace nacre::bench

int main(int argc, char** argv) {
  namespace bench = nacre::bench;
  return bench::run_suite(
      {.program = "bench_store",
       .about = "nacre's store against RocksDB, LevelDB and LMDB, in one process and run",
       .parts = {bench::store_process_benchmarks, bench::store_fill_benchmarks,
                 bench::store_read_benchmarks, bench::store_ycsb_benchmarks,
                 bench::store_order_benchmarks, bench::store_block_benchmarks,
                 bench::store_scale_benchmarks}},
      argc, argv);
}
