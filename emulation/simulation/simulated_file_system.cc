#include "emulation/simulation/simulated_file_system.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "emulation/simulation/simulated_file.h"
#include "emulation/simulation/turn_scheduler.h"
#include "lib/io/errno_error.h"

namespace nacre {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr NameEntry kRoot{.is_directory = true, .inode = 0};

/// As the table of names has it.
std::string whole_path(const std::filesystem::path& path) {
  std::string whole = ("/" / path.relative_path()).lexically_normal().string();
  if (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  return whole;
}

const NameEntry* find(const Names& names, std::string_view path) {
  if (path == "/") return &kRoot;
  const auto entry = names.find(path);
  return entry == names.end() ? nullptr : &entry->second;
}

/// The errno of a walk to what `path` is in, or 0.
int walk_to(const Names& names, std::string_view path) {
  if (path == "/") return 0;
  if (path.size() - path.rfind('/') - 1 > kMaxNameBytes) return ENAMETOOLONG;
  const std::string_view parent = parent_of(path);
  if (const int failed = walk_to(names, parent); failed != 0) return failed;
  const NameEntry* const entry = find(names, parent);
  if (entry == nullptr) return ENOENT;
  return entry->is_directory ? 0 : ENOTDIR;
}

bool is_empty(const Names& names, std::string_view directory) {
  return std::ranges::none_of(names,
                              [&](const auto& entry) { return is_below(entry.first, directory); });
}

/// What keeps `from` from becoming `to`, as an errno, or 0.
int rename_problem(const Names& names, const std::string& from, const std::string& to) {
  if (const int failed = walk_to(names, from); failed != 0) return failed;
  const NameEntry* const moved = find(names, from);
  if (moved == nullptr) return ENOENT;
  if (const int failed = walk_to(names, to); failed != 0) return failed;
  if (from == "/" || to == "/") return EBUSY;
  if (is_below(to, from)) return EINVAL;
  const NameEntry* const replaced = find(names, to);
  if (replaced == nullptr || from == to) return 0;
  if (replaced->is_directory && !moved->is_directory) return EISDIR;
  if (!replaced->is_directory && moved->is_directory) return ENOTDIR;
  return replaced->is_directory && !is_empty(names, to) ? ENOTEMPTY : 0;
}

}  // namespace

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::filesystem::path& path,
                                                        const OpenOptions& options) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  if ((options.create && !options.writable) || (options.exclusive && !options.create)) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot open the file: `create` needs `writable`, `exclusive` needs `create`")
        .with_path(path.string());
  }
  const MutexLock lock(mutex_);
  const std::string whole = whole_path(path);
  const Names& names = files_.names();
  const auto failure = [&](int sys_errno) {
    return open_error_from_errno(sys_errno, path, options);
  };
  if (const int failed = walk_to(names, whole); failed != 0) return failure(failed);
  const NameEntry* const entry = find(names, whole);
  if (entry != nullptr && options.exclusive) return failure(EEXIST);
  if (entry != nullptr && entry->is_directory) return failure(EISDIR);
  if (entry == nullptr && !options.create) return failure(ENOENT);
  if (entry != nullptr) {
    return std::make_unique<SimulatedFile>(files_, entry->inode, options, path);
  }
  const auto inode = files_.make_inode();
  if (!inode) return failure(ENOSPC);
  files_.change_names({.change = NameChange::kCreate, .path = whole, .target = {}, .inode = *inode},
                      site);
  return std::make_unique<SimulatedFile>(files_, *inode, options, path);
}

Status SimulatedFileSystem::rename(const std::filesystem::path& from,
                                   const std::filesystem::path& to) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  const std::string whole_from = whole_path(from);
  const std::string whole_to = whole_path(to);
  const MutexLock lock(mutex_);
  if (const int failed = rename_problem(files_.names(), whole_from, whole_to); failed != 0) {
    return error_from_errno(failed, "rename to " + to.string(), from);
  }
  if (whole_from == whole_to) return {};
  files_.change_names({.change = NameChange::kRename, .path = whole_from, .target = whole_to},
                      site);
  return {};
}

Status SimulatedFileSystem::remove(const std::filesystem::path& path) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  const std::string whole = whole_path(path);
  const MutexLock lock(mutex_);
  const Names& names = files_.names();
  const auto failure = [&](int sys_errno) {
    return error_from_errno(sys_errno, "remove it", path);
  };
  if (const int failed = walk_to(names, whole); failed != 0) return failure(failed);
  const NameEntry* const entry = find(names, whole);
  if (entry == nullptr) return failure(ENOENT);
  if (entry->is_directory && !is_empty(names, whole)) return failure(ENOTEMPTY);
  if (whole == "/") return failure(EBUSY);
  files_.change_names({.change = NameChange::kRemove, .path = whole, .target = {}}, site);
  return {};
}

Status SimulatedFileSystem::create_directory(const std::filesystem::path& path) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  const std::string whole = whole_path(path);
  const MutexLock lock(mutex_);
  const Names& names = files_.names();
  const auto failure = [&](int sys_errno) {
    return error_from_errno(sys_errno, "create the directory", path);
  };
  if (const int failed = walk_to(names, whole); failed != 0) return failure(failed);
  if (const NameEntry* const entry = find(names, whole); entry != nullptr) {
    return entry->is_directory ? Status() : failure(EEXIST);
  }
  files_.change_names({.change = NameChange::kMakeDirectory, .path = whole, .target = {}}, site);
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::list_directory(
    const std::filesystem::path& path) {
  const std::string whole = whole_path(path);
  const Names& names = files_.names();
  int failed = walk_to(names, whole);
  const NameEntry* const entry = find(names, whole);
  if (failed == 0 && entry == nullptr) failed = ENOENT;
  if (failed == 0 && !entry->is_directory) failed = ENOTDIR;
  if (failed != 0) return error_from_errno(failed, "list the directory", path);
  std::vector<std::string> listed;
  for (const auto& [name, there] : names) {
    if (parent_of(name) == whole) listed.push_back(name.substr(name.rfind('/') + 1));
  }
  return listed;
}

Result<FileStat> SimulatedFileSystem::stat(const std::filesystem::path& path) {
  const std::string whole = whole_path(path);
  const Names& names = files_.names();
  int failed = walk_to(names, whole);
  const NameEntry* const entry = find(names, whole);
  if (failed == 0 && entry == nullptr) failed = ENOENT;
  if (failed != 0) return error_from_errno(failed, "look at it", path);
  if (entry->is_directory) return FileStat{.bytes = 0, .is_directory = true};
  return FileStat{.bytes = files_.size(entry->inode), .is_directory = false};
}

Status SimulatedFileSystem::sync_directory(const std::filesystem::path& path) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  const std::string whole = whole_path(path);
  const Names& names = files_.names();
  int failed = walk_to(names, whole);
  const NameEntry* const entry = find(names, whole);
  if (failed == 0 && entry == nullptr) failed = ENOENT;
  if (failed == 0 && !entry->is_directory) failed = ENOTDIR;
  if (failed != 0) return error_from_errno(failed, "make the directory durable", path);
  files_.sync_names(whole, site);
  return {};
}

}  // namespace nacre
