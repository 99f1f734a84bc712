#include "lib/io/errno_error.h"

#include <cerrno>

#include <fmt/format.h>

namespace nacre {
namespace {

struct Meaning {
  ErrorCode code;
  std::string_view advice;
};

Meaning meaning_of(int sys_errno) noexcept {
  switch (sys_errno) {
    case ENOENT:
      return {ErrorCode::kNotFound, "there is nothing of this name; check the path"};
    case ENOTDIR:
      return {ErrorCode::kNotFound, "a part of the path is not a directory; check the path"};
    case ENOSPC:
      return {ErrorCode::kNoSpace, "the file system is full; free some space and try again"};
    case EDQUOT:
      return {ErrorCode::kNoSpace,
              "the disk quota is used up; free some space or raise the quota, and try again"};
    case EFBIG:
      return {ErrorCode::kNoSpace,
              "the file would grow over the largest size allowed here; see `ulimit -f` and the "
              "limits of the file system"};
    case EAGAIN:
      return {ErrorCode::kBusy, "somebody else holds it; try again when they are done"};
    case EBUSY:
    case ETXTBSY:
      return {ErrorCode::kBusy, "it is in use; try again when its user is done"};
    case EEXIST:
      return {ErrorCode::kBusy, "something of this name exists already"};
    case ENOTEMPTY:
      return {ErrorCode::kBusy, "the directory is not empty"};
    case EBADF:
      return {ErrorCode::kInvalidArgument,
              "the file is not open for this: open it with `writable` to write, and keep it open "
              "until its requests have ended"};
    case EFAULT:
      return {ErrorCode::kInvalidArgument,
              "a part of the buffer is not memory of this process; keep it until the request has "
              "ended"};
    case ESPIPE:
      return {ErrorCode::kInvalidArgument,
              "a pipe or a socket has no offsets; use a file or a block device"};
    case EXDEV:
      return {ErrorCode::kInvalidArgument,
              "a rename does not lead from one file system to another; name a target on the same "
              "one, or copy the file and remove it"};
    case EISDIR:
      return {ErrorCode::kInvalidArgument, "this is a directory; name a file"};
    case EINVAL:
    case EOVERFLOW:
      return {ErrorCode::kInvalidArgument, "the system takes the request for a mistake"};
    case ENAMETOOLONG:
      return {ErrorCode::kInvalidArgument,
              "the path, or a name in it, is too long (most file systems take names of 255 bytes "
              "and paths of 4095); use a shorter one"};
    case ELOOP:
      return {ErrorCode::kInvalidArgument,
              "the path leads through too many symbolic links; see whether they go in a circle"};
    case EOPNOTSUPP:
    case ENOSYS:
      return {ErrorCode::kUnsupported, "this file system cannot do it; use another one"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kIo,
              "permission denied; check owner and mode of the file and of its directories, or run "
              "as their owner"};
    case EROFS:
      return {ErrorCode::kIo,
              "the file system is mounted read-only; remount it writable, and look into the "
              "kernel's log for why it is not"};
    case EMFILE:
      return {ErrorCode::kIo, "too many files are open in this process; raise `ulimit -n`"};
    case ENFILE:
      return {ErrorCode::kIo, "too many files are open on this machine; raise fs.file-max"};
    case ENOMEM:
      return {ErrorCode::kIo, "the machine is out of memory"};
    case EIO:
      return {ErrorCode::kIo, "the device failed; look into the kernel's log, and reopen"};
    default:
      return {ErrorCode::kIo, "the system refused"};
  }
}

}  // namespace

Error error_from_errno(int sys_errno, std::string_view action, const std::filesystem::path& path) {
  const Meaning meaning = meaning_of(sys_errno);
  return Error(meaning.code, fmt::format("cannot {}: {}", action, meaning.advice))
      .with_errno(sys_errno)
      .with_path(path.string());
}

Error open_error_from_errno(int sys_errno, const std::filesystem::path& path,
                            const OpenOptions& options) {
  if (options.direct && (sys_errno == EINVAL || sys_errno == EOPNOTSUPP)) {
    return Error(ErrorCode::kUnsupported,
                 "cannot open the file: this file system refuses O_DIRECT; use another file "
                 "system, or ask for the emulated domain by name if losing data at a power cut is "
                 "acceptable")
        .with_errno(sys_errno)
        .with_path(path.string());
  }
  return error_from_errno(sys_errno, "open the file", path);
}

}  // namespace nacre
