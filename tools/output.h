#pragma once

// Standard output for data: buffered, and aware that its reader may go away.

#include <cstddef>
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

  /// Errors: `io`; with errno EPIPE when the reader has gone (see `reader_has_gone`).
  Status write(Bytes bytes);
  Status write(std::string_view text) { return write(as_bytes(text)); }
  /// Errors: as `write`.
  Status flush();

 private:
  int descriptor_;
  std::vector<std::byte> pending_;  // At most kOutputBufferBytes.
};

/// Writes all of `bytes` at once, past any buffer. Errors: as `OutputBuffer::write`.
Status write_all(int descriptor, Bytes bytes);

/// True for the error of a write into a pipe whose reader has gone, which ends a command early but
/// is no failure of it.
bool reader_has_gone(const Error& error) noexcept;

}  // namespace nacre::tools
