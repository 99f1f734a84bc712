#pragma once

// Reads a file that does not change, and fetches ahead what its scans will want next (ReadAhead),
// into buffers of the pool. Random reads go to the device as they come.
//
// Fetching ahead has the class of the reads themselves: the next read of the scan waits for it, and
// would wait behind the background's credits if it were asked for in the background. What it may
// take from others is bounded by the window, and by the reader's bound.
//
// Whatever goes wrong ahead of a read (an error, no buffer free) is not the caller's concern: the
// range is read again when somebody wants it, and what that says is what he is told.
//
// Thread safety: every member may be called from any thread, but not from a scheduler's callback.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/buffer_pool.h"
#include "lib/io/io_scheduler.h"
#include "lib/io/read_ahead.h"
#include "nacre/io.h"
#include "nacre/result.h"

namespace nacre {

class StreamReader {
 public:
  struct Options {
    /// `kCompaction` for readers that nobody waits for.
    IoClass io_class = IoClass::kForegroundRead;
    /// The file was opened with `direct`: reads that are not aligned go through the pool.
    bool direct = false;
    /// Most that is held of the pool for ranges fetched ahead. Beyond, the oldest of them goes.
    /// Three quarters of the pool are never exceeded, so that foreground reads find room.
    std::size_t held_bytes = std::size_t{16} << 20;
    /// `file_bytes` in it is set by the reader.
    ReadAhead::Options read_ahead = {};
  };

  struct Counters {
    std::uint64_t foreground_reads = 0;  ///< Requests that a caller waited for.
    std::uint64_t fetches = 0;           ///< Requests made ahead.
    std::uint64_t failed_fetches = 0;
    std::uint64_t skipped_fetches = 0;  ///< For want of a buffer.
    std::size_t held_bytes = 0;
  };

  /// Lifetime: `scheduler`, `pool` and `file` outlive it. `file_bytes` is the size of the file.
  StreamReader(IoScheduler& scheduler, BufferPool& pool, const IoFile& file,
               std::uint64_t file_bytes, const Options& options);
  /// Waits for what is being fetched. No call of `read` is under way.
  ~StreamReader();
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  /// Fills `into` from `offset` on, up to the end of the file; returns how many bytes that were.
  /// Errors: those of File::read_at; `closed` after the scheduler's `close`.
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into);

  Counters counters() const;
  ReadAhead::Counters read_ahead_counters() const;

 private:
  struct Piece;
  struct Foreground;
  /// Shared by the table, the request that fills it, and readers that copy from it.
  using PieceRef = std::shared_ptr<Piece>;

  std::vector<ByteRange> advise(std::uint64_t offset, std::size_t bytes) EXCLUDES(mutex_);
  std::vector<ByteRange> not_held(const ByteRange& range) const REQUIRES(mutex_);
  void drop_within(const ByteRange& range) REQUIRES(mutex_);
  void forget(const Piece& piece) REQUIRES(mutex_);
  bool make_room(std::size_t bytes) REQUIRES(mutex_);

  void fetch(const std::vector<ByteRange>& ranges, IoDriver driver) EXCLUDES(mutex_);
  void fetch_one(const ByteRange& range, IoDriver driver) EXCLUDES(mutex_);
  void end_fetch(PieceRef piece, IoCompletion completion) EXCLUDES(mutex_);
  PieceRef find(std::uint64_t offset, std::uint64_t& gap_bytes) EXCLUDES(mutex_);
  std::size_t copy(Piece& piece, std::uint64_t offset, std::span<std::byte> into) EXCLUDES(mutex_);

  IoRequest request(std::uint64_t offset, IoBuffer buffer) const;
  Result<std::size_t> read_now(std::uint64_t offset, std::span<std::byte> into,
                               std::vector<ByteRange>& ahead) EXCLUDES(mutex_);
  Result<std::size_t> bounce(std::uint64_t offset, std::span<std::byte> into,
                             std::vector<ByteRange>& ahead) EXCLUDES(mutex_);
  Result<IoBuffer> take_buffer(std::size_t bytes);
  IoCompletion run(IoRequest request, std::vector<ByteRange>& ahead) EXCLUDES(mutex_);
  void wait_until(const std::function<bool()>& done) EXCLUDES(mutex_);

  IoScheduler& scheduler_;
  BufferPool& pool_;
  const IoFile& file_;
  const std::uint64_t file_bytes_;
  const Options options_;

  mutable Mutex mutex_;
  CondVar changed_;  // A request has ended.
  ReadAhead read_ahead_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, PieceRef> pieces_ GUARDED_BY(mutex_);  // By offset; they do not overlap.
  std::uint64_t newest_piece_ GUARDED_BY(mutex_) = 0;
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  Counters counters_ GUARDED_BY(mutex_);
};

}  // namespace nacre
