#pragma once

// The entries of a mapped table. Each block is verified when something in it is first read; from
// then on a read pays a test of one bit.
//
// Reading can raise SIGBUS: every member that reads runs under a media guard of the caller's.
// Thread safety: every member may be called from any thread.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "lib/store/table_format.h"
#include "nacre/types.h"

namespace nacre::store {

enum class ReadFault : std::uint8_t {
  kNone,
  kChecksum,  ///< Of the block.
  kShape,     ///< There can be no entry here.
};

/// An entry where it lies. Kept as the words of its header, from which the rest is computed: a
/// whole Entry handed back through memory would be stored in pieces and loaded in wider ones, which
/// waits until the stores have left the processor.
struct EntryRead {
  const std::byte* at = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 0;
  std::uint32_t shape = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t distance = 0;

  std::uint32_t key_bytes() const noexcept { return shape & kEntryKeyBytesMask; }
  Bytes key() const noexcept { return {at + sizeof(EntryHeader), key_bytes()}; }
  /// Views into the mapping.
  Entry entry() const noexcept {
    return {.key = key(),
            .sequence = Sequence{sequence},
            .kind = static_cast<EntryKind>(shape >> kEntryKindShift),
            .value = {at + sizeof(EntryHeader) + key_bytes(), value_bytes}};
  }
  /// The one before is of the same key.
  bool older() const noexcept { return (shape & kEntryOlderFlag) != 0; }
  /// Where the one behind begins, or the end of the data.
  std::uint64_t next() const noexcept { return offset + entry_bytes(key_bytes(), value_bytes); }
  /// Where the one before begins; 0: this is the first.
  std::uint64_t previous() const noexcept {
    return distance == 0 ? 0 : offset - std::uint64_t{distance} * kEntryAlignment;
  }
};

/// What kept a read from being done.
struct ReadProblem {
  ReadFault fault = ReadFault::kNone;
  std::uint64_t offset = 0;
};

class TableData {
 public:
  /// `file`: the whole table, borrowed. `checksums`: its area, verified already.
  TableData(Bytes file, const TableHeader& header);

  std::uint64_t end() const noexcept { return data_end_; }
  std::uint64_t blocks() const noexcept { return blocks_; }

  /// The entry at `offset`. False with `problem` filled in when it cannot be read.
  bool read(std::uint64_t offset, EntryRead& read, ReadProblem& problem) const noexcept {
    // Unsigned: what lies before the data is far behind it.
    if (offset - kTableDataOffset >= data_end_ - kTableDataOffset ||
        data_end_ - offset < sizeof(EntryHeader)) [[unlikely]] {
      return fail(problem, ReadFault::kShape, offset);
    }
    if (!verified(offset, sizeof(EntryHeader), problem)) [[unlikely]]
      return false;
    const auto& header = *reinterpret_cast<const EntryHeader*>(file_ + offset);
    read.at = file_ + offset;
    read.offset = offset;
    read.sequence = std::max<std::uint64_t>(header.sequence, since_);
    read.shape = header.shape;
    read.value_bytes = header.value_bytes;
    read.distance = header.previous;
    const std::uint64_t next = read.next();
    if (next > data_end_) [[unlikely]]
      return fail(problem, ReadFault::kShape, offset);
    if (!verified(offset, next - offset, problem)) [[unlikely]]
      return false;
    return true;
  }

  /// Has the cache line brought in where a key of `key_bytes` ends, while the header is read.
  void prefetch_key(std::uint64_t offset, std::uint64_t key_bytes) const noexcept {
    __builtin_prefetch(file_ + offset + sizeof(EntryHeader) + key_bytes - 1);
  }

  /// Loads from the entry at `offset`, and does not wait for it. A load, as it was faster than
  /// a prefetch (bench table, table_find/64), which may be dropped where its page is yet to be
  /// found.
  void touch(std::uint64_t offset) const noexcept {
    if (offset >= data_end_) return;
    const std::byte loaded = *static_cast<const volatile std::byte*>(file_ + offset);
    static_cast<void>(loaded);
  }

  /// No entry counts as older than `since`. Before anybody else reads.
  void date(std::uint64_t since) noexcept { since_ = since; }

  /// Verifies one block, whether it was before or not.
  bool verify_block(std::uint64_t block, ReadProblem& problem) const noexcept;

 private:
  static bool fail(ReadProblem& problem, ReadFault fault, std::uint64_t offset) noexcept {
    problem = {fault, offset};
    return false;
  }

  /// Whether the blocks of [offset, offset + bytes) are good.
  bool verified(std::uint64_t offset, std::uint64_t bytes, ReadProblem& problem) const noexcept {
    const std::uint64_t first = (offset - kTableDataOffset) / kTableBlockBytes;
    const std::uint64_t last = (offset + bytes - 1 - kTableDataOffset) / kTableBlockBytes;
    if (first == last && is_verified(first)) [[likely]]
      return true;
    return verify_blocks(first, last, problem);
  }
  // Relaxed, also where it is set: the bit says that the bytes were good, and they never change.
  bool is_verified(std::uint64_t block) const noexcept {
    return (verified_[block / 64].load(std::memory_order_relaxed) >> (block % 64) & 1) != 0;
  }
  bool verify_blocks(std::uint64_t first, std::uint64_t last, ReadProblem& problem) const noexcept;

  const std::byte* file_;
  std::uint64_t data_end_;
  std::uint64_t area_end_;  // With the zeros behind the last entry.
  std::uint64_t blocks_;
  const le32* checksums_;
  std::uint64_t since_ = 0;
  std::unique_ptr<std::atomic<std::uint64_t>[]> verified_;  // A bit a block.
};

}  // namespace nacre::store
