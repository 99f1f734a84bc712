#include "nacre/emulation/fault_file_system.h"

#include "emulation/fault_context.h"
#include "emulation/fault_file.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

/// What goes back to the budget when `path` goes: 0 for what is not a file.
std::uint64_t file_bytes(FileSystem& inner, const std::filesystem::path& path) {
  const Result<FileStat> found = inner.stat(path);
  return found && !found->is_directory ? found->bytes : 0;
}

/// Calls `change`, which makes the file at `path` disappear when it succeeds.
template <class Change>
Status lose_file(FaultContext& context, const std::filesystem::path& path, Change change) {
  if (!context.space.limited()) return change();
  MutexLock lock(context.space.mutex);
  const std::uint64_t bytes = file_bytes(context.inner, path);
  NACRE_TRY(change());
  context.space.give_back(bytes);
  return {};
}

FileEvent event(FileOperation operation, const std::filesystem::path& path) {
  return FileEvent{.operation = operation, .path = path};
}

}  // namespace

FaultFileSystem::FaultFileSystem(FileSystem& inner, const FaultFileSystemOptions& options)
    : context_(std::make_unique<FaultContext>(inner, options)) {}

FaultFileSystem::~FaultFileSystem() = default;

FaultPlan& FaultFileSystem::plan() noexcept { return context_->plan; }

void FaultFileSystem::set_free_bytes(std::optional<std::uint64_t> bytes) {
  context_->space.set_free_bytes(bytes);
}

std::optional<std::uint64_t> FaultFileSystem::free_bytes() const {
  return context_->space.free_bytes();
}

void FaultFileSystem::set_read_only(bool read_only) noexcept {
  context_->read_only.store(read_only, std::memory_order_relaxed);
}

void FaultFileSystem::rot(const std::filesystem::path& path, std::uint64_t offset,
                          std::uint8_t mask) {
  context_->rot.strike(path, offset, mask);
}

Result<std::unique_ptr<File>> FaultFileSystem::open(const std::filesystem::path& path,
                                                    const OpenOptions& options) {
  FileEvent opening = event(options.create ? FileOperation::kCreate : FileOperation::kOpen, path);
  opening.options = options;
  return context_->perform(
      std::move(opening), [&](const std::optional<Fault>&) -> Result<std::unique_ptr<File>> {
        auto inner = NACRE_TRY(context_->inner.open(path, options));
        return std::make_unique<FaultFile>(*context_, std::move(inner), options);
      });
}

Status FaultFileSystem::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  FileEvent renaming = event(FileOperation::kRename, from);
  renaming.target = to;
  return context_->perform(std::move(renaming), [&](const std::optional<Fault>&) {
    return lose_file(*context_, to, [&]() -> Status {
      NACRE_TRY(context_->inner.rename(from, to));
      context_->rot.rename(from, to);
      context_->unsynced.forget(from);
      context_->unsynced.forget(to);
      return {};
    });
  });
}

Status FaultFileSystem::remove(const std::filesystem::path& path) {
  return context_->perform(event(FileOperation::kRemove, path), [&](const std::optional<Fault>&) {
    return lose_file(*context_, path, [&]() -> Status {
      NACRE_TRY(context_->inner.remove(path));
      context_->rot.remove(path);
      context_->unsynced.forget(path);
      return {};
    });
  });
}

Status FaultFileSystem::create_directory(const std::filesystem::path& path) {
  return context_->perform(
      event(FileOperation::kCreateDirectory, path),
      [&](const std::optional<Fault>&) { return context_->inner.create_directory(path); });
}

Result<std::vector<std::string>> FaultFileSystem::list_directory(
    const std::filesystem::path& path) {
  return context_->perform(
      event(FileOperation::kListDirectory, path),
      [&](const std::optional<Fault>&) { return context_->inner.list_directory(path); });
}

Result<FileStat> FaultFileSystem::stat(const std::filesystem::path& path) {
  return context_->perform(event(FileOperation::kStat, path),
                           [&](const std::optional<Fault>&) { return context_->inner.stat(path); });
}

Status FaultFileSystem::sync_directory(const std::filesystem::path& path) {
  return context_->perform(
      event(FileOperation::kSyncDirectory, path),
      [&](const std::optional<Fault>&) { return context_->inner.sync_directory(path); });
}

}  // namespace nacre
