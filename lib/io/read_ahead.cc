#include "lib/io/read_ahead.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "lib/base/assert.h"

namespace nacre {
namespace {

constexpr std::uint64_t kPageBytes = ReadAhead::kPageBytes;

/// A scan that skips less is still the same; what it skipped had been asked for.
constexpr std::uint64_t kMaxSkipBytes = std::uint64_t{32} << 10;
/// A scan that none of so many reads belonged to is over.
constexpr std::uint64_t kIdleReads = 1024;
/// Elements of a stride asked for ahead: each is a request of its own.
constexpr std::uint64_t kMaxElements = 32;
/// So many reads before a stride is believed. Among random reads three with equal distances turn
/// up now and then.
constexpr std::uint64_t kStrideMatches = 3;
constexpr std::uint64_t kProvenMatches = 8;
constexpr std::uint64_t kRefillShare = 256;
/// A request for less is not worth its making.
constexpr std::uint64_t kMinFetchBytes = 4 * kPageBytes;

std::uint64_t page_floor(std::uint64_t offset) { return offset / kPageBytes * kPageBytes; }
std::uint64_t page_ceiling(std::uint64_t offset) { return page_floor(offset + kPageBytes - 1); }

ByteRange whole_pages(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t begin = page_floor(offset);
  return {begin, page_ceiling(offset + bytes) - begin};
}

ByteRange between(std::uint64_t begin, std::uint64_t end) { return {begin, end - begin}; }

bool contains(const ByteRange& outer, const ByteRange& inner) {
  return inner.offset >= outer.offset && inner.end() <= outer.end();
}

/// Whether `next` goes on where `last` ended, perhaps reading some of it again.
bool follows(const ByteRange& last, const ByteRange& next) {
  return next.offset >= last.offset && next.offset <= last.end() && next.end() > last.end();
}

/// As `follows`, towards the beginning of the file.
bool precedes(const ByteRange& last, const ByteRange& next) {
  return next.end() <= last.end() && next.end() >= last.offset && next.offset < last.offset;
}

std::int64_t distance(std::uint64_t from, std::uint64_t to) {
  return static_cast<std::int64_t>(to - from);
}

std::uint64_t length(std::int64_t stride) { return static_cast<std::uint64_t>(std::abs(stride)); }

}  // namespace

ReadAhead::ReadAhead(const Options& options)
    : options_(options),
      end_(page_ceiling(options.file_bytes)),
      credit_bytes_(4 * options.first_window_bytes) {
  NACRE_ASSERT(options.streams >= 1 && options.streams <= 64);
  NACRE_ASSERT(options.first_window_bytes % kPageBytes == 0);
  NACRE_ASSERT(options.max_window_bytes % kPageBytes == 0);
  NACRE_ASSERT(options.max_window_bytes == 0 ||
               (options.first_window_bytes >= kMinFetchBytes &&
                options.first_window_bytes <= options.max_window_bytes));
  streams_.reserve(options.streams);
  // Room for three reads of each of as many scans as are followed, however they interleave.
  history_.reserve(2 * options.streams + 1);
}

const ReadAhead::Advice& ReadAhead::on_read(std::uint64_t offset, std::uint64_t bytes) {
  NACRE_ASSERT(bytes > 0 && offset + bytes > offset);
  advice_.fetch.clear();
  advice_.drop.clear();
  if (options_.max_window_bytes == 0) return advice_;
  const ByteRange read = whole_pages(offset, bytes);
  ++reads_;
  counters_.read_bytes += read.bytes;
  credit_bytes_ =
      std::min(credit_bytes_ + read.bytes / kRefillShare,
               4 * options_.first_window_bytes + options_.streams * options_.max_window_bytes);
  Stream* stream = find_stream(read);
  if (stream != nullptr) {
    advance(*stream, read);
  } else if (!repeats(read)) {
    stream = begin_stream(read);
    if (stream == nullptr) remember(read);
  }
  if (stream != nullptr) plan(*stream);
  give_up_idle();
  return advice_;
}

std::uint64_t ReadAhead::Stream::ahead_bytes() const noexcept {
  switch (shape) {
    case Shape::kForward:
      return edge - last.end();
    case Shape::kBackward:
      return last.offset - edge;
    case Shape::kStrided:
      return length(distance(last.offset, edge)) / length(stride) * last.bytes;
  }
  return 0;
}

/// Chance makes a short scan now and then, a long one hardly ever.
bool ReadAhead::proven(const Stream& stream) { return stream.matches >= kProvenMatches; }

bool ReadAhead::continues(const Stream& stream, const ByteRange& read) {
  const ByteRange& last = stream.last;
  switch (stream.shape) {
    case Shape::kForward:
      return follows(last, read) ||
             (proven(stream) && read.offset > last.end() && read.offset < stream.edge &&
              read.offset - last.end() <= kMaxSkipBytes);
    case Shape::kBackward:
      return precedes(last, read) ||
             (proven(stream) && read.end() < last.offset && read.end() > stream.edge &&
              last.offset - read.end() <= kMaxSkipBytes);
    case Shape::kStrided:
      return read.bytes == last.bytes && distance(last.offset, read.offset) == stream.stride;
  }
  return false;
}

ReadAhead::Stream* ReadAhead::find_stream(const ByteRange& read) {
  const auto found =
      std::ranges::find_if(streams_, [&](const Stream& stream) { return continues(stream, read); });
  return found == streams_.end() ? nullptr : &*found;
}

/// Whether it lies inside an earlier read, as small reads in one page do; it then tells nothing.
bool ReadAhead::repeats(const ByteRange& read) const {
  return std::ranges::any_of(streams_,
                             [&](const Stream& stream) { return contains(stream.last, read); }) ||
         std::ranges::any_of(history_,
                             [&](const ByteRange& earlier) { return contains(earlier, read); });
}

/// The scan that three reads are the beginning of, if they are.
std::optional<ReadAhead::Stream> ReadAhead::scan_behind(const ByteRange& newest,
                                                        const ByteRange& middle,
                                                        const ByteRange& oldest) {
  Stream stream{.last = newest, .matches = 2};
  if (follows(middle, newest)) {
    if (!follows(oldest, middle)) return std::nullopt;
    stream.shape = Shape::kForward;
    stream.edge = newest.end();
    return stream;
  }
  if (precedes(middle, newest)) {
    if (!precedes(oldest, middle)) return std::nullopt;
    stream.shape = Shape::kBackward;
    stream.edge = newest.offset;
    return stream;
  }
  stream.shape = Shape::kStrided;
  stream.stride = distance(middle.offset, newest.offset);
  stream.edge = newest.offset;
  const bool regular = newest.bytes == middle.bytes && middle.bytes == oldest.bytes &&
                       distance(oldest.offset, middle.offset) == stream.stride;
  if (!regular || length(stream.stride) < newest.bytes) return std::nullopt;
  return stream;
}

ReadAhead::Stream* ReadAhead::begin_stream(const ByteRange& read) {
  for (std::size_t middle = 0; middle < history_.size(); ++middle) {
    if (length(distance(history_[middle].offset, read.offset)) >
        std::max(options_.max_stride_bytes, std::max(read.bytes, history_[middle].bytes))) {
      continue;
    }
    for (std::size_t oldest = middle + 1; oldest < history_.size(); ++oldest) {
      std::optional<Stream> stream = scan_behind(read, history_[middle], history_[oldest]);
      if (!stream.has_value()) continue;
      stream->newest_read = reads_;
      stream->window = stream->shape == Shape::kStrided
                           ? 2 * read.bytes
                           : std::max(options_.first_window_bytes, 2 * read.bytes);
      stream->window = std::min(stream->window, options_.max_window_bytes);
      if (streams_.size() < options_.streams) {
        streams_.push_back(*stream);
        return &streams_.back();
      }
      const auto longest_ago = std::ranges::min_element(streams_, {}, &Stream::newest_read);
      give_up(*longest_ago);
      *longest_ago = *stream;
      return &*longest_ago;
    }
  }
  return nullptr;
}

void ReadAhead::remember(const ByteRange& read) {
  if (history_.size() == history_.capacity()) history_.pop_back();
  history_.insert(history_.begin(), read);
}

/// The scan has come to `read`.
void ReadAhead::advance(Stream& stream, const ByteRange& read) {
  const ByteRange last = stream.last;
  const std::uint64_t ahead = stream.ahead_bytes();
  std::uint64_t skipped = 0;
  std::uint64_t progress = read.bytes;
  switch (stream.shape) {
    case Shape::kForward:
      if (read.offset > last.end()) skipped = read.offset - last.end();
      progress = read.end() - std::max(read.offset, last.end());
      stream.edge = std::max(stream.edge, read.end());
      break;
    case Shape::kBackward:
      if (read.end() < last.offset) skipped = last.offset - read.end();
      progress = std::min(read.end(), last.offset) - read.offset;
      stream.edge = std::min(stream.edge, read.offset);
      break;
    case Shape::kStrided:
      if (ahead == 0) stream.edge = read.offset;
      break;
  }
  stream.last = read;
  stream.newest_read = reads_;
  ++stream.matches;
  const std::uint64_t useful = std::min(progress, ahead - skipped);
  counters_.useful_bytes += useful;
  counters_.useless_bytes += skipped;
  credit_bytes_ += proven(stream) ? 2 * useful : useful;
}

void ReadAhead::plan(Stream& stream) {
  const std::uint64_t ahead = stream.ahead_bytes();
  const std::uint64_t wanted =
      stream.asked ? std::min(2 * stream.window, options_.max_window_bytes) : stream.window;
  // Few large requests: what is left of a window is used up by half before it is filled again.
  const std::uint64_t window = std::min(wanted, ahead + credit_bytes_);
  if (2 * ahead > window) return;
  const std::size_t before = advice_.fetch.size();
  switch (stream.shape) {
    case Shape::kForward:
      plan_forward(stream, window - ahead);
      break;
    case Shape::kBackward:
      plan_backward(stream, window - ahead);
      break;
    case Shape::kStrided:
      plan_strided(stream, window - ahead);
      break;
  }
  if (advice_.fetch.size() == before) return;
  stream.asked = true;
  stream.window = window;
}

void ReadAhead::plan_forward(Stream& stream, std::uint64_t bytes) {
  if (stream.edge >= end_ || bytes < kMinFetchBytes) return;
  const std::uint64_t end = std::min(stream.edge + std::bit_floor(bytes), end_);
  ask_for(between(stream.edge, end));
  stream.edge = end;
}

void ReadAhead::plan_backward(Stream& stream, std::uint64_t bytes) {
  // Reads behind the end of the file may have made it believe in a scan there.
  if (stream.edge == 0 || stream.edge > end_ || bytes < kMinFetchBytes) return;
  const std::uint64_t most = std::bit_floor(bytes);
  const std::uint64_t begin = stream.edge - std::min(stream.edge, most);
  ask_for(between(begin, stream.edge));
  stream.edge = begin;
}

void ReadAhead::plan_strided(Stream& stream, std::uint64_t bytes) {
  if (stream.matches < kStrideMatches) return;
  const std::uint64_t element = stream.last.bytes;
  const std::uint64_t ahead = stream.ahead_bytes() / element;
  const std::uint64_t most =
      std::min(bytes / element, kMaxElements - std::min(ahead, kMaxElements));
  for (std::uint64_t i = 0; i < most && credit_bytes_ >= element; ++i) {
    if (stream.stride < 0 && stream.edge < length(stream.stride)) return;
    const std::uint64_t next = stream.edge + static_cast<std::uint64_t>(stream.stride);
    if (next + element > end_) return;
    ask_for({next, element});
    stream.edge = next;
  }
}

void ReadAhead::ask_for(const ByteRange& range) {
  counters_.fetched_bytes += range.bytes;
  credit_bytes_ -= range.bytes;
  advice_.fetch.push_back(range);
}

void ReadAhead::give_up(const Stream& stream) {
  counters_.useless_bytes += stream.ahead_bytes();
  switch (stream.shape) {
    case Shape::kForward:
      if (stream.edge > stream.last.end()) {
        advice_.drop.push_back(between(stream.last.end(), stream.edge));
      }
      return;
    case Shape::kBackward:
      if (stream.edge < stream.last.offset) {
        advice_.drop.push_back(between(stream.edge, stream.last.offset));
      }
      return;
    case Shape::kStrided:
      for (std::uint64_t offset = stream.last.offset; offset != stream.edge;) {
        offset += static_cast<std::uint64_t>(stream.stride);
        advice_.drop.push_back({offset, stream.last.bytes});
      }
      return;
  }
}

void ReadAhead::give_up_idle() {
  std::erase_if(streams_, [&](const Stream& stream) {
    const bool idle = reads_ - stream.newest_read > kIdleReads;
    if (idle) give_up(stream);
    return idle;
  });
}

}  // namespace nacre
