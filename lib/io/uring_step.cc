#include "lib/io/uring_step.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "lib/io/errno_error.h"
#include "lib/io/io_errors.h"
#include "lib/io/lent_buffer.h"
#include "lib/io/transfer_parts.h"
#include "lib/io/uring_command.h"
#include "nacre/io_buffer_group.h"

namespace nacre {
namespace {

constexpr std::size_t kDirectAlignment = 4096;
/// A longer read that nobody waits for is left to a worker of the kernel's at once.
constexpr std::size_t kAsyncReadBytes = std::size_t{256} << 10;
constexpr unsigned kMaxTries = 64;

static_assert(IoBufferGroup::kMaxBufferBytes <= kMaxTransferBytes,
              "a read into a buffer of a group is one transfer");

bool transfers(const IoRequest& request) {
  return request.kind == IoKind::kRead || request.kind == IoKind::kWrite;
}

bool names_path(const IoRequest& request) {
  return request.kind == IoKind::kRename || request.kind == IoKind::kRemove ||
         request.kind == IoKind::kSyncDirectory;
}

bool aligned_for_direct(const IoRequest& request) {
  // The buffers of a group are aligned.
  std::uint64_t all = request.offset;
  if (request.wants_buffer()) all |= request.bytes;
  for (const IoBuffer& buffer : request.buffers) {
    all |= reinterpret_cast<std::uintptr_t>(buffer.data()) | buffer.size();
  }
  return all % kDirectAlignment == 0;
}

bool open_directory(UringStep& step) {
  const char* const path = step.operation.request.path.c_str();
  if (step.directory < 0) step.directory = ::open(path, O_CLOEXEC | O_RDONLY | O_DIRECTORY);
  return step.directory >= 0;
}

bool fits_table(UringStep& step, const UringAbilities& can, const UringTables& tables) {
  const IoRequest& request = step.operation.request;
  if (const NvmeFile* const nvme = tables.place_of(*request.file).nvme; nvme != nullptr) {
    return can.passes_commands && fits_command(step, *nvme, can);
  }
  if (request.file->file().native_handle() < 0) return false;
  switch (request.kind) {
    case IoKind::kRead:
    case IoKind::kWrite:
      step.direct = tables.place_of(*request.file).direct;
      return request.transfer_bytes() > 0 && (!step.direct || aligned_for_direct(request));
    case IoKind::kAllocate:
      return can.allocates && request.bytes > 0;
    case IoKind::kTruncate:
      return can.truncates;
    case IoKind::kAdvise:
      return can.advises && request.bytes <= std::numeric_limits<std::uint32_t>::max();
    default:
      return !can.polls_device;
  }
}

void select_buffer(const IoRequest& request, io_uring_sqe& sqe) {
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = static_cast<std::uint16_t>(uring_group_number(request.group->slot()));
}

bool prepare_transfer(UringStep& step, const UringAbilities& can, const UringTables& tables,
                      io_uring_sqe& sqe) {
  const IoRequest& request = step.operation.request;
  const bool reads = request.kind == IoKind::kRead;
  sqe.off = request.offset + step.done;
  const bool wants_buffer = request.wants_buffer();
  if (wants_buffer) {
    step.asked = request.bytes;
    sqe.opcode = IORING_OP_READ;
    sqe.len = static_cast<std::uint32_t>(step.asked);
    select_buffer(request, sqe);
  } else if (request.buffers.size() == 1) {
    const IoBuffer& buffer = request.buffers.front();
    std::byte* const data = buffer.data() + step.done;
    step.asked = std::min(buffer.size() - step.done, kMaxTransferBytes);
    const bool fixed = tables.covers(buffer.slot(), data, step.asked);
    const auto fixed_code = reads ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
    const auto plain_code = reads ? IORING_OP_READ : IORING_OP_WRITE;
    sqe.opcode = static_cast<std::uint8_t>(fixed ? fixed_code : plain_code);
    if (fixed) sqe.buf_index = static_cast<std::uint16_t>(buffer.slot());
    sqe.addr = reinterpret_cast<std::uint64_t>(data);
    sqe.len = static_cast<std::uint32_t>(step.asked);
  } else {
    step.asked = gather_parts(request.buffers, step.done, step.parts);
    sqe.opcode = reads ? IORING_OP_READV : IORING_OP_WRITEV;
    sqe.addr = reinterpret_cast<std::uint64_t>(step.parts.data());
    sqe.len = static_cast<std::uint32_t>(step.parts.size());
  }
  if (request.durable && !reads && can.durable_flag) sqe.rw_flags = RWF_DSYNC;
  const bool in_background = reads && request.io_class == IoClass::kCompaction;
  if (in_background && can.async_flag && step.asked >= kAsyncReadBytes) sqe.flags |= IOSQE_ASYNC;
  step.sync_follows = request.durable && !reads && !can.durable_flag;
  // Which buffer it was given is told by its completion alone, so that may not be left out.
  if (wants_buffer) return false;
  return !step.sync_follows && step.done + step.asked == request.buffer_bytes();
}

void prepare_on_path(UringStep& step, io_uring_sqe& sqe) {
  const IoRequest& request = step.operation.request;
  const char* const path = request.path.c_str();
  if (request.kind == IoKind::kRename) {
    io_uring_prep_rename(&sqe, path, request.target.c_str());
  } else if (request.kind == IoKind::kRemove) {
    io_uring_prep_unlink(&sqe, path, 0);
  } else {
    io_uring_prep_fsync(&sqe, step.directory, 0);
  }
}

bool prepare_on_file(UringStep& step, const UringAbilities& can, const UringTables& tables,
                     io_uring_sqe& sqe) {
  const IoRequest& request = step.operation.request;
  const UringTables::FilePlace place = tables.place_of(*request.file);
  bool breaks_links = false;
  if (place.nvme != nullptr) {
    prepare_command(step, *place.nvme, can, tables, sqe);
  } else if (step.syncing || request.kind == IoKind::kSyncData) {
    sqe.opcode = IORING_OP_FSYNC;
    sqe.fsync_flags = IORING_FSYNC_DATASYNC;
  } else if (request.kind == IoKind::kSync) {
    sqe.opcode = IORING_OP_FSYNC;
  } else if (request.kind == IoKind::kAllocate) {
    io_uring_prep_fallocate(&sqe, -1, 0, static_cast<off_t>(request.offset),
                            static_cast<off_t>(request.bytes));
  } else if (request.kind == IoKind::kTruncate) {
    sqe.opcode = kUringOpFtruncate;
    sqe.off = request.offset;
  } else if (request.kind == IoKind::kAdvise) {
    io_uring_prep_fadvise(&sqe, -1, request.offset, static_cast<off_t>(request.bytes),
                          request.advice);
  } else {
    breaks_links = prepare_transfer(step, can, tables, sqe);
  }
  sqe.fd = place.descriptor;
  if (place.registered) sqe.flags |= IOSQE_FIXED_FILE;
  return breaks_links;
}

Error failure(const UringStep& step, int sys_errno) {
  const IoRequest& request = step.operation.request;
  const auto on_file = [&](const char* action) {
    return error_from_errno(sys_errno, action, request.file->file().path());
  };
  switch (request.kind) {
    case IoKind::kRead:
      return on_file("read the file").with_offset(request.offset + step.done);
    case IoKind::kWrite:
      if (step.syncing) return on_file("make written data durable");
      return on_file("write to the file").with_offset(request.offset + step.done);
    case IoKind::kSync:
      return on_file("make the file durable");
    case IoKind::kSyncData:
      return on_file("make written data durable");
    case IoKind::kAllocate:
      return on_file("reserve space").with_offset(request.offset);
    case IoKind::kTruncate:
      return on_file("resize the file").with_offset(request.offset);
    case IoKind::kAdvise:
      return on_file("advise on the file").with_offset(request.offset);
    case IoKind::kRename:
      return error_from_errno(sys_errno, "rename to " + request.target.string(), request.path);
    case IoKind::kRemove:
      return error_from_errno(sys_errno, "remove it", request.path);
    case IoKind::kSyncDirectory:
      // How a file system says that its directories cannot be synced.
      return error_from_errno(sys_errno == EINVAL ? EOPNOTSUPP : sys_errno,
                              "make the directory durable", request.path);
  }
  return Error(ErrorCode::kIo, "an operation of no known kind failed").with_errno(sys_errno);
}

UringVerdict end(UringStep& step, Status outcome) {
  step.close_directory();
  step.operation.outcome = std::move(outcome);
  step.operation.transferred = step.operation.outcome ? step.done : 0;
  return UringVerdict::kEnded;
}

UringVerdict judge_failure(UringStep& step, int sys_errno) {
  const IoRequest& request = step.operation.request;
  // A file system without fallocate, and a directory to be removed, take more than one call.
  const bool no_fallocate =
      request.kind == IoKind::kAllocate && (sys_errno == EOPNOTSUPP || sys_errno == ENOSYS);
  const bool directory = request.kind == IoKind::kRemove && sys_errno == EISDIR;
  if (no_fallocate || directory) return UringVerdict::kOnHost;
  const bool syncs = step.syncing || request.kind == IoKind::kSync ||
                     request.kind == IoKind::kSyncData || request.kind == IoKind::kSyncDirectory;
  if (sys_errno == ENOBUFS && request.wants_buffer()) return end(step, no_buffer_free(request));
  const bool interrupted = sys_errno == EINTR || (sys_errno == EAGAIN && transfers(request));
  if (interrupted && !syncs) {
    return ++step.tries < kMaxTries ? UringVerdict::kAgain : UringVerdict::kOnHost;
  }
  return end(step, failure(step, sys_errno));
}

/// A command has done all that it was asked for, or has ended with the device's `status`.
UringVerdict judge_command(UringStep& step, int status) {
  const IoRequest& request = step.operation.request;
  const std::filesystem::path& path = step.commanded->path();
  if (!transfers(request)) {
    if (status == 0) return end(step, {});
    return end(step, nvme_error(status, "make written data durable", path));
  }
  const std::uint64_t left = step.commanded->space().bytes() - request.offset;
  if (status == 0) {
    step.done += step.asked;
    step.tries = 0;
    const std::size_t whole = std::min<std::uint64_t>(request.buffer_bytes(), left);
    return step.done < whole ? UringVerdict::kAgain : end(step, {});
  }
  if (nvme_may_retry(status) && ++step.tries < kNvmeTries) return UringVerdict::kAgain;
  const bool reads = request.kind == IoKind::kRead;
  return end(step, nvme_error(status, reads ? "read the namespace" : "write to the namespace", path)
                       .with_offset(request.offset + step.done));
}

UringVerdict judge_transfer(UringStep& step, std::size_t moved) {
  const bool reads = step.operation.request.kind == IoKind::kRead;
  const std::size_t whole = step.operation.request.buffer_bytes();
  if (moved == 0 && !reads) return end(step, failure(step, EIO));
  step.done += moved;
  if (step.direct && step.done < whole && step.done % kDirectAlignment != 0) {
    // O_DIRECT goes on from an aligned place alone. A read that ends elsewhere has met the end of
    // the file; the tail of a write is written again.
    if (reads) return end(step, {});
    if (moved < kDirectAlignment) {
      step.done -= moved;
      return end(step, failure(step, EIO));
    }
    step.done -= step.done % kDirectAlignment;
  }
  step.tries = 0;
  if (step.done < whole && moved > 0) return UringVerdict::kAgain;
  step.syncing = step.sync_follows;
  return step.syncing ? UringVerdict::kAgain : end(step, {});
}

}  // namespace

UringStep& UringStep::of(IoOperation& of) {
  const bool fits = of.scratch != nullptr && of.scratch->kind == &kKind &&
                    &static_cast<UringStep&>(*of.scratch).operation == &of;
  if (!fits) of.scratch = std::make_unique<UringStep>(of);
  return static_cast<UringStep&>(*of.scratch);
}

void UringStep::reset() {
  done = 0;
  asked = 0;
  tries = 0;
  commanded = nullptr;
  from_registered = false;
  plain_memory = false;
  sync_follows = false;
  syncing = false;
  on_host = false;
  lent = false;
  fetching = false;
  operation.transferred = 0;
}

void UringStep::close_directory() {
  if (directory >= 0) ::close(directory);
  directory = -1;
}

bool fits_uring(UringStep& step, const UringAbilities& can, const UringTables& tables) {
  const IoRequest& request = step.operation.request;
  if (step.on_host || !check_request(request)) return false;
  switch (request.kind) {
    case IoKind::kRename:
      return can.renames;
    case IoKind::kRemove:
      return can.removes;
    case IoKind::kSyncDirectory:
      return !can.polls_device && open_directory(step);
    default:
      return fits_table(step, can, tables);
  }
}

bool prepare_sqe(UringStep& step, const UringAbilities& can, const UringTables& tables,
                 io_uring_sqe& sqe) {
  const std::uint64_t mark = sqe.user_data;
  bool breaks_links = false;
  if (names_path(step.operation.request)) {
    prepare_on_path(step, sqe);
  } else {
    breaks_links = prepare_on_file(step, can, tables, sqe);
  }
  sqe.user_data = mark;
  return breaks_links;
}

void prepare_fetch(UringStep& step, int empty_file, io_uring_sqe& sqe) {
  step.fetching = true;
  sqe.opcode = IORING_OP_READ;
  sqe.fd = empty_file;
  sqe.len = 1;
  select_buffer(step.operation.request, sqe);
}

UringVerdict judge(UringStep& step, int result) {
  const IoRequest& request = step.operation.request;
  if (result == -EINVAL && step.from_registered) {
    // Linux before 6.12 takes for the command's what the registered area holds in all, which may be
    // more pieces than a command has (blk_rq_map_user_bvec).
    step.from_registered = false;
    step.plain_memory = true;
    return UringVerdict::kAgain;
  }
  if (result < 0) return judge_failure(step, -result);
  if (step.commanded != nullptr) return judge_command(step, result);
  if (!transfers(request) || step.syncing) return end(step, {});
  return judge_transfer(step, static_cast<std::size_t>(result));
}

void succeed(UringStep& step) {
  if (transfers(step.operation.request)) step.done += step.asked;
  end(step, {});
}

}  // namespace nacre
