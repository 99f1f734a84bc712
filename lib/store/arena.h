#pragma once

// Memory that is handed out piece by piece and given back all at once: what memtables are made of.
// Nothing in an arena moves or is freed before the arena dies, so that a reader may follow any
// reference it ever met, without a lock and without saying that it is there.
//
// A piece is named by a 32-bit reference, half of a pointer: its place in units of 8 bytes, over
// chunks of 2 MiB. Each processor takes its pieces from a span of its own, so that two writers
// neither fight over one word nor write into one cache line.
//
// Thread safety: every member may be called from any thread. A piece handed out is the caller's;
// whoever shows its reference to other threads does so by a release that they acquire.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/buffer_memory.h"

namespace nacre::store {

/// Things that every writer changes are kept in as many copies, each in cache lines of its own.
inline constexpr std::size_t kStripes = 16;

/// The copy for the calling thread at this moment, in [0, kStripes): that of its processor. It may
/// be another processor's by the time it is used, so what is striped is changed atomically all the
/// same.
std::size_t current_stripe() noexcept;

/// A piece of an arena. 0 is "none".
using ArenaRef = std::uint32_t;

class MemoryBudget;

class Arena {
 public:
  static constexpr std::size_t kUnitBytes = 8;
  static constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
  /// What references can tell apart. Pieces beyond it are a mistake of the caller's, who looks at
  /// `reserved_bytes` and begins another arena far earlier.
  static constexpr std::size_t kMaxBytes = (std::size_t{1} << 32) * kUnitBytes;
  /// The largest piece that has a reference.
  static constexpr std::size_t kMaxPieceBytes = kChunkBytes / 4;

  struct Piece {
    ArenaRef ref = 0;
    std::byte* data = nullptr;
  };

  /// `budget`, where its memory comes from and is told of, outlives it; null: the machine.
  explicit Arena(MemoryBudget* budget = nullptr);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// `bytes`, at most kMaxPieceBytes, of any content, at a multiple of `alignment`: a power of two
  /// from 8 to 4096. Without a budget, which maps ahead, a machine that has no memory left
  /// ends the process, as `new` does.
  Piece allocate(std::size_t bytes, std::size_t alignment = kUnitBytes);

  /// Any number of bytes, which need no reference: values.
  std::span<std::byte> allocate_bytes(std::size_t bytes);

  /// The piece `ref` names, which is not 0. The thread has it from one that allocated it, through
  /// an acquire.
  std::byte* data(ArenaRef ref) const noexcept {
    std::byte* const chunk = chunks_[ref / kChunkUnits].load(std::memory_order_relaxed);
    return chunk + ref % kChunkUnits * kUnitBytes;
  }
  template <class T>
  T* at(ArenaRef ref) const noexcept {
    return reinterpret_cast<T*>(data(ref));
  }

  /// Bytes handed out, with what alignment left over.
  std::size_t used_bytes() const;
  /// Bytes of DRAM taken from the machine.
  std::size_t reserved_bytes() const noexcept {
    return reserved_bytes_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kChunkUnits = kChunkBytes / kUnitBytes;
  static constexpr std::size_t kMaxChunks = kMaxBytes / kChunkBytes;
  /// What a processor takes at once. A larger piece comes straight out of the chunk.
  static constexpr std::size_t kSpanBytes = std::size_t{32} << 10;
  static constexpr std::size_t kSpanUnits = kSpanBytes / kUnitBytes;

  /// The rest of a processor's span: the next unit in the lower half, the end in the upper. One
  /// word, so that no thread sees the one without the other.
  struct alignas(64) Span {
    std::atomic<std::uint64_t> rest{0};
  };

  /// 0 when the span has no room for it.
  static ArenaRef take(Span& span, std::uint64_t units, std::uint64_t alignment_units) noexcept;
  ArenaRef allocate_slowly(Span& span, std::uint64_t units, std::uint64_t alignment_units);
  std::uint64_t take_from_chunk(std::uint64_t units, std::uint64_t alignment_units)
      REQUIRES(mutex_);
  std::byte* map(std::size_t bytes) REQUIRES(mutex_);

  MemoryBudget* const budget_;
  std::array<Span, kStripes> spans_;
  /// Set once each, before any reference into the chunk is handed out.
  std::unique_ptr<std::atomic<std::byte*>[]> chunks_;
  std::atomic<std::size_t> reserved_bytes_{0};

  mutable Mutex mutex_;
  std::vector<BufferMemory> memory_ GUARDED_BY(mutex_);
  std::uint64_t next_unit_ GUARDED_BY(mutex_) = 0;
  std::uint64_t end_unit_ GUARDED_BY(mutex_) = 0;
  std::size_t taken_bytes_ GUARDED_BY(mutex_) = 0;  ///< In spans and in large pieces.
};

}  // namespace nacre::store
