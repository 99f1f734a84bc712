#pragma once

// Tells from the reads of a file which ranges will be read next, so that they can be fetched before
// anybody waits for them. It does no I/O and knows no time: reads go in, ranges come out.
//
// It recognises scans, forward and backward, contiguous or with a constant stride, several at a
// time. A scan shows itself by three reads in a row (a stride by four), among any others; from then
// on a window of it is asked for ahead, which doubles as the scan goes on.
//
// What it may waste is bounded by an account. To ask for a byte costs one from the account; a byte
// that is then read brings one back, and two in a scan of eight reads or more; each read brings
// 1/256 of its bytes. So at any time, and whatever the pattern,
//
//   useless bytes <= 4 * first_window_bytes + bytes read / 256 + useful bytes of such scans
//
// Random reads make no such scans, and the account runs dry: that is how it turns itself off. What
// is useless then stays below 1 % of the bytes read once those exceed 660 * first_window_bytes. A
// scan after that begins with what the account holds, and grows by its own success.
//
// All bytes are counted in whole pages of 4 KiB, which is what a device transfers.
//
// Thread safety: none of its own.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace nacre {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  std::uint64_t end() const noexcept { return offset + bytes; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

class ReadAhead {
 public:
  static constexpr std::uint64_t kPageBytes = 4096;

  struct Options {
    /// Scans followed at a time: 1 to 64. Beyond, the one that was not read from for longest is
    /// given up.
    std::size_t streams = 8;
    /// Asked for ahead of a contiguous scan at first, and at most: multiples of a page, from 16 KiB
    /// on. 0 at most turns it off.
    std::uint64_t first_window_bytes = std::uint64_t{64} << 10;
    std::uint64_t max_window_bytes = std::uint64_t{2} << 20;
    /// A greater distance between two reads is no stride.
    std::uint64_t max_stride_bytes = std::uint64_t{4} << 20;
    /// No page is asked for that lies behind it.
    std::uint64_t file_bytes = std::numeric_limits<std::uint64_t>::max() / 2;
  };

  struct Advice {
    /// To be fetched, the soonest needed first. Whole pages, of which the last may reach behind the
    /// end of the file; not asked for before by the same scan. Mostly a power of two of bytes, as
    /// buffers are.
    std::vector<ByteRange> fetch;
    /// Asked for earlier, and not expected to be read any more.
    std::vector<ByteRange> drop;
  };

  struct Counters {
    std::uint64_t read_bytes = 0;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t useful_bytes = 0;   ///< Fetched, and then read by the scan.
    std::uint64_t useless_bytes = 0;  ///< Fetched, and then skipped or given up.
  };

  explicit ReadAhead(const Options& options);

  /// Somebody reads [offset, offset + bytes), `bytes` not 0. The answer is good until the next
  /// call.
  const Advice& on_read(std::uint64_t offset, std::uint64_t bytes);

  const Counters& counters() const noexcept { return counters_; }

 private:
  enum class Shape : std::uint8_t { kForward, kBackward, kStrided };

  struct Stream {
    Shape shape = Shape::kForward;
    ByteRange last = {};      // The newest read.
    std::int64_t stride = 0;  // From one read's offset to the next one's.
    std::uint64_t window = 0;
    bool asked = false;  // For anything ahead, so that success may widen the window.
    /// How far has been asked for: the end of it, its beginning (backward), or the offset of the
    /// last element (strided). Never on the near side of `last`.
    std::uint64_t edge = 0;
    std::uint64_t matches = 0;
    std::uint64_t newest_read = 0;

    std::uint64_t ahead_bytes() const noexcept;
  };

  static bool proven(const Stream& stream);
  static bool continues(const Stream& stream, const ByteRange& read);
  static std::optional<Stream> scan_behind(const ByteRange& newest, const ByteRange& middle,
                                           const ByteRange& oldest);

  Stream* find_stream(const ByteRange& read);
  bool repeats(const ByteRange& read) const;
  Stream* begin_stream(const ByteRange& read);
  void advance(Stream& stream, const ByteRange& read);
  void plan(Stream& stream);
  void plan_forward(Stream& stream, std::uint64_t bytes);
  void plan_backward(Stream& stream, std::uint64_t bytes);
  void plan_strided(Stream& stream, std::uint64_t bytes);
  void ask_for(const ByteRange& range);
  void give_up(const Stream& stream);
  void give_up_idle();
  void remember(const ByteRange& read);

  const Options options_;
  const std::uint64_t end_;  // Of the file's last page.
  std::vector<Stream> streams_;
  std::vector<ByteRange> history_;  // Reads that belong to no stream, the newest first.
  std::uint64_t reads_ = 0;
  std::uint64_t credit_bytes_;
  Counters counters_;
  Advice advice_;
};

}  // namespace nacre
