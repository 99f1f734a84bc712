#pragma once

// Standard output for data: buffered, and aware that its reader may go away and its disk be full.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::tools {

/// Collects bytes and writes them to a descriptor it does not own.
///
/// Thread safety: one thread at a time.
class OutputBuffer {
 public:
  explicit OutputBuffer(int descriptor) : descriptor_(descriptor) {}

  /// Errors: as `write_all`.
  Status write(Bytes bytes);
  Status write(std::string_view text) { return write(as_bytes(text)); }
  /// Errors: as `write`.
  Status flush();

 private:
  int descriptor_;
  std::vector<std::byte> pending_;  // At most kOutputBufferBytes.
};

/// Writes all of `bytes` at once, past any buffer.
/// Errors: `no_space`, `io` and what else a write's errno means; EPIPE when the reader has gone
/// (see `reader_has_gone`).
Status write_all(int descriptor, Bytes bytes);

/// Prints a report to standard output. That its reader has gone is no error here: a command still
/// has its own result to end with.
/// Errors: as `write_all`.
Status print_out(const std::string& text);

/// Gives standard input, output and error a descriptor where the caller has closed one, which then
/// fails every read or write. Otherwise the next file opened would get that number, and be written
/// over with reports. To be called before any file is opened.
void hold_standard_descriptors() noexcept;

/// True for the error of a write to standard output.
bool is_output_failure(const Error& error) noexcept;

/// True for the error of a write to standard output whose reader has gone, which ends a command
/// early but is no failure of it.
bool reader_has_gone(const Error& error) noexcept;

}  // namespace nacre::tools
