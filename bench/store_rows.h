#pragma once

// The rows of `bench store`. Each function gives some of them, in the order they are reported.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/workload.h"

namespace nacre::bench {

/// memtable_dram, table_dram, reopen, scale/reopen/*: in processes of their own. Before all others,
/// since a process that is forked off one with threads has none of them, and the peers' would be
/// missed.
std::vector<Benchmark> store_process_benchmarks(const Setting& setting);
/// put, put_mt/*, series_append, fillrandom_stall: stores filled from the start.
std::vector<Benchmark> store_fill_benchmarks(const Setting& setting);
/// get, get_miss, scan, multi_get/64, get_mt/*, readwhilewriting: of stores that are full.
std::vector<Benchmark> store_read_benchmarks(const Setting& setting);
/// ycsb/*.
std::vector<Benchmark> store_ycsb_benchmarks(const Setting& setting);
/// new_order: transactions.
std::vector<Benchmark> store_order_benchmarks(const Setting& setting);
/// put_block/*: the block domain, on the disk directory.
std::vector<Benchmark> store_block_benchmarks(const Setting& setting);
/// scale/put/*, scale/get/*, ...: the same at 0.1 M and 10 M keys; none with --quick.
std::vector<Benchmark> store_scale_benchmarks(const Setting& setting);

Benchmark put_row(const Setting& setting, std::string name, std::uint64_t records);
/// Those of `prefix` "" alone change what they read, and come last.
std::vector<Benchmark> read_rows(const Setting& setting, const std::string& prefix,
                                 const std::string& suffix, std::uint64_t records);

}  // namespace nacre::bench
