// The public Topic, Partition, PartitionReader and MessageClaim.

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/log/message_format.h"
#include "lib/log/partition_core.h"
#include "wal/lane_cursor.h"

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
  const std::size_t bytes = message.key.size() + message.value.size();
  if (bytes == 0) {
    return Error(ErrorCode::kInvalidArgument, "an empty message; give it a value or a key");
  }
  if (bytes > limit) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a message of {} bytes, where this log takes at most {}; split it, or "
                             "create the log with larger segments (up to 16 MiB a message)",
                             bytes, limit));
  }
  return {};
}

/// Takes the cursor's record apart. It was verified, but perhaps some records ago: the media behind
/// it may have gone since.
Result<MessageView> message_of(const wal::LaneCursor& cursor) {
  const RecordView& record = cursor.record();
  std::optional<MessageView> message;
  NACRE_TRY(cursor.look([&]() noexcept { message = decode_message(record.lsn, record.payload); }));
  if (!message) return not_a_message(record.lsn);
  return *message;
}

std::size_t message_limit(const wal::LaneCore& lane) noexcept {
  return lane.max_payload() - sizeof(MessageEnvelope);
}

}  // namespace

Error not_a_message(Lsn lsn) {
  return Error(ErrorCode::kCorruption,
               "the record is intact but is not a message this library can read; a newer nacre "
               "may have written it")
      .with_lsn(lsn.value);
}

Result<Lsn> PartitionCore::enqueue(const Message& message) {
  NACRE_TRY(check_message(message, message_limit(lane_)));
  const std::lock_guard writing(writer_mutex_);
  const MessageEnvelope envelope = make_envelope(clock_, message.key.size());
  if (message.key.empty()) return lane_.enqueue(bytes_of(envelope), message.value, 0);
  prefix_.resize(sizeof envelope + message.key.size());
  std::memcpy(prefix_.data(), &envelope, sizeof envelope);
  std::memcpy(prefix_.data() + sizeof envelope, message.key.data(), message.key.size());
  return lane_.enqueue(prefix_, message.value, 0);
}

Result<Lsn> PartitionCore::enqueue_batch(std::span<const Message> messages) {
  std::size_t prefix_bytes = 0;
  for (const Message& message : messages) {
    NACRE_TRY(check_message(message, message_limit(lane_)));
    prefix_bytes += sizeof(MessageEnvelope) + message.key.size();
  }
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

struct PartitionReader::State {
  std::unique_ptr<wal::LaneCursor> cursor;
  MessageView message;
};

struct MessageClaim::State {
  PartitionCore* partition = nullptr;
  std::unique_lock<std::mutex> writing;
  std::span<std::byte> value;

  ~State() {
    if (writing.owns_lock()) partition->lane().abandon_claim();
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
  state_->writing.unlock();
  state_.reset();
  NACRE_TRY(partition.lane().wait(lsn));
  return offset_of(lsn);
}

Result<MessageClaim> PartitionCore::claim(std::size_t bytes) {
  auto state = std::make_unique<MessageClaim::State>();
  std::unique_lock writing(writer_mutex_);
  state->partition = this;
  state->value = NACRE_TRY(lane_.open_claim(sizeof(MessageEnvelope), bytes));
  state->writing = std::move(writing);
  return MessageClaim(std::move(state));
}

Result<Lsn> PartitionCore::enqueue_claim(std::size_t bytes) {
  const MessageEnvelope envelope = make_envelope(clock_, 0);
  return lane_.enqueue_claim(bytes_of(envelope), bytes, 0);
}

Result<Offset> Partition::append(const Message& message) {
  const Lsn lsn = NACRE_TRY(core_->enqueue(message));
  NACRE_TRY(core_->lane().wait(lsn));
  return offset_of(lsn);
}

Result<Offset> Partition::append_batch(std::span<const Message> messages) {
  const Lsn lsn = NACRE_TRY(core_->enqueue_batch(messages));
  NACRE_TRY(core_->lane().wait(lsn));
  return offset_of(lsn);
}

Result<Offset> Partition::submit(const Message& message) {
  const Lsn lsn = NACRE_TRY(core_->enqueue(message));
  core_->lane().drive_pending();
  return offset_of(lsn);
}

Result<Offset> Partition::submit_batch(std::span<const Message> messages) {
  const Lsn lsn = NACRE_TRY(core_->enqueue_batch(messages));
  core_->lane().drive_pending();
  return offset_of(lsn);
}

Status Partition::wait(Offset offset) { return core_->lane().wait(lsn_of(offset)); }

void Partition::on_durable(Offset offset, DurableCallback callback) {
  core_->lane().on_durable(lsn_of(offset), std::move(callback));
}

Result<MessageClaim> Partition::claim(std::size_t bytes) { return core_->claim(bytes); }

Offset Partition::durable_end() const noexcept { return Offset{core_->lane().durable_lsn().value}; }

Offset Partition::begin() const noexcept { return offset_of(core_->lane().first_lsn()); }

Result<PinnedMessage> Partition::read(Offset offset) const {
  if (offset >= durable_end()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("offset {} is not there (yet); the durable end is {}", offset.value,
                             durable_end().value));
  }
  const auto cursor = NACRE_TRY(wal::LaneCursor::open(core_->lane().segments(), lsn_of(offset)));
  const bool there = NACRE_TRY(cursor->next());
  const RecordView& record = cursor->record();
  if (!there || record.lsn != lsn_of(offset)) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("offset {} has been truncated away", offset.value));
  }
  return PinnedMessage(NACRE_TRY(message_of(*cursor)),
                       std::make_shared<const SegmentPin>(cursor->pin()));
}

Result<PartitionReader> Partition::reader(Offset from) const {
  if (from > durable_end()) {
    return Error(ErrorCode::kNotFound, fmt::format("offset {} is beyond the durable end, {}",
                                                   from.value, durable_end().value));
  }
  auto state = std::make_unique<PartitionReader::State>();
  state->cursor = NACRE_TRY(wal::LaneCursor::open(core_->lane().segments(), lsn_of(from)));
  return PartitionReader(std::move(state));
}

Status Partition::truncate(Offset offset) { return core_->lane().truncate(lsn_of(offset)); }

std::size_t Partition::max_message_bytes() const noexcept { return message_limit(core_->lane()); }

PartitionReader::PartitionReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
PartitionReader::PartitionReader(PartitionReader&&) noexcept = default;
PartitionReader& PartitionReader::operator=(PartitionReader&&) noexcept = default;
PartitionReader::~PartitionReader() = default;

Result<bool> PartitionReader::next() {
  if (!NACRE_TRY(state_->cursor->next())) return false;
  state_->message = NACRE_TRY(message_of(*state_->cursor));
  return true;
}

const MessageView& PartitionReader::message() const noexcept { return state_->message; }

const std::string& Topic::name() const noexcept { return core_->name(); }

std::uint32_t Topic::partitions() const noexcept {
  return static_cast<std::uint32_t>(core_->partitions().size());
}

Partition Topic::partition(std::uint32_t index) const noexcept {
  NACRE_ASSERT(index < core_->partitions().size());
  return Partition(core_->partitions()[index].get());
}

}  // namespace nacre
