#include "tools/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/base/try.h"
#include "tools/interrupt.h"

namespace nacre::tools {

Result<InputFile> InputFile::open(const std::string& path) {
  if (path == "-") return InputFile(STDIN_FILENO, "standard input", 0, true);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int cause = errno;
    const ErrorCode code = cause == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error(code, "cannot open the input file").with_errno(cause).with_path(path);
  }
  struct stat status{};
  if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    return Error(ErrorCode::kInvalidArgument, "the input is a directory; name a file")
        .with_path(path);
  }
  const bool regular = S_ISREG(status.st_mode);
  const auto size_bytes = regular ? static_cast<std::uint64_t>(status.st_size) : 0;
  return InputFile(descriptor, path, size_bytes, !regular);
}

InputFile::InputFile(int descriptor, std::string name, std::uint64_t size_bytes, bool may_wait)
    : descriptor_(descriptor),
      name_(std::move(name)),
      size_bytes_(size_bytes),
      may_wait_(may_wait) {}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      size_bytes_(other.size_bytes_),
      may_wait_(other.may_wait_),
      before_waiting_(std::move(other.before_waiting_)) {}

InputFile::~InputFile() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

void InputFile::set_before_waiting(std::function<Status()> callback) {
  before_waiting_ = std::move(callback);
}

Result<std::size_t> InputFile::read(std::span<std::byte> buffer) {
  if (may_wait_) NACRE_TRY(announce_wait());
  while (!stop_requested()) {
    const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    const int cause = errno;
    return Error(ErrorCode::kIo, "cannot read the input").with_errno(cause).with_path(name_);
  }
  return std::size_t{0};
}

ByteSource InputFile::source() {
  return [this](std::span<std::byte> buffer) { return read(buffer); };
}

Status InputFile::announce_wait() {
  if (!before_waiting_) return {};
  pollfd input{.fd = descriptor_, .events = POLLIN, .revents = 0};
  if (::poll(&input, 1, 0) != 0) return {};
  return before_waiting_();
}

}  // namespace nacre::tools
