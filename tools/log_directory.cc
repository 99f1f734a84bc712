#include "tools/log_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"
#include "lib/log/catalog.h"
#include "lib/store/table_format.h"
#include "mmap/superblock.h"
#include "nacre/file_system.h"
#include "wal/lane_registry.h"

namespace nacre::tools {
namespace {

// A log that was being created when its writer died has no superblock yet, only some of these.
bool is_of_a_log(std::string_view name) {
  constexpr std::array kOwn = {kSuperblockName,
                               kCatalogName,
                               wal::kLanesName,
                               kSegmentDirectoryName,
                               store::kTableDirectoryName,
                               std::string_view("LOCK")};
  // Of the file system, in the root directory of a fresh one.
  if (name == "lost+found") return true;
  if (name.starts_with(".nacre-probe-")) return true;
  if (name.ends_with(".tmp")) name.remove_suffix(4);
  return std::ranges::find(kOwn, name) != kOwn.end();
}

Error leads_nowhere(const std::filesystem::path& path) {
  std::error_code unreadable;
  const std::filesystem::path target = std::filesystem::read_symlink(path, unreadable);
  return Error(ErrorCode::kNotFound,
               fmt::format("this is a symbolic link to {}, which is not there; make that directory "
                           "or mend the link",
                           target.string()))
      .with_path(path.string());
}

}  // namespace

Result<bool> names_directory(const std::filesystem::path& path) {
  std::error_code failed;
  const std::filesystem::file_status status = std::filesystem::status(path, failed);
  if (std::filesystem::is_directory(status)) return true;
  if (std::filesystem::exists(status)) {
    return Error(ErrorCode::kInvalidArgument, "this is a file; give the directory of a log")
        .with_path(path.string());
  }
  if (status.type() != std::filesystem::file_type::not_found) {
    return error_from_errno(failed.value(), "look at the directory", path);
  }
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) return leads_nowhere(path);
  return false;
}

Status check_is_directory(const std::filesystem::path& path) {
  if (NACRE_TRY(names_directory(path))) return {};
  return Error(ErrorCode::kNotFound, "there is no such directory; check the path")
      .with_path(path.string());
}

Status check_may_hold_log(const std::filesystem::path& path) {
  if (!NACRE_TRY(names_directory(path))) return {};
  PosixFileSystem file_system;
  const auto names = NACRE_TRY(file_system.list_directory(path));
  if (std::ranges::find(names, kSuperblockName) != names.end()) return {};
  const auto other = std::ranges::find_if_not(names, is_of_a_log);
  if (other == names.end()) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("this directory holds no log, and is not empty: there is {}; name a "
                           "directory that is new, empty or a log",
                           *other))
      .with_path(path.string());
}

}  // namespace nacre::tools
