#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "lib/io/errno_error.h"
#include "lib/io/nvme_file.h"
#include "lib/io/posix_file.h"
#include "nacre/file_system.h"

namespace nacre {
namespace {

int open_flags(const OpenOptions& options) {
  int flags = O_CLOEXEC | (options.writable ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.direct) flags |= O_DIRECT;
  if (options.data_sync) flags |= O_DSYNC;
  return flags;
}

int open_uninterrupted(const std::filesystem::path& path, int flags) {
  int descriptor = ::open(path.c_str(), flags, 0666);
  while (descriptor < 0 && errno == EINTR) descriptor = ::open(path.c_str(), flags, 0666);
  return descriptor;
}

/// Opens an NVMe namespace, which refuses O_DIRECT as a character device does and has nothing else.
/// Returns -1 with EINVAL for anything but one.
int open_namespace(const std::filesystem::path& path, OpenOptions options) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !NvmeFile::is_one(status)) {
    errno = EINVAL;
    return -1;
  }
  options.direct = false;
  return open_uninterrupted(path, open_flags(options));
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::filesystem::path& path,
                                                    const OpenOptions& options) {
  if ((options.create && !options.writable) || (options.exclusive && !options.create)) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot open the file: `create` needs `writable`, `exclusive` needs `create`")
        .with_path(path.string());
  }
  int descriptor = open_uninterrupted(path, open_flags(options));
  if (descriptor < 0 && errno == EINVAL && options.direct) {
    descriptor = open_namespace(path, options);
  }
  if (descriptor < 0) return open_error_from_errno(errno, path, options);
  struct stat status{};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (known && NvmeFile::is_one(status)) {
    auto space = NvmeFile::make(descriptor, options, path);
    if (!space) return space.error();
    return std::move(*space);
  }
  auto file = std::make_unique<PosixFile>(descriptor, options.direct, path);
  // The kernel lets a directory be opened for reading; its reads would fail later, and worse.
  if (known && S_ISDIR(status.st_mode)) return open_error_from_errno(EISDIR, path, options);
  return file;
}

Status PosixFileSystem::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return error_from_errno(errno, "rename to " + to.string(), from);
  }
  return {};
}

Status PosixFileSystem::link(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return {};
  const int sys_errno = errno;
  // Another file system, one without links (EPERM, by the manual), a file with too many of them.
  for (const int no_link : {EXDEV, EPERM, EOPNOTSUPP, ENOSYS, EMLINK}) {
    if (sys_errno != no_link) continue;
    return Error(ErrorCode::kUnsupported, "the file cannot be linked to there; copy it")
        .with_path(from.string())
        .with_errno(sys_errno);
  }
  return error_from_errno(sys_errno, "link it to " + to.string(), from);
}

Status PosixFileSystem::remove(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0) return {};
  if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return {};
  return error_from_errno(errno, "remove it", path);
}

Status PosixFileSystem::create_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return {};
  const int sys_errno = errno;
  struct stat status{};
  if (sys_errno == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return {};
  }
  return error_from_errno(sys_errno, "create the directory", path);
}

Result<std::vector<std::string>> PosixFileSystem::list_directory(
    const std::filesystem::path& path) {
  std::vector<std::string> names;
  std::error_code failed;
  std::filesystem::directory_iterator entry(path, failed);
  while (!failed && entry != std::filesystem::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(failed);
  }
  if (failed) return error_from_errno(failed.value(), "list the directory", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileStat> PosixFileSystem::stat(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return error_from_errno(errno, "look at it", path);
  }
  return FileStat{.bytes = static_cast<std::uint64_t>(status.st_size),
                  .is_directory = S_ISDIR(status.st_mode)};
}

Status PosixFileSystem::sync_directory(const std::filesystem::path& path) {
  const int descriptor = open_uninterrupted(path, O_CLOEXEC | O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return error_from_errno(errno, "make the directory durable", path);
  const int sys_errno = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (sys_errno == EINVAL) {
    return error_from_errno(EOPNOTSUPP, "make the directory durable", path);
  }
  if (sys_errno != 0) return error_from_errno(sys_errno, "make the directory durable", path);
  return {};
}

}  // namespace nacre
