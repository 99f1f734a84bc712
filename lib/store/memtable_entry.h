#pragma once

// What a memtable holds of one key, as it lies in the arena:
//
//   KeyRecord | the key, padded to 8 bytes | its first Version | the mark of that, if it has one
//
// and further versions elsewhere, in a chain from the newest sequence to the oldest. A value is not
// here: the version points to it.
//
// Thread safety: all that is plain is written before the record or the version is put where others
// find it, and never again. The links of the chain are atomic.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lib/store/arena.h"
#include "lib/store/entry.h"
#include "nacre/types.h"

namespace nacre::store {

/// Makes the versions of a batch visible, all at once. Lives in an arena as long as they do.
class BatchMark {
 public:
  static BatchMark* create(Arena& arena) {
    return new (arena.allocate(sizeof(BatchMark)).data) BatchMark;
  }

  /// From here on every reader sees the batch. Pairs with the acquire in `published`.
  void publish() noexcept { published_.store(1, std::memory_order_release); }
  bool published() const noexcept { return published_.load(std::memory_order_acquire) != 0; }

 private:
  std::atomic<std::uint64_t> published_{0};
};

/// One write of a key.
class Version {
 public:
  /// What a memtable can hold: a value and the time at which it expires.
  static constexpr std::size_t kMaxBytes = kMaxValueBytes + 8;

  Sequence sequence() const noexcept { return sequence_; }
  EntryKind kind() const noexcept { return static_cast<EntryKind>(word_ >> kKindShift); }
  /// Lifetime: that of the memory which was given to the insertion.
  Bytes value() const noexcept { return {value_, word_ & kBytesMask}; }

 private:
  friend class VersionChain;
  static constexpr unsigned kMarkedShift = 25;
  static constexpr unsigned kKindShift = 26;
  static constexpr std::uint32_t kBytesMask = (std::uint32_t{1} << kMarkedShift) - 1;
  static_assert(kMaxBytes <= kBytesMask);

  Version(Sequence sequence, EntryKind kind, Bytes value, bool marked) noexcept
      : sequence_(sequence),
        value_(value.data()),
        word_(static_cast<std::uint32_t>(kind) << kKindShift |
              static_cast<std::uint32_t>(marked) << kMarkedShift |
              static_cast<std::uint32_t>(value.size())) {}

  bool visible() const noexcept {
    if ((word_ >> kMarkedShift & 1) == 0) return true;
    // A marked version has the mark behind it.
    return (*reinterpret_cast<BatchMark* const*>(this + 1))->published();
  }

  Sequence sequence_;
  const std::byte* value_;
  std::uint32_t word_;  ///< Kind, whether it is marked, bytes of the value.
  std::atomic<ArenaRef> older_{0};
};
static_assert(sizeof(Version) == 24);

/// The versions of one key, from the newest to the oldest.
class VersionChain {
 public:
  /// Bytes of a version in the arena.
  static std::size_t bytes(const BatchMark* mark) noexcept {
    return sizeof(Version) + (mark == nullptr ? 0 : sizeof mark);
  }
  /// Makes a version at `place`, which has room for it.
  static Version* create(std::byte* place, Sequence sequence, EntryKind kind, Bytes value,
                         BatchMark* mark) noexcept;

  /// Puts `version`, which `ref` names, in front of those of the same sequence.
  void push(const Arena& arena, Version& version, ArenaRef ref) noexcept;
  /// As the only version, before other threads know the chain.
  void begin(ArenaRef ref) noexcept { newest_.store(ref, std::memory_order_relaxed); }

  /// The newest that is visible, of `at` or before; null when there is none.
  const Version* find(const Arena& arena, Sequence at) const noexcept;
  /// The next visible one behind `version`; null when there is none.
  static const Version* older(const Arena& arena, const Version& version) noexcept;

 private:
  std::atomic<ArenaRef> newest_{0};
};

/// A key and its versions.
class KeyRecord {
 public:
  static std::size_t bytes(std::size_t key_bytes) noexcept {
    return sizeof(KeyRecord) + (key_bytes + 7) / 8 * 8;
  }
  /// Copies `key` to `place`, which has room for it.
  static KeyRecord* create(std::byte* place, Bytes key) noexcept;

  Bytes key() const noexcept { return {reinterpret_cast<const std::byte*>(this + 1), key_bytes_}; }
  VersionChain& versions() noexcept { return versions_; }
  const VersionChain& versions() const noexcept { return versions_; }

 private:
  explicit KeyRecord(std::uint32_t key_bytes) noexcept : key_bytes_(key_bytes) {}

  VersionChain versions_;
  std::uint32_t key_bytes_;
};
static_assert(sizeof(KeyRecord) == 8);

}  // namespace nacre::store
