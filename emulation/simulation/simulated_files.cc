#include "emulation/simulation/simulated_files.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "emulation/simulation/machine.h"
#include "lib/base/assert.h"

namespace nacre {
namespace {

constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);

Bytes bytes_of(const std::uint64_t& value) { return std::as_bytes(std::span(&value, 1)); }

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{}; });
}

/// Counts down to zero; false when it is there.
bool takes_one(std::size_t& count) {
  if (count == 0) return false;
  --count;
  return true;
}

}  // namespace

SimulatedFiles::SimulatedFiles(Machine& machine, std::size_t max_file_bytes)
    : machine_(machine),
      max_file_bytes_((max_file_bytes + kPageBytes - 1) / kPageBytes * kPageBytes) {
  names_ = machine.allocate(kPageBytes);
  inode_count_ = names_ + kNumberBytes;
  sizes_ = machine.allocate(kMaxInodes * kNumberBytes);
  max_inodes_ = std::min(kMaxInodes, machine.free_bytes() / max_file_bytes_);
  contents_ = machine.allocate(max_inodes_ * max_file_bytes_);
  machine.set_names(table_);
}

void SimulatedFiles::begin_recovery() {
  const MutexLock lock(mutex_);
  ++epoch_;
  locks_.clear();
  failing_syncs_ = 0;
  failing_writes_ = 0;
}

void SimulatedFiles::adopt(SimulatedFiles& other) {
  const MutexLock lock(mutex_);
  table_ = other.table_;
  machine_.set_names(table_);
  const std::uint64_t inodes = other.load(other.inode_count_);
  machine_.media().save_bytes(inode_count_, bytes_of(inodes));
}

std::uint64_t SimulatedFiles::inodes() {
  const MutexLock lock(mutex_);
  return load(inode_count_);
}

void SimulatedFiles::restore_inodes(std::uint64_t inodes) {
  const MutexLock lock(mutex_);
  machine_.media().save_bytes(inode_count_, bytes_of(inodes));
}

const Names& SimulatedFiles::names() {
  const MutexLock lock(mutex_);
  machine_.before_access(names_, kNumberBytes);
  return table_->at(load(names_));
}

void SimulatedFiles::change_names(const NameOperation& operation, const void* site) {
  const MutexLock lock(mutex_);
  machine_.before_access(names_, kNumberBytes);
  Names changed = table_->at(load(names_));
  operation.apply(changed);
  machine_.add({.kind = EventKind::kNames, .address = names_, .site = site},
               as_bytes(operation.to_text()));
  place(names_, table_->index_of(changed));
}

void SimulatedFiles::sync_names(std::string_view directory, const void* site) {
  const MutexLock lock(mutex_);
  machine_.add({.kind = EventKind::kSyncNames, .address = names_, .site = site},
               as_bytes(directory));
}

std::optional<SimulatedFiles::Inode> SimulatedFiles::make_inode() {
  const MutexLock lock(mutex_);
  const std::uint64_t inode = load(inode_count_);
  if (inode == max_inodes_) return std::nullopt;
  place(inode_count_, inode + 1);
  return static_cast<Inode>(inode);
}

MediaAddress SimulatedFiles::content(Inode inode) const noexcept {
  return contents_ + inode * max_file_bytes_;
}

MediaAddress SimulatedFiles::size_address(Inode inode) const noexcept {
  return sizes_ + inode * kNumberBytes;
}

std::uint64_t SimulatedFiles::load(MediaAddress address) const noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, machine_.media().open(address), sizeof value);
  return value;
}

void SimulatedFiles::place(MediaAddress address, std::uint64_t value) {
  machine_.media().place(address, bytes_of(value));
}

std::uint64_t SimulatedFiles::size(Inode inode) {
  const MutexLock lock(mutex_);
  return read_size(inode);
}

std::uint64_t SimulatedFiles::read_size(Inode inode) {
  machine_.before_access(size_address(inode), kNumberBytes);
  return load(size_address(inode));
}

std::size_t SimulatedFiles::read(Inode inode, std::uint64_t offset, std::span<std::byte> buffer) {
  const MutexLock lock(mutex_);
  const std::uint64_t bytes = read_size(inode);
  if (offset >= bytes) return 0;
  const std::size_t count = std::min<std::uint64_t>(buffer.size(), bytes - offset);
  if (count == 0) return 0;
  machine_.before_access(content(inode) + offset, count);
  std::memcpy(buffer.data(), machine_.media().open(content(inode) + offset), count);
  return count;
}

bool SimulatedFiles::write(Inode inode, std::uint64_t offset, Bytes bytes, bool durable,
                           const void* site) {
  const MutexLock lock(mutex_);
  return end_locked(inode, begin_locked(inode, offset, bytes, site), durable, site);
}

std::size_t SimulatedFiles::begin_write(Inode inode, std::uint64_t offset, Bytes bytes,
                                        const void* site) {
  const MutexLock lock(mutex_);
  return begin_locked(inode, offset, bytes, site);
}

