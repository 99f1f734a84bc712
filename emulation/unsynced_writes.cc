#include "emulation/unsynced_writes.h"

#include <algorithm>
#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

std::string key_of(const std::filesystem::path& path) { return path.lexically_normal().string(); }

}  // namespace

Status UnsyncedWrites::remember(File& file, std::uint64_t offset, std::size_t bytes) {
  if (bytes == 0) return {};
  // Zeros stand for what lies behind the end of the file.
  Extent extent{.offset = offset,
                .bytes = bytes,
                .before = std::vector<Block>((bytes + kFaultBlock - 1) / kFaultBlock)};
  static_cast<void>(NACRE_TRY(file.read_at(offset, extent.span())));
  MutexLock lock(mutex_);
  Past& past = files_[key_of(file.path())];
  past.extents.push_back(std::move(extent));
  past.bytes += bytes;
  while (past.bytes > kMaxBytesPerFile) {
    past.bytes -= past.extents.front().bytes;
    past.extents.erase(past.extents.begin());
  }
  return {};
}

Status UnsyncedWrites::settle(File& file, std::uint64_t offset, std::size_t bytes) {
  MutexLock lock(mutex_);
  const auto past = files_.find(key_of(file.path()));
  if (past == files_.end()) return {};
  for (Extent& extent : past->second.extents) {
    const std::uint64_t begin = std::max(offset, extent.offset);
    const std::uint64_t end = std::min(offset + bytes, extent.offset + extent.bytes);
    if (begin >= end) continue;
    static_cast<void>(
        NACRE_TRY(file.read_at(begin, extent.span().subspan(begin - extent.offset, end - begin))));
  }
  return {};
}

void UnsyncedWrites::forget(const std::filesystem::path& path) {
  MutexLock lock(mutex_);
  files_.erase(key_of(path));
}

Status UnsyncedWrites::drop(File& file) {
  Past past;
  {
    MutexLock lock(mutex_);
    const auto found = files_.find(key_of(file.path()));
    if (found == files_.end()) return {};
    past = std::move(found->second);
    files_.erase(found);
  }
  const std::uint64_t end = NACRE_TRY(file.size());
  std::ranges::reverse(past.extents);
  for (Extent& extent : past.extents) {
    const std::uint64_t kept = room_for(extent.offset, extent.bytes, end);
    if (kept > 0) NACRE_TRY(file.write_at(extent.offset, extent.span().first(kept)));
  }
  return {};
}

}  // namespace nacre
