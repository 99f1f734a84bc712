#pragma once

// What stands behind the public Topic and Partition handles: a lane, and a queue for its writers.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
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
  /// By the thread that claimed, whose claim holds the partition.
  Result<Lsn> enqueue_claim(std::size_t bytes);
  /// Lets the next writer on. `writing` is the claim's hold on the partition.
  void end_claim(std::unique_lock<std::mutex>& writing) noexcept;
  /// Errors: `invalid_argument` when this thread has a claim of the partition open: to wait for the
  /// partition would then be to wait for oneself.
  Status check_not_claimed_here() const;

  /// Key and value together.
  std::size_t max_message_bytes() const noexcept;

  wal::LaneCore& lane() noexcept { return lane_; }
  std::mutex& writer_mutex() noexcept { return writer_mutex_; }

 private:
  wal::LaneCore& lane_;
  Clock& clock_;
  /// Makes a single writer of many threads. Taken before any lock of the lane.
  std::mutex writer_mutex_;
  /// The thread whose claim holds `writer_mutex_`. Each thread asks for nothing but its own id,
  /// which it alone stores; so relaxed order will do.
  std::atomic<std::thread::id> claimant_{};
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
