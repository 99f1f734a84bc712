#include "tools/record_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/endian.h"
#include "lib/base/try.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kReadAheadBytes = std::size_t{256} << 10;

// A line may pass the record limit by this much before it is given up: the blank line behind a
// stanza of exactly the limit must still be recognised as blank.
constexpr std::size_t kBlankSlackBytes = 4096;

constexpr std::size_t kLengthBytes = sizeof(le32);

}  // namespace

RecordReader::RecordReader(ByteSource source, RecordReaderOptions options)
    : source_(std::move(source)), options_(std::move(options)) {}

Result<bool> RecordReader::next() {
  if (first_error_) return *first_error_;
  drop(std::exchange(drop_bytes_, 0));
  record_ = {};
  Result<bool> found = [this] {
    switch (options_.format) {
      case RecordFormat::kLines:
        return next_line();
      case RecordFormat::kStanzas:
        return next_stanza();
      case RecordFormat::kLengthPrefixed:
        return next_length_prefixed();
    }
    return next_line();
  }();
  if (!found) first_error_ = found.error();
  return found;
}

Result<bool> RecordReader::next_line() {
  while (true) {
    const Line line = NACRE_TRY(line_at(0));
    if (line.length > options_.max_record_bytes) return too_long();
    if (line.length > 0) return take(0, line.length, line.terminated ? 1 : 0);
    if (!line.terminated) return false;
    drop(1);
    ++skipped_empty_;
  }
}

Result<bool> RecordReader::next_stanza() {
  Line line = NACRE_TRY(line_at(0));
  while (is_blank(0, line)) {
    drop(line.length + (line.terminated ? 1 : 0));
    if (!line.terminated) return false;
    line = NACRE_TRY(line_at(0));
  }
  std::size_t length = line.length;
  while (line.terminated) {
    const std::size_t line_begin = length + 1;
    line = NACRE_TRY(line_at(line_begin));
    if (is_blank(line_begin, line)) break;
    length = line_begin + line.length;
  }
  if (length > options_.max_record_bytes) return too_long();
  return take(0, length, 0);
}

Result<bool> RecordReader::next_length_prefixed() {
  if (!NACRE_TRY(fill_to(kLengthBytes))) {
    if (available() == 0) return false;
    return failure(fmt::format("the input ends after {} of the {} bytes of its length", available(),
                               kLengthBytes));
  }
  le32 prefix;
  std::memcpy(&prefix, front(), kLengthBytes);
  const std::size_t length = prefix;
  if (length == 0) return failure("its length is 0, but a record holds at least one byte");
  if (length > options_.max_record_bytes) {
    return failure(
        fmt::format("its length is {} bytes, over the limit of {}; is this input "
                    "really length-prefixed?",
                    length, options_.max_record_bytes));
  }
  if (!NACRE_TRY(fill_to(kLengthBytes + length))) {
    return failure(fmt::format("the input is cut short: it ends after {} of {} bytes",
                               available() - kLengthBytes, length));
  }
  return take(kLengthBytes, length, 0);
}

Result<RecordReader::Line> RecordReader::line_at(std::size_t from) {
  const std::size_t limit = options_.max_record_bytes + kBlankSlackBytes;
  std::size_t scanned = from;
  while (true) {
    if (scanned < available()) {
      const void* newline = std::memchr(front() + scanned, '\n', available() - scanned);
      if (newline != nullptr) {
        const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(newline) - front());
        // Not only when it runs past the buffer: how the input arrives must make no difference.
        if (at > limit) return too_long();
        return Line{.length = at - from, .terminated = true};
      }
      scanned = available();
    }
    if (scanned > limit) return too_long();
    if (!NACRE_TRY(fill())) return Line{.length = scanned - from, .terminated = false};
  }
}

bool RecordReader::is_blank(std::size_t from, Line line) const noexcept {
  const std::byte* begin = front() + from;
  return std::all_of(begin, begin + line.length, [](std::byte character) {
    return character == std::byte{' '} || character == std::byte{'\t'} ||
           character == std::byte{'\r'};
  });
}

Result<bool> RecordReader::fill() {
  if (input_ended_) return false;
  make_room();
  const std::size_t count =
      NACRE_TRY(source_(std::span(buffer_).subspan(end_, buffer_.size() - end_)));
  end_ += count;
  input_ended_ = count == 0;
  return !input_ended_;
}

Result<bool> RecordReader::fill_to(std::size_t bytes) {
  while (available() < bytes) {
    if (!NACRE_TRY(fill())) return false;
  }
  return true;
}

void RecordReader::make_room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), front(), available());
    end_ -= std::exchange(begin_, 0);
  }
  // Doubling as the bytes arrive, so that a length prefix alone never makes us take memory.
  if (end_ == buffer_.size()) buffer_.resize(std::max(kReadAheadBytes, buffer_.size() * 2));
}

void RecordReader::drop(std::size_t bytes) noexcept {
  begin_ += bytes;
  begin_offset_ += bytes;
}

bool RecordReader::take(std::size_t skip, std::size_t length, std::size_t separator) noexcept {
  record_ = Bytes(front() + skip, length);
  drop_bytes_ = skip + length + separator;
  ++records_;
  return true;
}

Error RecordReader::failure(std::string what) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("record {} of the input: {}", records_ + 1, what))
      .with_path(options_.input_name)
      .with_offset(begin_offset_);
}

Error RecordReader::too_long() const {
  return failure(fmt::format("it is longer than {} bytes, the most that one record may hold",
                             options_.max_record_bytes));
}

}  // namespace nacre::tools
