#include "tools/output.h"

#include <unistd.h>

#include <cerrno>

#include "lib/base/try.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kOutputBufferBytes = std::size_t{256} << 10;

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
      return Error(ErrorCode::kIo, "cannot write the output").with_errno(cause);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

bool reader_has_gone(const Error& error) noexcept { return error.sys_errno() == EPIPE; }

}  // namespace nacre::tools
