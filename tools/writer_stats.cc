#include "tools/writer_stats.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace nacre::tools {

Result<MappedWriterStats> MappedWriterStats::in_memory() { return map(-1); }

Result<MappedWriterStats> MappedWriterStats::in_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0 || ::ftruncate(descriptor, sizeof(WriterStats)) != 0) {
    const int cause = errno;
    if (descriptor >= 0) ::close(descriptor);
    return Error(ErrorCode::kIo, "cannot create the file for figures")
        .with_errno(cause)
        .with_path(path.string());
  }
  auto mapped = map(descriptor);
  ::close(descriptor);
  return mapped;
}

Result<MappedWriterStats> MappedWriterStats::map(int descriptor) {
  const int flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* address =
      ::mmap(nullptr, sizeof(WriterStats), PROT_READ | PROT_WRITE, flags, descriptor, 0);
  if (address == MAP_FAILED) {
    const int cause = errno;
    return Error(ErrorCode::kNoSpace, "cannot map memory for figures").with_errno(cause);
  }
  return MappedWriterStats(static_cast<WriterStats*>(address));
}

MappedWriterStats::MappedWriterStats(MappedWriterStats&& other) noexcept
    : stats_(std::exchange(other.stats_, nullptr)) {}

MappedWriterStats::~MappedWriterStats() {
  if (stats_ != nullptr) ::munmap(stats_, sizeof(WriterStats));
}

}  // namespace nacre::tools