bool SimulatedFiles::end_write(Inode inode, std::size_t begun, bool durable, const void* site) {
  const MutexLock lock(mutex_);
  return end_locked(inode, begun, durable, site);
}

std::size_t SimulatedFiles::begin_locked(Inode inode, std::uint64_t offset, Bytes bytes,
                                         const void* site) {
  const std::uint64_t end = offset + bytes.size();
  NACRE_ASSERT(end <= max_file_bytes_);
  const std::uint64_t before = read_size(inode);
  const std::uint64_t after = std::max(before, end);
  if (after > before) clear_past_end(inode, before, after);
  const MediaAddress address = content(inode) + offset;
  machine_.before_access(address, bytes.size());
  const std::size_t begun = machine_.add({.kind = EventKind::kWriteBegin,
                                          .address = address,
                                          .value = after,
                                          .file = size_address(inode),
                                          .site = site},
                                         bytes);
  machine_.media().place(address, bytes);
  if (after > before) place(size_address(inode), after);
  return begun;
}

bool SimulatedFiles::end_locked(Inode inode, std::size_t begun, bool durable, const void* site) {
  const bool fails = takes_one(failing_writes_);
  machine_.add({.kind = fails ? EventKind::kWriteFailed : EventKind::kWriteEnd,
                .flag = durable && !fails,
                .address = content(inode),
                .value = begun,
                .file = size_address(inode),
                .site = site});
  return !fails;
}

void SimulatedFiles::clear_past_end(Inode inode, std::uint64_t begin, std::uint64_t end) {
  const MediaAddress address = content(inode) + begin;
  machine_.before_access(address, end - begin);
  if (is_zero({machine_.media().open(address), end - begin})) return;
  machine_.add({.kind = EventKind::kZeroPastEnd,
                .address = address,
                .value = end - begin,
                .file = size_address(inode)});
  machine_.media().place(address, std::vector<std::byte>(end - begin));
}

void SimulatedFiles::resize(Inode inode, std::uint64_t bytes, const void* site) {
  const MutexLock lock(mutex_);
  NACRE_ASSERT(bytes <= max_file_bytes_);
  const std::uint64_t before = read_size(inode);
  if (bytes == before) return;
  if (bytes > before) {
    clear_past_end(inode, before, bytes);
  } else {
    machine_.before_access(content(inode) + bytes, before - bytes);
  }
  machine_.add({.kind = EventKind::kResize,
                .address = content(inode),
                .value = bytes,
                .file = size_address(inode),
                .site = site});
  place(size_address(inode), bytes);
  if (bytes > before) return;
  const MediaAddress cut = content(inode) + bytes;
  if (is_zero({machine_.media().open(cut), before - bytes})) return;
  machine_.media().place(cut, std::vector<std::byte>(before - bytes));
}

bool SimulatedFiles::sync(Inode inode, const void* site) {
  const MutexLock lock(mutex_);
  const bool fails = takes_one(failing_syncs_);
  const std::size_t begun =
      machine_.add({.kind = EventKind::kSyncBegin, .file = size_address(inode), .site = site});
  machine_.add({.kind = EventKind::kSyncEnd,
                .flag = !fails,
                .value = begun,
                .file = size_address(inode),
                .site = site});
  if (fails) return false;
  // The same call writes back what was stored to the file's mapped pages.
  machine_.add({.kind = EventKind::kMemorySync,
                .address = content(inode),
                .value = max_file_bytes_,
                .site = site});
  return true;
}

void SimulatedFiles::fail_syncs(std::size_t count) noexcept {
  const MutexLock lock(mutex_);
  failing_syncs_ = count;
}

void SimulatedFiles::fail_writes(std::size_t count) noexcept {
  const MutexLock lock(mutex_);
  failing_writes_ = count;
}

std::optional<SimulatedFiles::Place> SimulatedFiles::place_of(MediaAddress address) {
  const MutexLock lock(mutex_);
  if (address < contents_ || address >= contents_ + max_inodes_ * max_file_bytes_) {
    return std::nullopt;
  }
  const std::uint64_t at = address - contents_;
  return Place{path_of(static_cast<Inode>(at / max_file_bytes_)), at % max_file_bytes_};
}

std::string SimulatedFiles::path_of_size(MediaAddress address) {
  const MutexLock lock(mutex_);
  if (address < sizes_ || address >= sizes_ + kMaxInodes * kNumberBytes) return {};
  return path_of(static_cast<Inode>((address - sizes_) / kNumberBytes));
}

std::string SimulatedFiles::path_of(Inode inode) const {
  const std::string* const path = table_->newest_path(inode);
  return path == nullptr ? "a file without a name" : *path;
}

bool SimulatedFiles::lock(Inode inode, const void* holder) {
  const MutexLock lock(mutex_);
  return locks_.emplace(inode, holder).first->second == holder;
}

void SimulatedFiles::unlock(Inode inode, const void* holder) noexcept {
  const MutexLock lock(mutex_);
  const auto found = locks_.find(inode);
  if (found != locks_.end() && found->second == holder) locks_.erase(found);
}

}  // namespace nacre
