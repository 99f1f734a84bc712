#include "lib/io/stream_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr std::uint64_t kPageBytes = ReadAhead::kPageBytes;
constexpr std::uint64_t kMaxFetchBytes = BufferPool::kMaxBufferBytes;

ReadAhead::Options with_file_bytes(ReadAhead::Options options, std::uint64_t file_bytes) {
  options.file_bytes = file_bytes;
  return options;
}

bool page_aligned(std::uint64_t number) { return number % kPageBytes == 0; }

}  // namespace

/// A range that is fetched ahead.
struct StreamReader::Piece {
  ByteRange range;
  std::uint64_t number = 0;      // In the order of fetching.
  std::size_t capacity = 0;      // Of its buffer.
  bool ended = false;            // Its request; nobody writes to it any more.
  IoBuffer buffer = {};          // While the request has it, none; nothing in it after an error.
  std::uint64_t used_bytes = 0;  // Handed to readers.
};

StreamReader::StreamReader(IoScheduler& scheduler, BufferPool& pool, const IoFile& file,
                           std::uint64_t file_bytes, const Options& options)
    : scheduler_(scheduler),
      pool_(pool),
      file_(file),
      file_bytes_(file_bytes),
      options_(options),
      read_ahead_(with_file_bytes(options.read_ahead, file_bytes)) {}

StreamReader::~StreamReader() {
  wait_until([this]() REQUIRES(mutex_) { return in_flight_ == 0; });
}

Result<std::size_t> StreamReader::read(std::uint64_t offset, std::span<std::byte> into) {
  if (offset >= file_bytes_ || into.empty()) return std::size_t{0};
  into = into.first(std::min<std::uint64_t>(into.size(), file_bytes_ - offset));
  std::vector<ByteRange> ahead = advise(offset, into.size());
  std::size_t done = 0;
  while (done < into.size()) {
    const std::span<std::byte> rest = into.subspan(done);
    std::uint64_t gap_bytes = rest.size();
    const PieceRef piece = find(offset + done, gap_bytes);
    if (piece != nullptr) {
      // The scan goes on, so what comes next is asked for before anybody waits or copies.
      fetch(std::exchange(ahead, {}), IoDriver::kScheduler);
      const std::size_t copied = copy(*piece, offset + done, rest);
      done += copied;
      // What it does not hold, through an error or a file cut short, is for the device to tell.
      if (copied > 0) continue;
    }
    const std::span<std::byte> gap = rest.first(std::min<std::uint64_t>(gap_bytes, rest.size()));
    const std::size_t got = NACRE_TRY(read_now(offset + done, gap, ahead));
    done += got;
    if (got < gap.size()) break;
  }
  return done;
}

/// What to fetch ahead, now that somebody reads here.
std::vector<ByteRange> StreamReader::advise(std::uint64_t offset, std::size_t bytes) {
  MutexLock lock(mutex_);
  const ReadAhead::Advice& advice = read_ahead_.on_read(offset, bytes);
  for (const ByteRange& range : advice.drop) drop_within(range);
  std::vector<ByteRange> ranges;
  for (const ByteRange& range : advice.fetch) {
    for (const ByteRange& part : not_held(range)) {
      // As large as a buffer at most.
      for (std::uint64_t at = part.offset; at < part.end(); at = ranges.back().end()) {
        ranges.push_back({at, std::min<std::uint64_t>(part.end() - at, kMaxFetchBytes)});
      }
    }
  }
  return ranges;
}

/// `range` without what another scan has had fetched already.
std::vector<ByteRange> StreamReader::not_held(const ByteRange& range) const {
  std::vector<ByteRange> parts;
  std::uint64_t at = range.offset;
  auto next = pieces_.upper_bound(at);
  if (next != pieces_.begin()) at = std::max(at, std::prev(next)->second->range.end());
  for (; next != pieces_.end() && next->first < range.end(); ++next) {
    if (at < next->first) parts.push_back({at, next->first - at});
    at = next->second->range.end();
  }
  if (at < range.end()) parts.push_back({at, range.end() - at});
  return parts;
}

