#include "bench/data_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "bench/transfer.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

Error system_error(const char* what, const std::filesystem::path& path, int error) {
  const ErrorCode code = error == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo;
  return Error(code, what).with_errno(error).with_path(path);
}

/// Past the page cache, so that nothing of it is left to be written while a row is measured.
Status fill(const std::filesystem::path& path, std::size_t bytes) {
  const Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600));
  if (file.get() < 0) return system_error("cannot create with O_DIRECT", path, errno);
  if (const int error = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    return system_error("cannot preallocate", path, error);
  }
  const TransferBuffers content({.bytes = kMiB});
  for (std::size_t at = 0; at < bytes; at += kMiB) {
    // No block is like another.
    std::memcpy(content.all().data(), &at, sizeof(at));
    if (pwrite(file.get(), content.all().data(), kMiB, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kMiB)) {
      return system_error("cannot write", path, errno);
    }
  }
  if (fsync(file.get()) != 0) return system_error("cannot sync", path, errno);
  return {};
}

}  // namespace

Result<DataFile::Place> DataFile::place() {
  if (place_) return *place_;
  if (setting_.disk_directory.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no directory on an ordinary file system; name one by --dir");
  }
  const std::size_t bytes = NACRE_TRY(fitting_bytes());
  if (!directory_) directory_.emplace(NACRE_TRY(ScratchDirectory::create(setting_.disk_directory)));
  Place place{.path = directory_->path() / "data", .bytes = bytes};
  if (Status filled = fill(place.path, bytes); !filled) {
    unlink(place.path.c_str());
    return filled.error();
  }
  place_ = std::move(place);
  return *place_;
}

/// More than devices cache by themselves, but never most of what is free.
Result<std::size_t> DataFile::fitting_bytes() const {
  if (setting_.file_bytes > 0) return setting_.file_bytes;
  std::error_code failed;
  const auto space = std::filesystem::space(setting_.disk_directory, failed);
  if (failed) {
    return system_error("cannot tell the free space", setting_.disk_directory, failed.value());
  }
  const bool ample = space.available > 4096 * kMiB;
  return (ample && !setting_.quick ? 1024 : 512) * kMiB;
}

}  // namespace nacre::bench
