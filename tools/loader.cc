#include "tools/loader.h"

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/write_format.h"

namespace nacre::tools {

Loader::Loader(Store& store, Keyspace keyspace, AckSink& acks, WriterStats& stats, Clock& clock,
               LoadBatch limits)
    : store_(store),
      keyspace_(keyspace),
      acks_(acks),
      stats_(stats),
      clock_(clock),
      limits_(limits) {
  limits_.bytes = std::min(limits_.bytes, store.max_batch_bytes());
}

Status Loader::add(Bytes key, Bytes value) {
  const std::size_t bytes = sizeof(store::WriteHeader) + key.size() + value.size();
  if (batch_.count() >= limits_.records || batch_.bytes() + bytes > limits_.bytes) {
    NACRE_TRY(settle());
  }
  batch_.put(keyspace_, key, value);
  pair_bytes_ += key.size() + value.size();
  return {};
}

Status Loader::settle() {
  if (batch_.count() == 0) return {};
  const std::uint64_t begin_ns = clock_.monotonic_ns();
  NACRE_TRY(store_.write(batch_));
  const std::uint64_t taken_ns = clock_.monotonic_ns() - begin_ns;
  stats_.latency.add(taken_ns);
  stats_.writing_ns += taken_ns;
  stats_.records += batch_.count();
  stats_.bytes += std::exchange(pair_bytes_, 0);
  batch_.clear();
  return acks_.tell(Offset{stats_.records});
}

SortedLoader::SortedLoader(Store& store, Keyspace keyspace, AckSink& acks, WriterStats& stats,
                           Clock& clock)
    : load_(store.begin_bulk_load(keyspace)),
      acks_(acks),
      stats_(stats),
      clock_(clock),
      begin_ns_(clock.monotonic_ns()) {}

Status SortedLoader::add(const PairReader& pair) {
  const Status added = load_.add(pair.key(), pair.value());
  if (!added && added.error().code() == ErrorCode::kInvalidArgument) {
    return pair.failure(added.error().message());
  }
  if (!added) return added;
  records_ += 1;
  bytes_ += pair.key().size() + pair.value().size();
  return {};
}

Status SortedLoader::finish() {
  NACRE_TRY(load_.commit());
  const std::uint64_t taken_ns = clock_.monotonic_ns() - begin_ns_;
  stats_.latency.add(taken_ns);
  stats_.writing_ns += taken_ns;
  stats_.records += records_;
  stats_.bytes += bytes_;
  return acks_.tell(Offset{stats_.records});
}

}  // namespace nacre::tools
