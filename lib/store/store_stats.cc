// What a store tells of itself. Nothing here is counted on the way of a put, and of gets one in
// many: what users wrote is the sum of what the sets of memtables have counted of the log, for
// their own sake.

#include <algorithm>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "lib/metrics/prometheus.h"
#include "lib/store/level_metrics.h"
#include "lib/store/state_keyspaces.h"
#include "lib/store/store_core.h"
#include "wal/log_metrics.h"

namespace nacre::store {
namespace {

void write_totals(PrometheusWriter& writer, const StoreStats& stats) {
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    writer.gauge(name, help);
    writer.sample({}, value);
  };
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    writer.counter(name, help);
    writer.sample({}, value);
  };
  gauge("nacre_log_segments", "Segment files of the log that are in use.", stats.log_segments);
  gauge("nacre_memtable_bytes", "Memory that the memtables take.", stats.memtable_bytes);
  gauge("nacre_sealed_memtables", "Sets of memtables that are still to go into tables.",
        stats.sealed_memtables);
  gauge("nacre_unflushed_log_bytes", "Writes that are in no table yet.", stats.unflushed_log_bytes);
  gauge("nacre_snapshots", "Snapshots that are held.", stats.snapshots);
  gauge("nacre_oldest_snapshot_lsns", "LSNs drawn since the oldest of them.",
        stats.oldest_snapshot_lsns);
  gauge("nacre_oldest_snapshot_nanoseconds", "How long the oldest of them has been held.",
        stats.oldest_snapshot_ns);
  counter("nacre_store_written_bytes_total", "Keys and values that users wrote, with headers.",
          stats.written_bytes);
  counter("nacre_store_flushes_total", "Sets of memtables that went into tables.", stats.flushes);
  counter("nacre_store_flushed_bytes_total", "Tables that memtables went into.",
          stats.flushed_bytes);
  counter("nacre_store_merges_total", "Merges of tables.", stats.merges);
  counter("nacre_store_merged_bytes_total", "Tables that others were merged into.",
          stats.merged_bytes);
  counter("nacre_store_loads_total", "Bulk loads.", stats.loads);
  counter("nacre_store_loaded_bytes_total", "Tables that those wrote.", stats.loaded_bytes);
  counter("nacre_store_loaded_raw_bytes_total", "Keys and values in those.",
          stats.loaded_raw_bytes);
  counter("nacre_store_slowed_writes_total", "Writes that slept for the background to catch up.",
          stats.slowed_writes);
  counter("nacre_store_slowed_nanoseconds_total", "How long they were told to sleep.",
          stats.slowed_ns);
  counter("nacre_store_stopped_writes_total", "Writes that waited until there was room at all.",
          stats.stopped_writes);
}

void write_memory(PrometheusWriter& writer, const StoreMemory& memory) {
  writer.gauge("nacre_store_memory_bytes", "DRAM that the store takes.");
  writer.sample({{"part", "memtables"}}, memory.memtables);
  writer.sample({{"part", "tables"}}, memory.tables);
  writer.sample({{"part", "builders"}}, memory.builders);
  writer.gauge("nacre_store_memory_budget_bytes", "What it may take; 0: no bound.");
  writer.sample({}, memory.budget);
}

void write_amplification(PrometheusWriter& writer, const StoreStats& stats) {
  writer.gauge("nacre_store_write_amplification_ratio",
               "Bytes written to the media for each byte that users wrote or loaded.");
  writer.sample_ratio({}, stats.write_amplification());
  writer.gauge("nacre_store_space_amplification_ratio",
               "Bytes of tables for each byte in their lowest levels.");
  writer.sample_ratio({}, stats.space_amplification());
  writer.gauge("nacre_store_tables_per_get", "Tables that a get looks into at most.");
  writer.sample({}, stats.tables_per_get());
  writer.counter("nacre_store_sampled_gets_total", "Gets whose tables were counted.");
  writer.sample({}, stats.sampled_gets);
  writer.counter("nacre_store_sampled_tables_total", "Tables that those looked into.");
  writer.sample({}, stats.sampled_tables);
}

}  // namespace

