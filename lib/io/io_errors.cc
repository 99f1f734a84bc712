#include "lib/io/io_errors.h"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "nacre/io_buffer_group.h"

namespace nacre {
namespace {

constexpr auto kMaxFileBytes = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

bool takes_path(IoKind kind) noexcept {
  return kind == IoKind::kRename || kind == IoKind::kRemove || kind == IoKind::kSyncDirectory;
}

bool takes_buffers(IoKind kind) noexcept { return kind == IoKind::kRead || kind == IoKind::kWrite; }

bool has_zero(const std::filesystem::path& path) {
  return path.native().find('\0') != std::string::npos;
}

Error mistake(const IoRequest& request, std::string_view what) {
  return with_place(Error(ErrorCode::kInvalidArgument,
                          fmt::format("a request to {} {}", io_kind_name(request.kind), what)),
                    request);
}

Status check_size_in_group(const IoRequest& request) {
  const std::size_t most = request.group->buffer_bytes();
  if (request.bytes > 0 && request.bytes <= most) return {};
  return mistake(request, fmt::format("asks for {} bytes of a group whose buffers take 1 to {}",
                                      request.bytes, most));
}

}  // namespace

std::string_view io_kind_name(IoKind kind) noexcept {
  switch (kind) {
    case IoKind::kRead:
      return "read";
    case IoKind::kWrite:
      return "write";
    case IoKind::kSync:
      return "sync";
    case IoKind::kSyncData:
      return "sync_data";
    case IoKind::kAllocate:
      return "allocate";
    case IoKind::kTruncate:
      return "truncate";
    case IoKind::kAdvise:
      return "advise";
    case IoKind::kRename:
      return "rename";
    case IoKind::kRemove:
      return "remove";
    case IoKind::kSyncDirectory:
      return "sync_directory";
  }
  return "unknown";
}

std::string_view io_class_name(IoClass io_class) noexcept {
  switch (io_class) {
    case IoClass::kForegroundRead:
      return "foreground_read";
    case IoClass::kLog:
      return "log";
    case IoClass::kFlush:
      return "flush";
    case IoClass::kCompaction:
      return "compaction";
  }
  return "unknown";
}

Status check_request(const IoRequest& request) {
  if (static_cast<std::size_t>(request.kind) >= kIoKinds) {
    return Error(ErrorCode::kInvalidArgument, "a request of no known kind");
  }
  if (takes_path(request.kind)) {
    if (request.path.empty()) return mistake(request, "names no path");
    if (request.kind == IoKind::kRename && request.target.empty()) {
      return mistake(request, "names no target");
    }
    if (has_zero(request.path) || has_zero(request.target)) {
      return mistake(request, "names a path with a zero byte in it, where the kernel would end it");
    }
    return {};
  }
  if (request.file == nullptr) return mistake(request, "names no file");
  if (!takes_buffers(request.kind) && !request.buffers.empty()) {
    return mistake(request, "takes no buffers");
  }
  if (request.group != nullptr && request.kind != IoKind::kRead) {
    return mistake(request, "names a group of buffers, which only a read gets one from");
  }
  if (request.wants_buffer()) NACRE_TRY(check_size_in_group(request));
  const std::uint64_t bytes =
      takes_buffers(request.kind) ? request.transfer_bytes() : request.bytes;
  if (bytes > kMaxFileBytes || request.offset > kMaxFileBytes - bytes) {
    return mistake(request, "reaches beyond the largest possible file");
  }
  return {};
}

Error foreign_file(const IoRequest& request) {
  return mistake(request,
                 "names a file that was made known to another backend; make an IoFile for each "
                 "backend that is to use it");
}

Error foreign_group(const IoRequest& request) {
  return mistake(request,
                 "names a group of buffers that another backend lends; make an IoBufferGroup for "
                 "each backend that is to use one");
}

Error cancelled_by_caller(const IoRequest& request) {
  return with_place(Error(ErrorCode::kCancelled, fmt::format("the request to {} was cancelled",
                                                             io_kind_name(request.kind))),
                    request);
}

Error cancelled_by_chain(const IoRequest& request) {
  return with_place(
      Error(ErrorCode::kCancelled, fmt::format("the step to {} was not begun: one before it failed",
                                               io_kind_name(request.kind))),
      request);
}

Error timed_out(const IoRequest& request) {
  return with_place(Error(ErrorCode::kTimedOut,
                          fmt::format("the request to {} did not end within its {} ms",
                                      io_kind_name(request.kind), request.timeout_ns / 1'000'000)),
                    request);
}

Error with_place(Error error, const IoRequest& request) {
  if (request.file == nullptr) return std::move(error).with_path(request.path.string());
  return std::move(error)
      .with_path(request.file->file().path().string())
      .with_offset(request.offset);
}

}  // namespace nacre
