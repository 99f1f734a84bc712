#include "nacre/error.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace nacre {

struct Error::Detail {
  ErrorCode code;
  int sys_errno = 0;
  std::string message;
  std::string path;
  std::optional<std::uint64_t> offset;
  std::optional<std::uint64_t> lsn;
};

namespace {

// strerror_r comes in two shapes: the GNU one returns the text, the POSIX one fills the buffer.
[[maybe_unused]] const char* chosen_text(const char* returned, const char*) { return returned; }
[[maybe_unused]] const char* chosen_text(int, const char* filled) { return filled; }

std::string errno_words(int sys_errno) {
  char buffer[256] = "unknown error";
  return chosen_text(strerror_r(sys_errno, buffer, sizeof(buffer)), buffer);
}

}  // namespace

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kTimedOut:
      return "timed_out";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message)
    : detail_(std::make_shared<Detail>(Detail{.code = code,
                                              .sys_errno = 0,
                                              .message = std::move(message),
                                              .path = {},
                                              .offset = std::nullopt,
                                              .lsn = std::nullopt})) {}

// Each builder copies the detail before it changes it: a copy of this error may be in the hands of
// another thread, and a use_count() of one read here would not be ordered after that thread's last
// read. Errors are rare, so the copy costs nothing that matters.

Error&& Error::with_errno(int sys_errno) && {
  detail_ = std::make_shared<Detail>(*detail_);
  detail_->sys_errno = sys_errno;
  return std::move(*this);
}

Error&& Error::with_path(std::string path) && {
  detail_ = std::make_shared<Detail>(*detail_);
  detail_->path = std::move(path);
  return std::move(*this);
}

Error&& Error::with_offset(std::uint64_t offset) && {
  detail_ = std::make_shared<Detail>(*detail_);
  detail_->offset = offset;
  return std::move(*this);
}

Error&& Error::with_lsn(std::uint64_t lsn) && {
  detail_ = std::make_shared<Detail>(*detail_);
  detail_->lsn = lsn;
  return std::move(*this);
}

ErrorCode Error::code() const noexcept { return detail_->code; }
int Error::sys_errno() const noexcept { return detail_->sys_errno; }
const std::string& Error::path() const noexcept { return detail_->path; }
std::optional<std::uint64_t> Error::offset() const noexcept { return detail_->offset; }
std::optional<std::uint64_t> Error::lsn() const noexcept { return detail_->lsn; }
const std::string& Error::message() const noexcept { return detail_->message; }

std::string Error::to_string() const {
  std::string where = detail_->path;
  if (detail_->offset) {
    where += fmt::format("{}at offset {}", where.empty() ? "" : " ", *detail_->offset);
  }
  if (detail_->lsn) where += fmt::format("{}LSN {}", where.empty() ? "" : ", ", *detail_->lsn);

  std::string line = fmt::format("{}: {}", error_code_name(detail_->code), detail_->message);
  if (!where.empty()) line += fmt::format(" [{}]", where);
  if (detail_->sys_errno != 0) {
    line += fmt::format(": {} (errno {})", errno_words(detail_->sys_errno), detail_->sys_errno);
  }
  return line;
}

}  // namespace nacre
