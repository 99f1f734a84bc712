#pragma once

// Cuts an input into records: lines, stanzas, or length-prefixed blobs.
//
// Streams: holds one record and a read-ahead buffer, whatever the length of the input. Knows
// nothing of logs or files, so that a fuzzer can drive it.
//
// Formats, as the README of the command line describes them (docs/cli.md):
//   lines            Each '\n' ends a record and is not part of it; a '\r' before it is. The last
//                    line needs none. Empty lines are skipped and counted.
//   stanzas          Paragraphs of non-blank lines, separated by lines of nothing but spaces, tabs
//                    and '\r' (RFC 822 headers, Debian control files). A record has no final '\n'.
//   length-prefixed  A little-endian 32-bit length, at least 1, then as many bytes.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nacre/result.h"
#include "nacre/types.h"
#include "tools/byte_source.h"

namespace nacre::tools {

enum class RecordFormat : std::uint8_t { kLines, kStanzas, kLengthPrefixed };

struct RecordReaderOptions {
  RecordFormat format = RecordFormat::kLines;
  /// The longest record that is let through, in bytes; at least 1.
  std::size_t max_record_bytes = std::size_t{16} << 20;
  /// What errors call the input.
  std::string input_name = "input";
};

class RecordReader {
 public:
  RecordReader(ByteSource source, RecordReaderOptions options);

  /// Moves to the next record; false at the end of the input.
  /// Errors: `invalid_argument` (a record over the limit; a length of zero; an input that ends
  /// inside a record), naming the record and its place in the input; whatever the source returns.
  /// After an error every later call returns the same one.
  Result<bool> next();

  /// Lifetime: until the next call of `next`.
  Bytes record() const noexcept { return record_; }
  /// How many records `next` has returned, this one included.
  std::uint64_t records() const noexcept { return records_; }
  /// Where this record begins in the input.
  std::uint64_t begin_offset() const noexcept { return begin_offset_; }
  /// Bytes of the input before the end of this record.
  std::uint64_t consumed_bytes() const noexcept { return begin_offset_ + drop_bytes_; }
  /// Empty lines left out so far.
  std::uint64_t skipped_empty() const noexcept { return skipped_empty_; }

 private:
  struct Line {
    std::size_t length = 0;
    bool terminated = false;
  };

  Result<bool> next_line();
  Result<bool> next_stanza();
  Result<bool> next_length_prefixed();

  /// The line that starts `from` bytes behind the unconsumed front.
  Result<Line> line_at(std::size_t from);
  bool is_blank(std::size_t from, Line line) const noexcept;
  /// Reads more; false at the end of the input.
  Result<bool> fill();
  /// Reads until `bytes` bytes are there; false when the input ends before.
  Result<bool> fill_to(std::size_t bytes);
  void make_room();

  std::size_t available() const noexcept { return end_ - begin_; }
  const std::byte* front() const noexcept { return buffer_.data() + begin_; }
  void drop(std::size_t bytes) noexcept;
  bool take(std::size_t skip, std::size_t length, std::size_t separator) noexcept;
  Error failure(std::string what) const;
  Error too_long() const;

  ByteSource source_;
  RecordReaderOptions options_;
  std::vector<std::byte> buffer_;  // [begin_, end_) is read and not consumed yet.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool input_ended_ = false;
  std::uint64_t begin_offset_ = 0;  // Where buffer_[begin_] stands in the input.
  std::size_t drop_bytes_ = 0;      // What the current record takes up at the front.
  Bytes record_;
  std::uint64_t records_ = 0;
  std::uint64_t skipped_empty_ = 0;
  std::optional<Error> first_error_;
};

}  // namespace nacre::tools
