#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/stopwatch.h"
#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

/// A fill takes seconds; so many of them show how they differ.
constexpr std::size_t kFills = 5;

/// A store made, filled and removed in each slice, however long that takes; the puts are measured.
Contender filling(const Setting& setting, const StoreKind& kind, const Fill& fill,
                  Sample (Stopwatch::*figure)(std::uint64_t) const) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            return Measure([=](Nanoseconds) -> Result<Sample> {
              const OpenStore store = NACRE_TRY(open_in_memory(setting, kind, fill));
              const Stopwatch watch;
              NACRE_TRY(fill_store(*store.engine, fill));
              const Sample sample = (watch.*figure)(fill.records);
              NACRE_TRY(check_store(*store.engine, fill));
              return sample;
            });
          }};
}

Benchmark put_mt_row(const Setting& setting, std::size_t threads) {
  const Fill fill{.records = headline_records(setting), .threads = threads};
  Benchmark row{.name = fmt::format("put_mt/{}", threads),
                .unit = "ops/s",
                .better = Better::kHigher,
                .max_rounds = kFills};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(filling(setting, kind, fill, &Stopwatch::operations_per_second));
  }
  if (threads > 1) {
    Contender one = filling(setting, nacre_store(), {.records = fill.records},
                            &Stopwatch::operations_per_second);
    one.name = "nacre_1_thread";
    one.role = Role::kVariant;
    row.contenders.push_back(std::move(one));
    row.bars.push_back({.versus = "nacre_1_thread", .factor = 1.7});
  }
  return row;
}

Benchmark series_row(const Setting& setting) {
  const Fill fill{.records = headline_records(setting), .key = series_key};
  Benchmark row{.name = "series_append", .unit = "ns/op", .max_rounds = kFills};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(filling(setting, kind, fill, &Stopwatch::ns_per_operation));
  }
  return row;
}

/// The longest put of a fill that goes on for many memtables.
Contender stalling(const Setting& setting, const StoreKind& kind, std::uint64_t memtable_bytes,
                   const Fill& fill) {
  return {kind.name, kind.role(),
          fmt::format("{} keys, memtables of {} MiB; {}", records_name(fill.records),
                      memtable_bytes >> 20, kind.tuning),
          [=]() -> Result<Measure> {
            return Measure([=](Nanoseconds) -> Result<Sample> {
              const ScratchDirectory directory =
                  NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
              const auto engine = NACRE_TRY(kind.open({.directory = directory.path() / "store",
                                                       .memtable_bytes = memtable_bytes,
                                                       .data_bytes = fill.data_bytes()}));
              const auto session = NACRE_TRY(engine->session());
              const Payloads values(fill.value_bytes);
              std::vector<std::uint64_t> latencies(fill.records);
              SteadyClock::time_point before = SteadyClock::now();
              for (std::uint64_t index = 0; index < fill.records; ++index) {
                NACRE_TRY(session->put(fill.key(index), values.at(index)));
                const SteadyClock::time_point after = SteadyClock::now();
                latencies[index] = static_cast<std::uint64_t>((after - before).count());
                before = after;
              }
              const double longest = static_cast<double>(*std::ranges::max_element(latencies));
              return Sample(longest / 1e6, {{"p50_ns", percentile(latencies, 0.5)},
                                            {"p99_ns", percentile(latencies, 0.99)},
                                            {"p999_ns", percentile(latencies, 0.999)}});
            });
          }};
}

Benchmark stall_row(const Setting& setting) {
  const Fill fill{.records = setting.quick ? 200'000U : 4'000'000U};
  const std::uint64_t memtable_bytes = std::uint64_t{setting.quick ? 4U : 64U} << 20;
  Benchmark row{.name = "fillrandom_stall", .unit = "ms", .max_rounds = kFills};
  row.bars.push_back({.versus = "", .factor = 50});
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(stalling(setting, kind, memtable_bytes, fill));
  }
  return row;
}

}  // namespace

Benchmark put_row(const Setting& setting, std::string name, std::uint64_t records) {
  Benchmark row{.name = std::move(name), .unit = "ns/op", .max_rounds = kFills};
  row.bars = {{.versus = "rocksdb", .factor = 1 / 6.0}, {.versus = "lmdb", .factor = 1 / 1.4}};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(
        filling(setting, kind, {.records = records}, &Stopwatch::ns_per_operation));
  }
  if (const auto kind = nacre_protected_store()) {
    Contender shielded =
        filling(setting, *kind, {.records = records}, &Stopwatch::ns_per_operation);
    shielded.role = Role::kVariant;
    row.contenders.push_back(std::move(shielded));
  }
  return row;
}

std::vector<Benchmark> store_fill_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  rows.push_back(put_row(setting, "put", headline_records(setting)));
  for (const std::size_t threads : {1U, 2U}) rows.push_back(put_mt_row(setting, threads));
  rows.push_back(series_row(setting));
  rows.push_back(stall_row(setting));
  return rows;
}

}  // namespace nacre::bench