Result<StoreStats> StoreCore::stats() const {
  if (states_ == nullptr) return store_closed();
  ReadPin pin;
  Done done;
  StoreStats stats;
  {
    // Together, since what a set has counted goes from the one into the other.
    MutexLock lock(mutex_);
    pin = states_->pin();
    done = done_;
    stats.written_bytes = done.flushed_log_bytes - done.replayed_log_bytes;
  }
  const ReadState& state = ReadStates::state(pin);
  stats.keyspaces = keyspace_stats(state);
  const auto add_set = [&](MemtableSet& set) {
    stats.memtable_bytes += set.arena().reserved_bytes();
    stats.unflushed_log_bytes += set.log_bytes();
  };
  add_set(*state.active);
  for (const auto& sealed : state.sealed) add_set(*sealed);
  stats.memory = {.budget = memory_.bound_bytes(),
                  .memtables = memory_.used_bytes(MemoryBudget::Part::kMemtables),
                  .tables = memory_.used_bytes(MemoryBudget::Part::kTables),
                  .builders = memory_.used_bytes(MemoryBudget::Part::kBuilders)};
  stats.sealed_memtables = state.sealed.size();
  // Unsigned: what was replayed is in the one or in the other.
  stats.written_bytes += stats.unflushed_log_bytes;
  stats.log_segments = log_.segments();
  stats.log_bytes = stats.log_segments * log_.set().superblock().segment_bytes;
  stats.flushes = done.flushes;
  stats.flushed_bytes = done.flushed_bytes;
  stats.merges = done.merges;
  stats.merged_bytes = done.merged_bytes;
  stats.loads = done.loads;
  stats.loaded_bytes = done.loaded_bytes;
  stats.loaded_raw_bytes = done.loaded_raw_bytes;
  stats.slowed_writes = slowed_writes_.load(std::memory_order_relaxed);
  stats.slowed_ns = slowed_ns_.load(std::memory_order_relaxed);
  stats.stopped_writes = stopped_writes_.load(std::memory_order_relaxed);
  const ReadSamples::Counts sampled = read_samples_.counts();
  stats.sampled_gets = sampled.gets;
  stats.sampled_tables = sampled.tables;
  const SnapshotList::Summary held = snapshots_.summary();
  stats.snapshots = held.count;
  if (held.count > 0) {
    stats.oldest_snapshot_lsns = log_.newest().value - held.oldest.lsn().value;
    stats.oldest_snapshot_ns = monotonic_ns() - held.oldest_since_ns;
  }
  return stats;
}

std::string StoreCore::metrics() const {
  const auto stats = this->stats();
  if (!stats) return {};
  PrometheusWriter writer;
  const wal::LaneSet& set = log_.set();
  wal::write_log_metrics(writer, set.metrics(), set.domain(), set.report());
  write_level_metrics(writer, stats->keyspaces);
  write_totals(writer, *stats);
  write_memory(writer, stats->memory);
  write_amplification(writer, *stats);
  return writer.text() + set.environment().domain()->metrics();
}

Result<std::uint64_t> StoreCore::approximate_size(const KeyspaceCore& keyspace, Bytes begin,
                                                  Bytes end) const {
  if (states_ == nullptr) return store_closed();
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  if (keyspace.comparator()(begin, end) >= 0) return 0;
  const ReadPin pin = states_->pin();
  const KeyspaceLevels* levels = ReadStates::state(pin).tables->find(keyspace.index());
  std::uint64_t sum = 0;
  if (levels == nullptr) return sum;
  for (const std::vector<TableHandle>& tables : levels->levels) {
    for (const TableHandle& table : tables) {
      sum += NACRE_TRY(size_between(*table, keyspace.comparator(), begin, end));
    }
  }
  return sum;
}

}  // namespace nacre::store
