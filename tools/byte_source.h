#pragma once

// Where the bytes of an input come from: a file, a pipe, or a test's memory.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "nacre/result.h"

namespace nacre::tools {

/// Fills `buffer` from its front and returns how many bytes it got; 0 at the end of the input.
using ByteSource = std::function<Result<std::size_t>(std::span<std::byte> buffer)>;

/// A user's input file or standard input. It is read directly rather than through the FileSystem
/// seam: it is not part of any log, and a pipe has no offsets.
///
/// Thread safety: one thread at a time.
class InputFile {
 public:
  /// Opens `path`, or takes standard input when it is "-".
  /// Errors: `not_found`, `invalid_argument` (a directory), `io`.
  static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  /// Called before a read that would wait for somebody to write into the pipe, so that what has
  /// been read so far can be settled meanwhile.
  void set_before_waiting(std::function<Status()> callback);

  /// Errors: `io`; the error of the `before_waiting` callback. Returns 0, as at the end, once
  /// `stop_requested()` is true.
  Result<std::size_t> read(std::span<std::byte> buffer);

  /// As a ByteSource. Lifetime: ends before this object, which must not be moved meanwhile.
  ByteSource source();

  /// 0 when unknown, as for a pipe.
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  const std::string& name() const noexcept { return name_; }

 private:
  InputFile(int descriptor, std::string name, std::uint64_t size_bytes, bool may_wait);
  Status announce_wait();

  int descriptor_;
  std::string name_;
  std::uint64_t size_bytes_;
  bool may_wait_;
  std::function<Status()> before_waiting_;
};

}  // namespace nacre::tools
