// The public Topic, Partition and PartitionReader.

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/log/message_format.h"
#include "lib/log/partition_core.h"
#include "wal/lane_cursor.h"

namespace nacre {
namespace {

/// Takes the cursor's record apart. It was verified, but perhaps some records ago: the media behind
/// it may have gone since.
Result<MessageView> message_of(const wal::LaneCursor& cursor) {
  const RecordView& record = cursor.record();
  std::optional<MessageView> message;
  NACRE_TRY(cursor.look([&]() noexcept { message = decode_message(record.lsn, record.payload); }));
  if (!message) return not_a_message(record.lsn);
  return *message;
}

}  // namespace

struct PartitionReader::State {
  std::unique_ptr<wal::LaneCursor> cursor;
  MessageView message;
};

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

Status Partition::wait(Offset offset) {
  return in_offsets(core_->lane().wait(NACRE_TRY(checked_lsn(offset))));
}

void Partition::on_durable(Offset offset, DurableCallback callback) {
  NACRE_ASSERT(callback != nullptr && "on_durable needs a callback that can be called");
  const Result<Lsn> lsn = checked_lsn(offset);
  if (!lsn) return callback(lsn.error());
  // Most often so in the memory domains, and then nothing need be wrapped.
  if (core_->lane().durable_lsn() >= *lsn) return callback({});
  core_->lane().on_durable(*lsn, [told = std::move(callback)](Status outcome) mutable {
    told(in_offsets(std::move(outcome)));
  });
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
  const auto cursor =
      NACRE_TRY(in_offsets(wal::LaneCursor::open(core_->lane().segments(), lsn_of(offset))));
  const bool there = NACRE_TRY(in_offsets(cursor->next()));
  const RecordView& record = cursor->record();
  if (!there || record.lsn != lsn_of(offset)) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("offset {} has been truncated away", offset.value));
  }
  return PinnedMessage(NACRE_TRY(message_of(*cursor)),
                       std::make_shared<const SegmentPin>(cursor->pin()));
}

Result<PartitionReader> Partition::reader() const { return read_from(Lsn{}); }

Result<PartitionReader> Partition::reader(Offset from) const {
  const Lsn lsn = NACRE_TRY(checked_lsn(from));
  if (from > durable_end()) {
    return Error(ErrorCode::kNotFound, fmt::format("offset {} is beyond the durable end, {}",
                                                   from.value, durable_end().value));
  }
  return read_from(lsn);
}

Result<PartitionReader> Partition::read_from(Lsn from) const {
  auto state = std::make_unique<PartitionReader::State>();
  state->cursor = NACRE_TRY(in_offsets(wal::LaneCursor::open(core_->lane().segments(), from)));
  return PartitionReader(std::move(state));
}

Status Partition::truncate(Offset offset) {
  return core_->lane().truncate(NACRE_TRY(checked_lsn(offset)));
}

std::size_t Partition::max_message_bytes() const noexcept { return core_->max_message_bytes(); }

PartitionReader::PartitionReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
PartitionReader::PartitionReader(PartitionReader&&) noexcept = default;
PartitionReader& PartitionReader::operator=(PartitionReader&&) noexcept = default;
PartitionReader::~PartitionReader() = default;

Result<bool> PartitionReader::next() {
  NACRE_ASSERT(state_ != nullptr && "this PartitionReader was moved from");
  if (!NACRE_TRY(in_offsets(state_->cursor->next()))) return false;
  state_->message = NACRE_TRY(message_of(*state_->cursor));
  return true;
}

const MessageView& PartitionReader::message() const noexcept {
  NACRE_ASSERT(state_ != nullptr && "this PartitionReader was moved from");
  return state_->message;
}

const std::string& Topic::name() const noexcept { return core_->name(); }

std::uint32_t Topic::partitions() const noexcept {
  return static_cast<std::uint32_t>(core_->partitions().size());
}

Partition Topic::partition(std::uint32_t index) const noexcept {
  NACRE_ASSERT(index < core_->partitions().size());
  return Partition(core_->partitions()[index].get());
}

}  // namespace nacre
