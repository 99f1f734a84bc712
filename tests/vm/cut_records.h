#pragma once

// The records that the WAL's and the message log's workload write: each says who wrote it and its
// number, and its other bytes follow from that.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::test {

/// At the start of every record.
struct CutStamp {
  std::uint64_t writer = 0;
  std::uint64_t sequence = 0;
  std::uint64_t batch_index = 0;  ///< Place in its batch...
  std::uint64_t batch_size = 0;   ///< ...of so many.
};

std::string cut_record(std::uint64_t seed, const CutStamp& stamp);

/// How the records from `sequence` on are written; the same at every call.
struct CutBurst {
  enum class Way : std::uint8_t { kAppend, kBatch, kClaim, kSubmit };
  Way way = Way::kAppend;
  std::uint64_t records = 1;
};
CutBurst cut_burst(std::uint64_t seed, std::uint64_t writer, std::uint64_t sequence);

/// The records of a burst, in order.
std::vector<std::string> cut_records(std::uint64_t seed, std::uint64_t writer,
                                     std::uint64_t sequence, const CutBurst& burst);

/// Follows one writer's records in the order in which they are found.
class CutTrail {
 public:
  CutTrail(std::uint64_t seed, std::uint64_t writer) : seed_(seed), writer_(writer) {}

  /// Errors: `corruption`: not a record of this writer, not the next one, or altered.
  Status found(Bytes record);
  /// One past the newest record; 0 when there is none.
  /// Errors: `corruption` when a batch is there in part.
  Result<std::uint64_t> end() const;

 private:
  std::uint64_t seed_;
  std::uint64_t writer_;
  std::optional<CutStamp> newest_;
};

}  // namespace nacre::test
