#include "emulation/fault_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "emulation/fault_effects.h"
#include "lib/base/try.h"

namespace nacre {

FileEvent FaultFile::event(FileOperation operation, std::uint64_t offset,
                           std::uint64_t bytes) const {
  FileEvent event{.operation = operation, .path = path(), .offset = offset, .bytes = bytes};
  event.options = options_;
  return event;
}

Result<std::size_t> FaultFile::read_at(std::uint64_t offset, std::span<std::byte> buffer) {
  return context_.perform(
      event(FileOperation::kRead, offset, buffer.size()),
      [&](const std::optional<Fault>& fault) { return read_rotten(offset, buffer, fault); });
}

Result<std::size_t> FaultFile::read_rotten(std::uint64_t offset, std::span<std::byte> buffer,
                                           const std::optional<Fault>& fault) {
  const std::size_t got = NACRE_TRY(inner_->read_at(offset, buffer));
  if (strikes_data(fault) && got > 0) {
    const FlippedBit bit = flipped_bit(context_.plan.seed(), offset, got);
    context_.rot.strike(path(), bit.offset, bit.mask);
  }
  context_.rot.apply(path(), offset, buffer.first(got));
  return got;
}

Status FaultFile::write_at(std::uint64_t offset, Bytes bytes) {
  const FileEvent write = event(FileOperation::kWrite, offset, bytes.size());
  return context_.perform(write, [&](const std::optional<Fault>& fault) {
    return change_size([&](std::uint64_t end_limit) {
      return strikes_data(fault) ? write_struck(write, bytes, *fault)
                                 : write_within(write, bytes, end_limit);
    });
  });
}

Status FaultFile::write_struck(const FileEvent& write, Bytes bytes, const Fault& fault) {
  if (fault.effect == FaultEffect::kMisdirectedWrite) {
    return write_and_heal(moved(write.offset, fault.misdirect_bytes), bytes);
  }
  const std::size_t kept = std::min<std::uint64_t>(fault.torn_bytes, bytes.size());
  NACRE_TRY(write_prefix(write.offset, bytes.first(kept)));
  if (fault.sys_errno == 0) return {};
  return FaultContext::error_of(write, fault.sys_errno);
}

Status FaultFile::write_within(const FileEvent& write, Bytes bytes, std::uint64_t end_limit) {
  std::uint64_t room = room_for(write.offset, bytes.size(), end_limit);
  if (room == bytes.size()) return write_and_heal(write.offset, bytes);
  if (options_.direct) room -= room % kFaultBlock;
  NACRE_TRY(write_and_heal(write.offset, bytes.first(room)));
  return FaultContext::error_of(write, ENOSPC);
}

// A file opened with O_DIRECT takes whole blocks only, but a tear may lie within one: that block is
// merged from the new bytes and what is there.
Status FaultFile::write_prefix(std::uint64_t offset, Bytes prefix) {
  const std::size_t rest = options_.direct ? prefix.size() % kFaultBlock : 0;
  const std::size_t whole = prefix.size() - rest;
  NACRE_TRY(write_and_heal(offset, prefix.first(whole)));
  if (rest == 0) return {};
  alignas(kFaultBlock) std::array<std::byte, kFaultBlock> block{};
  static_cast<void>(NACRE_TRY(inner_->read_at(offset + whole, block)));
  std::memcpy(block.data(), prefix.data() + whole, rest);
  return write_and_heal(offset + whole, block);
}

Status FaultFile::write_and_heal(std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return {};
  const bool may_be_lost = context_.plan.plans(FaultEffect::kLostUnsynced) && !options_.data_sync;
  if (may_be_lost) NACRE_TRY(context_.unsynced.remember(*inner_, offset, bytes.size()));
  NACRE_TRY(inner_->write_at(offset, bytes));
  context_.rot.heal(path(), offset, bytes.size());
  return {};
}

Status FaultFile::preallocate(std::uint64_t offset, std::uint64_t bytes) {
  const FileEvent growth = event(FileOperation::kPreallocate, offset, bytes);
  return context_.perform(growth, [&](const std::optional<Fault>&) {
    return change_size([&](std::uint64_t end_limit) -> Status {
      if (room_for(offset, bytes, end_limit) < bytes) return FaultContext::error_of(growth, ENOSPC);
      return inner_->preallocate(offset, bytes);
    });
  });
}

Status FaultFile::resize(std::uint64_t bytes) {
  const FileEvent growth = event(FileOperation::kResize, bytes);
  return context_.perform(growth, [&](const std::optional<Fault>&) {
    return change_size([&](std::uint64_t end_limit) -> Status {
      if (room_for(0, bytes, end_limit) < bytes) return FaultContext::error_of(growth, ENOSPC);
      return inner_->resize(bytes);
    });
  });
}

/// Calls `change(end)`, where `end` is how far the file may reach, and counts by how much it grew.
template <class Change>
Status FaultFile::change_size(Change change) {
  SpaceBudget& space = context_.space;
  if (!space.limited()) return change(std::numeric_limits<std::uint64_t>::max());
  MutexLock lock(space.mutex);
  const std::uint64_t before = NACRE_TRY(inner_->size());
  Status changed = change(saturating_sum(before, space.available()));
  const std::uint64_t after = NACRE_TRY(inner_->size());
  if (after < before) space.give_back(before - after);
  // What a misdirected write grows was not checked beforehand.
  if (after > before) space.take(std::min(after - before, space.available()));
  return changed;
}

Status FaultFile::sync_data() {
  return sync_struck(FileOperation::kSyncData, [&] { return inner_->sync_data(); });
}

Status FaultFile::sync() {
  return sync_struck(FileOperation::kSync, [&] { return inner_->sync(); });
}

template <class Sync>
Status FaultFile::sync_struck(FileOperation operation, Sync sync) {
  const FileEvent syncing = event(operation);
  return context_.perform(syncing, [&](const std::optional<Fault>& fault) -> Status {
    if (fault && fault->effect == FaultEffect::kLostUnsynced) {
      return context_.lose_unsynced(*inner_, syncing, *fault);
    }
    NACRE_TRY(sync());
    context_.unsynced.forget(path());
    return {};
  });
}

Result<std::uint64_t> FaultFile::size() {
  return context_.perform(event(FileOperation::kSize),
                          [&](const std::optional<Fault>&) { return inner_->size(); });
}

Status FaultFile::lock_exclusive() {
  return context_.perform(event(FileOperation::kLock),
                          [&](const std::optional<Fault>&) { return inner_->lock_exclusive(); });
}

int FaultFile::native_handle() const noexcept {
  return context_.pass_native_handle ? inner_->native_handle() : -1;
}

}  // namespace nacre
