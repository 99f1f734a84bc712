#pragma once

// What went wrong, where, and what to do about it.
//
// An Error is immutable once built and cheap to copy, so that a poisoned object can hand out its
// first error again and again. Thread-safe to read from any number of threads.

#include "nacre/compiler.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nacre {

enum class ErrorCode : std::uint8_t {
  kNotFound,         ///< What was asked for is not there (or has been truncated away).
  kCorruption,       ///< The media hold something no correct nacre wrote; nothing was changed.
  kIo,               ///< The operating system refused or failed an operation; see `sys_errno`.
  kInvalidArgument,  ///< The caller's argument is outside the documented range.
  kNoSpace,          ///< The file system is full; what was acknowledged stays readable.
  kBusy,             ///< Somebody else holds it; try again later.
  kClosed,           ///< The object was closed, or lost its backing after an earlier failure.
  kUnsupported,      ///< This machine, file system or format version cannot do it.
  kCancelled,        ///< It was called back before it happened.
  kTimedOut,         ///< It was called back because its time was up.
};

/// The code's name in lower_snake_case, such as "no_space".
std::string_view error_code_name(ErrorCode code) noexcept;

class [[nodiscard]] Error {
 public:
  /// `message` says what happened and what a person can do; location goes into the `with_` calls.
  Error(ErrorCode code, std::string message);

  [[nodiscard]] Error&& with_errno(int sys_errno) &&;
  [[nodiscard]] Error&& with_path(std::string path) &&;
  /// `offset` is in bytes from the start of `path`.
  [[nodiscard]] Error&& with_offset(std::uint64_t offset) &&;
  [[nodiscard]] Error&& with_lsn(std::uint64_t lsn) &&;

  ErrorCode code() const noexcept;
  /// 0 when no system call was involved.
  int sys_errno() const noexcept;
  /// Empty when no file was involved.
  const std::string& path() const noexcept;
  std::optional<std::uint64_t> offset() const noexcept;
  std::optional<std::uint64_t> lsn() const noexcept;
  /// The bare message, without code and location.
  const std::string& message() const noexcept;

  /// One line for a person: code, message, file, offset, LSN and the system's own words.
  std::string to_string() const;

 private:
  struct Detail;
  std::shared_ptr<Detail> detail_;
};

}  // namespace nacre
