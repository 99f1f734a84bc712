#pragma once

// The rows of `bench wal`. Each function gives some of them, in the order they are reported.

#include <vector>

#include "bench/harness.h"
#include "bench/workload.h"

namespace nacre::bench {

/// append/*, append_batch/*, append_mt/*: the emulated domain, in memory.
std::vector<Benchmark> append_benchmarks(const Setting& setting);
/// commit_block/*: the block domain, on the disk directory.
std::vector<Benchmark> commit_benchmarks(const Setting& setting);
/// commit_block_async*: one thread, thousands of tickets in flight.
std::vector<Benchmark> commit_async_benchmarks(const Setting& setting);
/// recover, read_seq/*: in memory.
std::vector<Benchmark> read_benchmarks(const Setting& setting);
/// open_memory/*: what an open log takes.
std::vector<Benchmark> memory_benchmarks(const Setting& setting);

}  // namespace nacre::bench