void StreamReader::drop_within(const ByteRange& range) {
  auto next = pieces_.upper_bound(range.offset);
  if (next != pieces_.begin() && std::prev(next)->second->range.end() > range.offset) --next;
  while (next != pieces_.end() && next->first < range.end()) forget(*(next++)->second);
}

/// Takes it out of the table; its buffer goes when the last who has it is done.
void StreamReader::forget(const Piece& piece) {
  const auto found = pieces_.find(piece.range.offset);
  if (found == pieces_.end() || found->second.get() != &piece) return;
  counters_.held_bytes -= piece.capacity;
  pieces_.erase(found);
}

/// Gives up what was fetched longest ago, until `bytes` more may be held; false when they may not.
bool StreamReader::make_room(std::size_t bytes) {
  while (counters_.held_bytes + bytes > options_.held_bytes) {
    const auto older = [](const auto& left, const auto& right) {
      return left.second->number < right.second->number;
    };
    const auto oldest = std::ranges::min_element(pieces_, older);
    if (oldest == pieces_.end() || !oldest->second->ended) return false;
    forget(*oldest->second);
  }
  const BufferPool::Usage usage = pool_.usage();
  return usage.bytes_in_use + bytes <= usage.bound_bytes / 4 * 3;
}

void StreamReader::fetch(const std::vector<ByteRange>& ranges, IoDriver driver) {
  for (const ByteRange& range : ranges) fetch_one(range, driver);
}

void StreamReader::fetch_one(const ByteRange& range, IoDriver driver) {
  const auto piece = std::make_shared<Piece>(Piece{.range = range});
  IoBuffer buffer;
  {
    MutexLock lock(mutex_);
    // Another thread may have been quicker.
    const std::vector<ByteRange> missing = not_held(range);
    if (missing.size() != 1 || missing.front() != range) return;
    Result<IoBuffer> taken = make_room(std::bit_ceil(range.bytes))
                                 ? pool_.try_take(range.bytes)
                                 : Error(ErrorCode::kBusy, "no room");
    if (!taken) {
      ++counters_.skipped_fetches;
      return;
    }
    buffer = *std::move(taken);
    piece->number = ++newest_piece_;
    piece->capacity = buffer.capacity();
    pieces_.emplace(range.offset, piece);
    counters_.held_bytes += piece->capacity;
    ++counters_.fetches;
    ++in_flight_;
  }
  scheduler_.submit(
      request(range.offset, std::move(buffer)),
      [this, fetched = piece](IoCompletion completion) mutable {
        end_fetch(std::move(fetched), std::move(completion));
      },
      driver);
}

void StreamReader::end_fetch(PieceRef piece, IoCompletion completion) {
  MutexLock lock(mutex_);
  piece->buffer = std::move(completion.buffers.front());
  piece->buffer.set_size(completion.status ? completion.bytes : 0);
  piece->ended = true;
  if (!completion.status) {
    ++counters_.failed_fetches;
    forget(*piece);
  }
  // The pool may be destroyed when the last request has ended, so the buffer goes back before.
  piece.reset();
  --in_flight_;
  changed_.notify_all();
}

/// The piece that holds `offset`, or null; then `gap_bytes` is cut to where the next one begins.
StreamReader::PieceRef StreamReader::find(std::uint64_t offset, std::uint64_t& gap_bytes) {
  MutexLock lock(mutex_);
  const auto next = pieces_.upper_bound(offset);
  if (next != pieces_.end()) gap_bytes = std::min(gap_bytes, next->first - offset);
  if (next == pieces_.begin()) return nullptr;
  const PieceRef& piece = std::prev(next)->second;
  return offset < piece->range.end() ? piece : nullptr;
}

/// Waits until `piece` is there; returns how much of it went into `into`, which is 0 when it
/// failed.
std::size_t StreamReader::copy(Piece& piece, std::uint64_t offset, std::span<std::byte> into) {
  wait_until([&] { return piece.ended; });
  const std::span<const std::byte> bytes = piece.buffer.bytes();
  const std::uint64_t begin = offset - piece.range.offset;
  const std::size_t there = bytes.size() - std::min<std::uint64_t>(begin, bytes.size());
  const std::size_t count = std::min(into.size(), there);
  if (count > 0) std::memcpy(into.data(), bytes.data() + begin, count);
  MutexLock lock(mutex_);
  piece.used_bytes += count;
  if (count == 0 || piece.used_bytes >= bytes.size()) forget(piece);
  return count;
}

