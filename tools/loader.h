#pragma once

// Puts pairs into a store, many of them in one atomic batch, and tells what has become durable.

#include <cstddef>
#include <cstdint>

#include "nacre/clock.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "tools/ingestor.h"
#include "tools/pair_reader.h"
#include "tools/writer_stats.h"

namespace nacre::tools {

struct LoadBatch {
  std::size_t records = 1000;                ///< At most this many pairs in a batch,
  std::size_t bytes = std::size_t{1} << 20;  ///< or as many bytes; one pair always fits.
};

/// Thread safety, of both: one thread at a time. Lifetime: store, sink, stats and clock outlive it.
class Loader {
 public:
  Loader(Store& store, Keyspace keyspace, AckSink& acks, WriterStats& stats, Clock& clock,
         LoadBatch limits);

  /// Adds a pair to the batch, which is written first when it is full.
  /// Durability: none yet; see `settle`. Errors: as `settle`.
  Status add(Bytes key, Bytes value);

  /// Writes what was added. Durability: all of it is durable on success, and told.
  /// Errors: as Store::write and AckSink::tell.
  Status settle();

 private:
  Store& store_;
  Keyspace keyspace_;
  AckSink& acks_;
  WriterStats& stats_;
  Clock& clock_;
  LoadBatch limits_;
  WriteBatch batch_;
  std::size_t pair_bytes_ = 0;  // Of the keys and values in the batch.
};

/// Takes sorted pairs past the log; all of them become durable together.
class SortedLoader {
 public:
  SortedLoader(Store& store, Keyspace keyspace, AckSink& acks, WriterStats& stats, Clock& clock);

  /// Durability: none yet; see `finish`. Errors: as BulkLoad::add; those of a pair name its place
  /// in the input.
  Status add(const PairReader& pair);
  /// Durability: all of it is durable on success, and told. Errors: as BulkLoad::commit and
  /// AckSink::tell.
  Status finish();

  std::uint64_t records() const noexcept { return records_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  BulkLoad load_;
  AckSink& acks_;
  WriterStats& stats_;
  Clock& clock_;
  const std::uint64_t begin_ns_;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace nacre::tools
