// The message log under power cuts: each writer has a partition, and truncates what it no longer
// needs.

#include <cstring>
#include <optional>

#include "lib/base/try.h"
#include "nacre/log.h"
#include "tests/vm/cut_records.h"
#include "tests/vm/cut_workload.h"

namespace nacre::test {
namespace {

/// Some of what is truncated stays: segments are recycled whole.
constexpr std::uint64_t kKeptMessages = 100;

class LogWorkload final : public CutWorkload {
 public:
  explicit LogWorkload(std::uint64_t seed) : seed_(seed) {}

  Status open(const std::filesystem::path& directory) override {
    log_ = NACRE_TRY(Log::open(directory, {.segment_bytes = std::uint64_t{128} << 10,
                                           .domain = DomainRequest::kAuto,
                                           .environment = {}}));
    topic_ = NACRE_TRY(log_->open_or_create_topic("cut", kCutWriters));
    return {};
  }

  Result<std::uint64_t> recovered(std::uint32_t writer) override {
    PartitionReader reader = NACRE_TRY(topic_->partition(writer).reader());
    CutTrail trail(seed_, writer);
    while (NACRE_TRY(reader.next())) NACRE_TRY(trail.found(reader.message().value));
    const std::uint64_t end = NACRE_TRY(trail.end());
    if (end != 0 && topic_->partition(writer).durable_end().value != end) {
      return Error(ErrorCode::kCorruption, "messages and offsets do not agree");
    }
    return end;
  }

  Result<std::uint64_t> operate(std::uint32_t writer, std::uint64_t sequence) override {
    Partition partition = topic_->partition(writer);
    const CutBurst burst = cut_burst(seed_, writer, sequence);
    NACRE_TRY(write(partition, burst, cut_records(seed_, writer, sequence, burst)));
    const std::uint64_t end = sequence + burst.records;
    // The newest stays: a partition that holds nothing would not say how far its writer had come.
    if (sequence / kKeptMessages != end / kKeptMessages && sequence > kKeptMessages) {
      NACRE_TRY(partition.truncate(Offset{sequence - kKeptMessages}));
    }
    return burst.records;
  }

  Result<bool> work_beside() override { return false; }
  Status close() override { return log_->close(); }

 private:
  static Status write(Partition partition, const CutBurst& burst,
                      const std::vector<std::string>& records) {
    switch (burst.way) {
      case CutBurst::Way::kAppend:
        NACRE_TRY(partition.append({.value = as_bytes(records[0]), .key = {}}));
        return {};
      case CutBurst::Way::kBatch: {
        std::vector<Message> messages;
        for (const std::string& record : records) {
          messages.push_back({.value = as_bytes(record), .key = {}});
        }
        NACRE_TRY(partition.append_batch(messages));
        return {};
      }
      case CutBurst::Way::kClaim: {
        MessageClaim claim = NACRE_TRY(partition.claim(records[0].size()));
        std::memcpy(claim.value().data(), records[0].data(), records[0].size());
        NACRE_TRY(claim.commit(records[0].size()));
        return {};
      }
      case CutBurst::Way::kSubmit:
        break;
    }
    Offset last;
    for (const std::string& record : records) {
      last = NACRE_TRY(partition.submit({.value = as_bytes(record), .key = {}}));
    }
    return partition.wait(last);
  }

  const std::uint64_t seed_;
  std::optional<Log> log_;
  std::optional<Topic> topic_;
};

}  // namespace

std::unique_ptr<CutWorkload> make_log_workload(std::uint64_t seed) {
  return std::make_unique<LogWorkload>(seed);
}

}  // namespace nacre::test
