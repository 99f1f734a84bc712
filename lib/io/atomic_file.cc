#include "lib/io/atomic_file.h"

#include <fmt/format.h>

#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

Status write_and_sync(FileSystem& file_system, const std::filesystem::path& path, Bytes bytes) {
  auto file = NACRE_TRY(file_system.open(path, {.writable = true, .create = true}));
  NACRE_TRY(file->resize(0));
  NACRE_TRY(file->write_at(0, bytes));
  // The content must be durable before the name points to it: a rename may reach the journal
  // before the data it names.
  return file->sync();
}

}  // namespace

Status write_file_atomically(FileSystem& file_system, const std::filesystem::path& path,
                             Bytes bytes) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  if (Status written = write_and_sync(file_system, temporary, bytes); !written) {
    // What is left of the temporary is overwritten by the next attempt; the first error counts.
    static_cast<void>(file_system.remove(temporary));
    return written;
  }
  NACRE_TRY(file_system.rename(temporary, path));
  // The new name must be durable before anybody acts on the new content.
  return file_system.sync_directory(path.parent_path());
}

Result<std::vector<std::byte>> read_whole_file(FileSystem& file_system,
                                               const std::filesystem::path& path,
                                               std::size_t limit_bytes) {
  auto file = NACRE_TRY(file_system.open(path, {}));
  const std::uint64_t bytes = NACRE_TRY(file->size());
  if (bytes > limit_bytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the file has {} bytes, and at most {} are possible; it is not what "
                             "its name says",
                             bytes, limit_bytes))
        .with_path(path.string());
  }
  std::vector<std::byte> content(bytes);
  content.resize(NACRE_TRY(file->read_at(0, content)));
  return content;
}

}  // namespace nacre
