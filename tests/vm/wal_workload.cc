// The WAL under power cuts: each writer has a lane, and truncates what it no longer needs.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <optional>

#include "lib/base/try.h"
#include "nacre/wal.h"
#include "tests/vm/cut_records.h"
#include "tests/vm/cut_workload.h"

namespace nacre::test {
namespace {

/// A writer keeps about so many records; the segments behind them are recycled.
constexpr std::uint64_t kTruncateEvery = 200;

class WalWorkload final : public CutWorkload {
 public:
  explicit WalWorkload(std::uint64_t seed) : seed_(seed) {}

  Status open(const std::filesystem::path& directory) override {
    wal_ = NACRE_TRY(Wal::open(directory, {.lanes = kCutWriters,
                                           .segment_bytes = std::uint64_t{128} << 10,
                                           .domain = DomainRequest::kAuto,
                                           .environment = {}}));
    return {};
  }

  Result<std::uint64_t> recovered(std::uint32_t writer) override {
    CutTrail trail(seed_, writer);
    NACRE_TRY(wal_->replay([&](std::uint32_t lane, const RecordView& record) -> Status {
      if (lane != writer) return {};
      newest_[writer].store(record.lsn.value, std::memory_order_relaxed);
      return trail.found(record.payload);
    }));
    return trail.end();
  }

  Result<std::uint64_t> operate(std::uint32_t writer, std::uint64_t sequence) override {
    const CutBurst burst = cut_burst(seed_, writer, sequence);
    const auto records = cut_records(seed_, writer, sequence, burst);
    const Lsn last = NACRE_TRY(write(wal_->lane(writer), burst, records));
    newest_[writer].store(last.value, std::memory_order_relaxed);
    return burst.records;
  }

  /// All lanes are truncated at one LSN, so the slowest writer's newest record says where.
  Result<bool> work_beside() override {
    std::uint64_t lowest = newest_[0].load(std::memory_order_relaxed);
    for (const auto& newest : newest_) {
      lowest = std::min(lowest, newest.load(std::memory_order_relaxed));
    }
    if (lowest < truncated_ + kTruncateEvery) return false;
    truncated_ = lowest;
    NACRE_TRY(wal_->truncate(Lsn{lowest}));
    return true;
  }

  Status close() override { return wal_->close(); }

 private:
  static Result<Lsn> write(Lane lane, const CutBurst& burst,
                           const std::vector<std::string>& records) {
    switch (burst.way) {
      case CutBurst::Way::kAppend:
        return lane.append(as_bytes(records[0]));
      case CutBurst::Way::kBatch: {
        std::vector<Bytes> payloads;
        for (const std::string& record : records) payloads.push_back(as_bytes(record));
        return lane.append_batch(payloads);
      }
      case CutBurst::Way::kClaim: {
        Claim claim = NACRE_TRY(lane.claim(records[0].size()));
        std::memcpy(claim.payload().data(), records[0].data(), records[0].size());
        return claim.commit(records[0].size());
      }
      case CutBurst::Way::kSubmit:
        break;
    }
    Lsn last;
    for (const std::string& record : records) last = NACRE_TRY(lane.submit(as_bytes(record)));
    NACRE_TRY(lane.wait(last));
    return last;
  }

  const std::uint64_t seed_;
  std::optional<Wal> wal_;
  std::array<std::atomic<std::uint64_t>, kCutWriters> newest_{};
  std::uint64_t truncated_ = 0;
};

}  // namespace

std::unique_ptr<CutWorkload> make_wal_workload(std::uint64_t seed) {
  return std::make_unique<WalWorkload>(seed);
}

}  // namespace nacre::test
