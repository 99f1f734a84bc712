#include "emulation/fault_context.h"

#include <cerrno>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"

namespace nacre {
namespace {

bool changes_something(const FileEvent& event) noexcept {
  switch (event.operation) {
    case FileOperation::kOpen:
      return event.options.writable;
    case FileOperation::kCreate:
    case FileOperation::kWrite:
    case FileOperation::kPreallocate:
    case FileOperation::kResize:
    case FileOperation::kRename:
    case FileOperation::kRemove:
    case FileOperation::kCreateDirectory:
      return true;
    default:
      return false;
  }
}

bool has_offset(FileOperation operation) noexcept {
  return operation == FileOperation::kRead || operation == FileOperation::kWrite ||
         operation == FileOperation::kPreallocate || operation == FileOperation::kResize;
}

std::string_view action_of(FileOperation operation) noexcept {
  switch (operation) {
    case FileOperation::kOpen:
    case FileOperation::kCreate:
      return "open the file";
    case FileOperation::kRead:
      return "read the file";
    case FileOperation::kWrite:
      return "write to the file";
    case FileOperation::kPreallocate:
      return "reserve space";
    case FileOperation::kResize:
      return "resize the file";
    case FileOperation::kSyncData:
      return "make written data durable";
    case FileOperation::kSync:
      return "make the file durable";
    case FileOperation::kSize:
      return "read the size of the file";
    case FileOperation::kLock:
      return "lock the file";
    case FileOperation::kRename:
      return "rename it";
    case FileOperation::kRemove:
      return "remove it";
    case FileOperation::kCreateDirectory:
      return "create the directory";
    case FileOperation::kListDirectory:
      return "list the directory";
    case FileOperation::kStat:
      return "look at it";
    case FileOperation::kSyncDirectory:
      return "make the directory durable";
  }
  return "do it";
}

}  // namespace

Error FaultContext::error_of(const FileEvent& event, int sys_errno) {
  if (event.operation == FileOperation::kOpen || event.operation == FileOperation::kCreate) {
    return open_error_from_errno(sys_errno, event.path, event.options);
  }
  Error error = error_from_errno(sys_errno, action_of(event.operation), event.path);
  if (!has_offset(event.operation)) return error;
  return std::move(error).with_offset(event.offset);
}

int FaultContext::errno_instead(const FileEvent& event,
                                const std::optional<Fault>& fault) const noexcept {
  if (read_only.load(std::memory_order_relaxed) && changes_something(event)) return EROFS;
  if (fault && fault->effect == FaultEffect::kError) return fault->sys_errno;
  return 0;
}

Status FaultContext::lose_unsynced(File& file, const FileEvent& sync, const Fault& fault) {
  NACRE_TRY(unsynced.drop(file));
  if (fault.sys_errno == 0) return {};
  return error_of(sync, fault.sys_errno);
}

}  // namespace nacre
