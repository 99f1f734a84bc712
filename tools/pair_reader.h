#pragma once

// Cuts an input into keys and values: lines of KEY TAB VALUE, of JSON, or of values alone.
//
// Formats, as docs/cli.md describes them:
//   tsv     The key is what stands before the first TAB of a line, the value all behind it.
//   json    Each line is an object with `key` and `value`, or `key_base64` and `value_base64`. A
//           value that is no string is kept as its JSON text.
//   lines   Each line is a value; its key is its number, 16 decimal digits.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "nacre/result.h"
#include "nacre/types.h"
#include "tools/byte_source.h"
#include "tools/record_reader.h"

namespace nacre::tools {

enum class PairFormat : std::uint8_t { kTsv, kJson, kLines };

struct PairReaderOptions {
  PairFormat format = PairFormat::kTsv;
  bool hex = false;              ///< Keys and values are hexadecimal; not of `kJson`.
  std::uint64_t first_line = 0;  ///< The number of the first line of `kLines`.
  /// The longest key and value together that are let through.
  std::size_t max_pair_bytes = 0;
  /// What errors call the input.
  std::string input_name = "input";
};

class PairReader {
 public:
  PairReader(ByteSource source, PairReaderOptions options);

  /// Moves to the next pair; false at the end of the input.
  /// Errors: as RecordReader::next; `invalid_argument` (a line of another form, a key or a value
  /// over its limit), naming the record and its place in the input.
  Result<bool> next();

  /// Lifetime, of both: until the next call of `next`.
  Bytes key() const noexcept { return key_; }
  Bytes value() const noexcept { return value_; }
  std::uint64_t consumed_bytes() const noexcept { return records_.consumed_bytes(); }
  std::uint64_t skipped_empty() const noexcept { return records_.skipped_empty(); }
  /// `invalid_argument`: `what` is wrong with this pair, whose place in the input it names.
  Error failure(std::string_view what) const;

 private:
  Status take_apart(std::string_view line);
  Status take_tsv(std::string_view line);
  Status take_json(std::string_view line);
  Status take_line(std::string_view line);
  Status check_sizes() const;

  PairReaderOptions options_;
  RecordReader records_;
  std::string key_text_;  // What was decoded, if anything was.
  std::string value_text_;
  Bytes key_;
  Bytes value_;
};

}  // namespace nacre::tools
