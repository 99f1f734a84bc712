#include "tools/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kOutputBufferBytes = std::size_t{256} << 10;
constexpr std::string_view kStandardOutput = "standard output";

}  // namespace

Status OutputBuffer::write(Bytes bytes) {
  if (pending_.size() + bytes.size() > kOutputBufferBytes) NACRE_TRY(flush());
  if (bytes.size() > kOutputBufferBytes) return write_all(descriptor_, bytes);
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  return {};
}

Status OutputBuffer::flush() {
  const Status written = write_all(descriptor_, pending_);
  pending_.clear();
  return written;
}

Status write_all(int descriptor, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int cause = errno;
      return error_from_errno(cause, "write the output",
                              descriptor == STDOUT_FILENO ? kStandardOutput : "");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Status print_out(const std::string& text) {
  Status written = write_all(STDOUT_FILENO, as_bytes(text));
  if (!written && reader_has_gone(written.error())) return {};
  return written;
}

void hold_standard_descriptors() noexcept {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest free number is the one that is missing. Opened the wrong way round, so that a use
    // of it fails with EBADF as one of a closed descriptor does.
    const int held = ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    static_cast<void>(held);
  }
}

bool is_output_failure(const Error& error) noexcept { return error.path() == kStandardOutput; }

bool reader_has_gone(const Error& error) noexcept {
  return is_output_failure(error) && error.sys_errno() == EPIPE;
}

}  // namespace nacre::tools
