#include <malloc.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "bench/scratch.h"
#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

/// What the process has written to and no file holds, from /proc/self/smaps_rollup.
double anonymous_bytes() {
  // What is free goes back first, or what comes next would live in it unseen.
  malloc_trim(0);
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "Anonymous: %llu kB", &kib) == 1) {
      return static_cast<double>(kib) * 1024;
    }
  }
  return 0;
}

EngineSetting engine_setting(const std::filesystem::path& directory, const Fill& fill) {
  return {.directory = directory / "store", .data_bytes = fill.data_bytes()};
}

/// For a child process: fills a store and leaves it open, so that the process' end is its crash.
Result<double> fill_and_crash(const StoreKind& kind, const EngineSetting& setting,
                              const Fill& fill) {
  auto engine = NACRE_TRY(kind.open(setting));
  NACRE_TRY(fill_store(*engine, fill));
  static_cast<void>(engine.release());
  return 1.0;
}

/// Milliseconds; nothing may be missing then.
Result<double> open_again(const StoreKind& kind, const EngineSetting& setting, const Fill& fill) {
  const SteadyClock::time_point start = SteadyClock::now();
  auto engine = NACRE_TRY(kind.open(setting));
  const std::chrono::duration<double, std::milli> elapsed = SteadyClock::now() - start;
  NACRE_TRY(check_store(*engine, fill));
  static_cast<void>(engine.release());
  return elapsed.count();
}

Contender reopening(const Setting& setting, const StoreKind& kind, const Fill& fill) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            return Measure([=](Nanoseconds) -> Result<Sample> {
              const ScratchDirectory directory =
                  NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
              const EngineSetting engine = engine_setting(directory.path(), fill);
              static_cast<void>(
                  NACRE_TRY(measure_in_child([&] { return fill_and_crash(kind, engine, fill); })));
              return NACRE_TRY(measure_in_child([&] { return open_again(kind, engine, fill); }));
            });
          }};
}

/// Memory of a process for each key put into a memtable, without what the key itself takes.
Result<double> memtable_bytes_a_key(const StoreKind& kind, const EngineSetting& setting,
                                    const Fill& fill) {
  const auto engine = NACRE_TRY(kind.open(setting));
  const double before = anonymous_bytes();
  NACRE_TRY(fill_store(*engine, fill));
  const double gained = anonymous_bytes() - before;
  return gained / static_cast<double>(fill.records) - kStoreKeyBytes;
}

Result<double> fill_and_settle(const StoreKind& kind, const EngineSetting& setting,
                               const Fill& fill) {
  const auto engine = NACRE_TRY(kind.open(setting));
  NACRE_TRY(fill_store(*engine, fill));
  NACRE_TRY(engine->settle());
  return 1.0;
}

/// Memory that a process gains by opening a store and reading every key.
Result<double> table_bytes_a_key(const StoreKind& kind, const EngineSetting& setting,
                                 const Fill& fill) {
  const double before = anonymous_bytes();
  const auto engine = NACRE_TRY(kind.open(setting));
  NACRE_TRY(check_store(*engine, fill, 1));
  return (anonymous_bytes() - before) / static_cast<double>(fill.records);
}

Benchmark memtable_dram_row(const Setting& setting) {
  constexpr std::uint64_t kNeverFull = std::uint64_t{1} << 30;
  Benchmark row{.name = "memtable_dram", .unit = "bytes", .max_rounds = 3};
  row.bars.push_back({.versus = "", .factor = 64});
  const Fill fill{.records = headline_records(setting)};
  for (const StoreKind& kind : {nacre_store(), rocksdb_store(), leveldb_store()}) {
    row.contenders.push_back({kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
                                return Measure([=](Nanoseconds) -> Result<Sample> {
                                  const ScratchDirectory directory =
                                      NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
                                  EngineSetting engine = engine_setting(directory.path(), fill);
                                  engine.memtable_bytes = kNeverFull;
                                  return NACRE_TRY(measure_in_child(
                                      [&] { return memtable_bytes_a_key(kind, engine, fill); }));
                                });
                              }});
  }
  return row;
}

Benchmark table_dram_row(const Setting& setting) {
  Benchmark row{.name = "table_dram", .unit = "bytes", .max_rounds = 3};
  row.bars.push_back({.versus = "", .factor = 1.5});
  const Fill fill{.records = headline_records(setting)};
  const StoreKind kind = nacre_store();
  row.contenders.push_back({kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
                              return Measure([=](Nanoseconds) -> Result<Sample> {
                                const ScratchDirectory directory =
                                    NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
                                const EngineSetting engine = engine_setting(directory.path(), fill);
                                static_cast<void>(NACRE_TRY(measure_in_child(
                                    [&] { return fill_and_settle(kind, engine, fill); })));
                                return NACRE_TRY(measure_in_child(
                                    [&] { return table_bytes_a_key(kind, engine, fill); }));
                              });
                            }});
  return row;
}

Benchmark reopen_row(const Setting& setting, std::string name, std::uint64_t records) {
  Benchmark row{.name = std::move(name), .unit = "ms", .max_rounds = 3};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(reopening(setting, kind, {.records = records}));
  }
  return row;
}

}  // namespace

std::vector<Benchmark> store_process_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  rows.push_back(memtable_dram_row(setting));
  rows.push_back(table_dram_row(setting));
  rows.push_back(reopen_row(setting, "reopen", headline_records(setting)));
  rows.back().bars.push_back({.versus = "", .factor = 1000});
  for (const std::uint64_t records : scale_records(setting)) {
    rows.push_back(reopen_row(setting, "scale/reopen/" + records_name(records), records));
  }
  return rows;
}

}  // namespace nacre::bench
