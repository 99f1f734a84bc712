#pragma once

// The rows of `bench io`. Each function gives some of them, in the order they are reported.

#include <memory>
#include <vector>

#include "bench/data_file.h"
#include "bench/harness.h"

namespace nacre::bench {

/// rand_read_4k/*, seq_*: O_DIRECT transfers through the scheduler.
std::vector<Benchmark> transfer_benchmarks(const std::shared_ptr<DataFile>& file);
/// rand_read_4k_posix/*, posix/*: the same through the POSIX backend.
std::vector<Benchmark> posix_benchmarks(const std::shared_ptr<DataFile>& file);
/// group_read*: reads that get their buffer from a group.
std::vector<Benchmark> group_benchmarks(const std::shared_ptr<DataFile>& file);
/// mixed/*: foreground reads beside a saturating compaction.
std::vector<Benchmark> mixed_benchmarks(const std::shared_ptr<DataFile>& file);
/// scheduler_overhead/*: requests that the backend has done before it is asked.
std::vector<Benchmark> overhead_benchmarks();

}  // namespace nacre::bench
