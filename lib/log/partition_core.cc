// The writers of a partition, one after the other, and MessageClaim.

#include "lib/log/partition_core.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "lib/base/try.h"
#include "lib/log/message_format.h"

namespace nacre {
namespace {

MessageEnvelope make_envelope(Clock& clock, std::size_t key_bytes) noexcept {
  MessageEnvelope envelope{};
  envelope.timestamp_ns = clock.wall_ns();
  envelope.key_bytes = static_cast<std::uint32_t>(key_bytes);
  return envelope;
}

Bytes bytes_of(const MessageEnvelope& envelope) noexcept {
  return std::as_bytes(std::span(&envelope, 1));
}

Status check_message(const Message& message, std::size_t limit) {
  const std::size_t key_bytes = message.key.size();
  const std::size_t value_bytes = message.value.size();
  if (key_bytes == 0 && value_bytes == 0) {
    return Error(ErrorCode::kInvalidArgument, "an empty message; give it a value or a key");
  }
  // One after the other: their sum may not fit into a size_t.
  if (key_bytes > limit || value_bytes > limit - key_bytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a message with a key of {} and a value of {} bytes, where this log "
                             "takes at most {} together; split it, or create the log with larger "
                             "segments (up to 16 MiB a message)",
                             key_bytes, value_bytes, limit));
  }
  return {};
}

/// The sizes of all envelopes and keys. Messages that are too many for one batch are refused here,
/// before a buffer is made for them.
Result<std::size_t> check_batch(std::span<const Message> messages, std::size_t message_limit) {
  const std::size_t limit = message_limit + sizeof(MessageEnvelope);
  std::size_t prefix_bytes = 0;
  std::size_t bytes = 0;
  for (const Message& message : messages) {
    NACRE_TRY(check_message(message, message_limit));
    prefix_bytes += sizeof(MessageEnvelope) + message.key.size();
    bytes += sizeof(MessageEnvelope) + message.key.size() + message.value.size();
    if (bytes > limit) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("a batch of {} messages with more than {} bytes together, which is "
                               "what this log takes at most; append it as several",
                               messages.size(), limit));
    }
  }
  return prefix_bytes;
}

}  // namespace

std::size_t PartitionCore::max_message_bytes() const noexcept {
  return lane_.max_payload() - sizeof(MessageEnvelope);
}

Status PartitionCore::check_not_claimed_here() const {
  // Before the lock, which another thread of the parent may have held.
  if (lane_.in_child()) return wal::in_forked_child();
  if (claimant_.load(std::memory_order_relaxed) != std::this_thread::get_id()) return {};
  return Error(ErrorCode::kInvalidArgument,
               "a claim of this partition is open on this thread; commit or drop it first");
}

Result<Lsn> PartitionCore::enqueue(const Message& message) {
  NACRE_TRY(check_message(message, max_message_bytes()));
  NACRE_TRY(check_not_claimed_here());
  const std::lock_guard writing(writer_mutex_);
  const MessageEnvelope envelope = make_envelope(clock_, message.key.size());
  if (message.key.empty()) return lane_.enqueue(bytes_of(envelope), message.value, 0);
  prefix_.resize(sizeof envelope + message.key.size());
  std::memcpy(prefix_.data(), &envelope, sizeof envelope);
  std::memcpy(prefix_.data() + sizeof envelope, message.key.data(), message.key.size());
  return lane_.enqueue(prefix_, message.value, 0);
}

Result<Lsn> PartitionCore::enqueue_batch(std::span<const Message> messages) {
  const std::size_t prefix_bytes = NACRE_TRY(check_batch(messages, max_message_bytes()));
  NACRE_TRY(check_not_claimed_here());
  const std::lock_guard writing(writer_mutex_);
  prefix_.resize(prefix_bytes);
  std::vector<wal::BatchPart> parts;
  parts.reserve(messages.size());
  std::byte* to = prefix_.data();
  for (const Message& message : messages) {
    const MessageEnvelope envelope = make_envelope(clock_, message.key.size());
    const std::span<std::byte> prefix(to, sizeof envelope + message.key.size());
    std::memcpy(to, &envelope, sizeof envelope);
    if (!message.key.empty()) {
      std::memcpy(to + sizeof envelope, message.key.data(), message.key.size());
    }
    parts.push_back({.prefix = prefix, .payload = message.value});
    to += prefix.size();
  }
  return lane_.enqueue_batch(parts, 0);
}

struct MessageClaim::State {
  PartitionCore* partition = nullptr;
  std::unique_lock<std::mutex> writing;
  std::span<std::byte> value;

  ~State() {
    if (!writing.owns_lock()) return;
    if (partition->lane().in_child()) {
      static_cast<void>(writing.release());
      return;
    }
    partition->lane().abandon_claim();
    partition->end_claim(writing);
  }
};

MessageClaim::MessageClaim(std::unique_ptr<State> state) : state_(std::move(state)) {}
MessageClaim::MessageClaim(MessageClaim&&) noexcept = default;
MessageClaim& MessageClaim::operator=(MessageClaim&&) noexcept = default;
MessageClaim::~MessageClaim() = default;

std::span<std::byte> MessageClaim::value() noexcept {
  return state_ == nullptr ? std::span<std::byte>() : state_->value;
}

Result<Offset> MessageClaim::commit(std::size_t bytes) {
  if (state_ == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "this claim was committed already, or moved from");
  }
  PartitionCore& partition = *state_->partition;
  const Lsn lsn = NACRE_TRY(partition.enqueue_claim(bytes));
  // Others may append while this message is on its way to the device.
  partition.end_claim(state_->writing);
  state_.reset();
  NACRE_TRY(partition.lane().wait(lsn));
  return offset_of(lsn);
}

Result<MessageClaim> PartitionCore::claim(std::size_t bytes) {
  NACRE_TRY(check_not_claimed_here());
  auto state = std::make_unique<MessageClaim::State>();
  std::unique_lock writing(writer_mutex_);
  state->partition = this;
  state->value = NACRE_TRY(lane_.open_claim(sizeof(MessageEnvelope), bytes));
  state->writing = std::move(writing);
  claimant_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  return MessageClaim(std::move(state));
}

void PartitionCore::end_claim(std::unique_lock<std::mutex>& writing) noexcept {
  claimant_.store({}, std::memory_order_relaxed);
  writing.unlock();
}

Result<Lsn> PartitionCore::enqueue_claim(std::size_t bytes) {
  const MessageEnvelope envelope = make_envelope(clock_, 0);
  return lane_.enqueue_claim(bytes_of(envelope), bytes, 0);
}

}  // namespace nacre
