#include "lib/io/io_calls.h"

#include <fcntl.h>

#include <exception>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"
#include "lib/io/io_errors.h"
#include "lib/io/lent_buffer.h"

namespace nacre {
namespace {

Result<std::size_t> read_file(const IoRequest& request) {
  File& file = request.file->file();
  if (request.buffers.size() == 1) {
    return file.read_at(request.offset, request.buffers.front().bytes());
  }
  std::vector<std::span<std::byte>> parts;
  parts.reserve(request.buffers.size());
  for (const IoBuffer& buffer : request.buffers) parts.push_back(buffer.bytes());
  return file.read_vectored_at(request.offset, parts);
}

Status write_file(const IoRequest& request) {
  File& file = request.file->file();
  if (request.buffers.size() == 1) {
    NACRE_TRY(file.write_at(request.offset, request.buffers.front().bytes()));
  } else {
    std::vector<Bytes> parts;
    parts.reserve(request.buffers.size());
    for (const IoBuffer& buffer : request.buffers) parts.push_back(buffer.bytes());
    NACRE_TRY(file.write_vectored_at(request.offset, parts));
  }
  if (request.durable) NACRE_TRY(file.sync_data());
  return {};
}

Status advise(const IoRequest& request) {
  File& file = request.file->file();
  // A hint, so a file that no kernel knows has taken it by not failing.
  if (file.native_handle() < 0) return {};
  const int failed = ::posix_fadvise(file.native_handle(), static_cast<off_t>(request.offset),
                                     static_cast<off_t>(request.bytes), request.advice);
  if (failed == 0) return {};
  return error_from_errno(failed, "advise on the file", file.path()).with_offset(request.offset);
}

Status call(FileSystem& file_system, const IoRequest& request, std::size_t& transferred) {
  switch (request.kind) {
    case IoKind::kRead:
      transferred = NACRE_TRY(read_file(request));
      return {};
    case IoKind::kWrite:
      NACRE_TRY(write_file(request));
      transferred = request.buffer_bytes();
      return {};
    case IoKind::kSync:
      return request.file->file().sync();
    case IoKind::kSyncData:
      return request.file->file().sync_data();
    case IoKind::kAllocate:
      return request.file->file().preallocate(request.offset, request.bytes);
    case IoKind::kTruncate:
      return request.file->file().resize(request.offset);
    case IoKind::kAdvise:
      return advise(request);
    case IoKind::kRename:
      return file_system.rename(request.path, request.target);
    case IoKind::kRemove:
      return file_system.remove(request.path);
    case IoKind::kSyncDirectory:
      return file_system.sync_directory(request.path);
  }
  return Error(ErrorCode::kInvalidArgument, "a request of no known kind");
}

}  // namespace

void carry_out(FileSystem& file_system, IoOperation& operation) noexcept {
  operation.outcome = check_request(operation.request);
  operation.transferred = 0;
  const bool lent = operation.outcome && operation.request.wants_buffer();
  if (lent) operation.outcome = lend_buffer(operation.request);
  if (!operation.outcome) return;
  // A File of the caller's own may throw. The thread goes on; the operation has failed.
  try {
    operation.outcome = call(file_system, operation.request, operation.transferred);
  } catch (const std::exception& thrown) {
    operation.outcome = with_place(
        Error(ErrorCode::kIo,
              fmt::format("the implementation of the file threw an exception: {}", thrown.what())),
        operation.request);
  } catch (...) {
    operation.outcome =
        with_place(Error(ErrorCode::kIo, "the implementation of the file threw an exception"),
                   operation.request);
  }
  if (lent) settle_lent_buffer(operation);
}

}  // namespace nacre