IoRequest StreamReader::request(std::uint64_t offset, IoBuffer buffer) const {
  IoRequest request;
  request.kind = IoKind::kRead;
  request.io_class = options_.io_class;
  request.file = &file_;
  request.offset = offset;
  request.buffers.push_back(std::move(buffer));
  return request;
}

/// Reads what nobody has fetched; `ahead` is asked for behind it, and emptied.
Result<std::size_t> StreamReader::read_now(std::uint64_t offset, std::span<std::byte> into,
                                           std::vector<ByteRange>& ahead) {
  const bool aligned = page_aligned(offset) && page_aligned(into.size()) &&
                       page_aligned(reinterpret_cast<std::uintptr_t>(into.data()));
  if (options_.direct && !aligned) return bounce(offset, into, ahead);
  IoCompletion completion = run(request(offset, IoBuffer::borrow(into)), ahead);
  if (!completion.status) return std::move(completion.status).error();
  return completion.bytes;
}

/// By way of whole pages in the pool, one buffer after the other.
Result<std::size_t> StreamReader::bounce(std::uint64_t offset, std::span<std::byte> into,
                                         std::vector<ByteRange>& ahead) {
  std::size_t done = 0;
  while (done < into.size()) {
    const std::uint64_t at = offset + done;
    const std::size_t before = at % kPageBytes;
    const std::size_t wanted = before + into.size() - done;
    const std::size_t pages = (wanted + kPageBytes - 1) / kPageBytes * kPageBytes;
    IoBuffer buffer = NACRE_TRY(take_buffer(std::min(pages, BufferPool::kMaxBufferBytes)));
    const std::size_t room = buffer.size();
    IoCompletion completion = run(request(at - before, std::move(buffer)), ahead);
    if (!completion.status) return std::move(completion.status).error();
    if (completion.bytes <= before) break;
    const std::size_t count = std::min(completion.bytes - before, into.size() - done);
    std::memcpy(into.data() + done, completion.buffers.front().data() + before, count);
    done += count;
    if (completion.bytes < room) break;
  }
  return done;
}

/// `bytes`, or less when the pool is nearly dry: a page comes sooner than a large buffer.
Result<IoBuffer> StreamReader::take_buffer(std::size_t bytes) {
  for (; bytes > BufferPool::kMinBufferBytes; bytes = bytes / kPageBytes / 2 * kPageBytes) {
    Result<IoBuffer> buffer = pool_.try_take(bytes);
    if (buffer) return buffer;
  }
  return pool_.take(BufferPool::kMinBufferBytes);
}

IoCompletion StreamReader::run(IoRequest request, std::vector<ByteRange>& ahead) {
  IoCompletion result;
  bool ended = false;
  {
    MutexLock lock(mutex_);
    ++counters_.foreground_reads;
  }
  scheduler_.submit(
      std::move(request),
      [&](IoCompletion completion) {
        MutexLock lock(mutex_);
        result = std::move(completion);
        ended = true;
        changed_.notify_all();
      },
      IoDriver::kCaller);
  fetch(std::exchange(ahead, {}), IoDriver::kCaller);
  wait_until([&] { return ended; });
  return result;
}

/// Drives the scheduler, or sleeps while somebody else does. `done` is called with the lock held,
/// and comes true by a callback.
void StreamReader::wait_until(const std::function<bool()>& done) {
  const auto look = [&] {
    MutexLock lock(mutex_);
    return done();
  };
  if (look() || scheduler_.drive(look)) return;
  MutexLock lock(mutex_);
  while (!done()) changed_.wait(mutex_);
}

StreamReader::Counters StreamReader::counters() const {
  MutexLock lock(mutex_);
  return counters_;
}

ReadAhead::Counters StreamReader::read_ahead_counters() const {
  MutexLock lock(mutex_);
  return read_ahead_.counters();
}

}  // namespace nacre
