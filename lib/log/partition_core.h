#pragma once

// What stands behind the public Topic and Partition handles: a lane, and a queue for its writers.

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "nacre/clock.h"
#include "nacre/log.h"
#include "wal/lane_core.h"

namespace nacre {

class PartitionCore {
 public:
  /// Both are borrowed and outlive the partition.
  PartitionCore(wal::LaneCore& lane, Clock& clock) : lane_(lane), clock_(clock) {}

  /// Takes the message; in the memory domains it is durable on return.
  Result<Lsn> enqueue(const Message& message);
  Result<Lsn> enqueue_batch(std::span<const Message> messages);
  Result<MessageClaim> claim(std::size_t bytes);
  /// `writing` is the claim's hold on the partition.
  Result<Lsn> enqueue_claim(std::size_t bytes);

  /// Key and value together.
  std::size_t max_message_bytes() const noexcept;

  wal::LaneCore& lane() noexcept { return lane_; }
  std::mutex& writer_mutex() noexcept { return writer_mutex_; }

 private:
  wal::LaneCore& lane_;
  Clock& clock_;
  /// Makes a single writer of many threads. Taken before any lock of the lane.
  std::mutex writer_mutex_;
  std::vector<std::byte> prefix_;  // Envelope and key of the message being appended.
};

class TopicCore {
 public:
  TopicCore(std::string name, std::vector<std::unique_ptr<PartitionCore>> partitions)
      : name_(std::move(name)), partitions_(std::move(partitions)) {}
  const std::string& name() const noexcept { return name_; }
  const std::vector<std::unique_ptr<PartitionCore>>& partitions() const noexcept {
    return partitions_;
  }

 private:
  const std::string name_;
  const std::vector<std::unique_ptr<PartitionCore>> partitions_;
};

}  // namespace nacre
