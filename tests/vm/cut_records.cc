#include "tests/vm/cut_records.h"

#include <fmt/format.h>

#include <cstring>

#include "lib/base/try.h"
#include "nacre/random.h"
#include "tests/vm/cut_workload.h"

namespace nacre::test {
namespace {

constexpr std::uint64_t kMostBytes = 6000;

/// The odd factors only keep the arguments apart.
SeededRandom random_of(std::uint64_t seed, std::uint64_t writer, std::uint64_t sequence) {
  return SeededRandom(seed ^ (writer * 0x9E3779B97F4A7C15) ^ (sequence * 0xD1B54A32D192ED03));
}

Error mismatch(std::uint64_t writer, std::string what) {
  return Error(ErrorCode::kCorruption, fmt::format("writer {}: {}", writer, std::move(what)));
}

}  // namespace

std::string cut_record(std::uint64_t seed, const CutStamp& stamp) {
  SeededRandom random = random_of(seed, stamp.writer, stamp.sequence);
  // Most are small; some are larger than a block.
  const std::uint64_t bound = uniform_below(random, 8) == 0 ? kMostBytes : 300;
  std::string text(sizeof stamp + uniform_below(random, bound), '\0');
  std::memcpy(text.data(), &stamp, sizeof stamp);
  std::uint64_t word = random.next_u64();
  for (std::size_t i = sizeof stamp; i < text.size(); ++i) {
    text[i] = static_cast<char>(word >> (i % 8 * 8));
    if (i % 8 == 7) word = word * 0x9E3779B97F4A7C15 + 1;
  }
  return text;
}

CutBurst cut_burst(std::uint64_t seed, std::uint64_t writer, std::uint64_t sequence) {
  SeededRandom random = random_of(~seed, writer, sequence);
  switch (uniform_below(random, 4)) {
    case 0:
      return {CutBurst::Way::kAppend, 1};
    case 1:
      return {CutBurst::Way::kBatch, 1 + uniform_below(random, 6)};
    case 2:
      return {CutBurst::Way::kClaim, 1};
    default:
      return {CutBurst::Way::kSubmit, 1 + uniform_below(random, kCutMostInFlight)};
  }
}

std::vector<std::string> cut_records(std::uint64_t seed, std::uint64_t writer,
                                     std::uint64_t sequence, const CutBurst& burst) {
  const bool batch = burst.way == CutBurst::Way::kBatch;
  std::vector<std::string> records;
  for (std::uint64_t i = 0; i < burst.records; ++i) {
    records.push_back(cut_record(seed, {.writer = writer,
                                        .sequence = sequence + i,
                                        .batch_index = batch ? i : 0,
                                        .batch_size = batch ? burst.records : 1}));
  }
  return records;
}

Status CutTrail::found(Bytes record) {
  CutStamp stamp;
  if (record.size() < sizeof stamp) {
    return mismatch(writer_, fmt::format("a record of {} bytes", record.size()));
  }
  std::memcpy(&stamp, record.data(), sizeof stamp);
  if (stamp.writer != writer_ || stamp.batch_size == 0 ||
      as_text(record) != cut_record(seed_, stamp)) {
    return mismatch(writer_, fmt::format("a record that says it is {} of writer {} is not",
                                         stamp.sequence, stamp.writer));
  }
  if (newest_ && stamp.sequence != newest_->sequence + 1) {
    return mismatch(writer_,
                    fmt::format("record {} follows {}", stamp.sequence, newest_->sequence));
  }
  if (newest_ && newest_->batch_index + 1 < newest_->batch_size &&
      stamp.batch_index != newest_->batch_index + 1) {
    return mismatch(writer_, fmt::format("record {} follows half a batch", stamp.sequence));
  }
  newest_ = stamp;
  return {};
}

Result<std::uint64_t> CutTrail::end() const {
  if (!newest_) return 0;
  if (newest_->batch_index + 1 < newest_->batch_size) {
    return mismatch(writer_,
                    fmt::format("half a batch at the end, with record {} as {} of {}",
                                newest_->sequence, newest_->batch_index + 1, newest_->batch_size));
  }
  return newest_->sequence + 1;
}

}  // namespace nacre::test
