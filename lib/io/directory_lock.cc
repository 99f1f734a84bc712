#include "lib/io/directory_lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

std::string holder_of(File& file) {
  std::array<std::byte, 32> buffer{};
  const auto got = file.read_at(0, buffer);
  std::string digits;
  if (!got) return "unknown";
  for (const char c : as_text(Bytes(buffer).first(*got))) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) break;
    digits.push_back(c);
  }
  return digits.empty() ? "unknown" : digits;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::acquire(FileSystem& file_system,
                                             const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "LOCK";
  auto file = NACRE_TRY(file_system.open(path, {.writable = true, .create = true}));
  if (Status locked = file->lock_exclusive(); !locked) {
    if (locked.error().code() != ErrorCode::kBusy) return locked.error();
    return Error(ErrorCode::kBusy,
                 fmt::format(
                     "another writer has this directory open (pid {}, or a child that it forked); "
                     "close it first; a message log can be read beside it with a LogView",
                     holder_of(*file)))
        .with_path(path.string());
  }
  // Always of one length, so that it goes over the last holder's in place.
  const std::string pid = fmt::format("{:<15}\n", ::getpid());
  const Status noted = file->write_at(0, as_bytes(pid));
  // The lock is held either way; on a full disk whoever is refused just does not learn by whom.
  if (!noted && noted.error().code() != ErrorCode::kNoSpace) return noted.error();
  return DirectoryLock(std::move(file));
}

}  // namespace nacre
