#include "lib/io/uring_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lib/io/nvme_namespace.h"
#include "lib/io/transfer_parts.h"

namespace nacre {
namespace {

// An entry of twice the size has room for 80 bytes behind its first 48 (linux/io_uring.h).
static_assert(offsetof(io_uring_sqe, cmd) + sizeof(nvme_uring_cmd) <= 2 * sizeof(io_uring_sqe));

/// Linux 6.1 takes registered memory by whole pages alone (blk_rq_map_user_bvec), and refuses the
/// rest with EINVAL.
bool whole_pages(const std::byte* data, std::size_t bytes) {
  static const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (reinterpret_cast<std::uintptr_t>(data) | bytes) % page_bytes == 0;
}

bool fits_transfer(const IoRequest& request, const NvmeFile& file) {
  const bool writes = request.kind == IoKind::kWrite;
  // A buffer of the ring's lending is to be had by reads of files alone.
  if (request.wants_buffer() || request.buffer_bytes() == 0) return false;
  // The device refuses all of a command that reaches beyond its end.
  if (!writes && request.offset >= file.space().bytes()) return false;
  std::uint64_t offset = request.offset;
  for (const IoBuffer& buffer : request.buffers) {
    if (!file.check_transfer(offset, buffer.data(), buffer.size(), writes)) return false;
    offset += buffer.size();
  }
  return true;
}

/// Points `command` to what of the step's memory comes next. Returns how many bytes that is.
std::size_t attach_memory(UringStep& step, std::size_t most, const UringAbilities& can,
                          const UringTables& tables, io_uring_sqe& sqe, nvme_uring_cmd& command) {
  const IoRequest& request = step.operation.request;
  sqe.cmd_op = NVME_URING_CMD_IO;
  if (request.buffers.size() == 1) {
    const IoBuffer& buffer = request.buffers.front();
    std::byte* const data = buffer.data() + step.done;
    const std::size_t bytes = std::min(buffer.size() - step.done, most);
    command.addr = reinterpret_cast<std::uint64_t>(data);
    command.data_len = static_cast<std::uint32_t>(bytes);
    step.from_registered = can.commands_from_registered && !step.plain_memory &&
                           whole_pages(data, bytes) && tables.covers(buffer.slot(), data, bytes);
    if (step.from_registered) {
      // `uring_cmd_flags` of later headers.
      sqe.rw_flags = IORING_URING_CMD_FIXED;
      sqe.buf_index = static_cast<std::uint16_t>(buffer.slot());
    }
    return bytes;
  }
  const std::size_t bytes = gather_parts(request.buffers, step.done, step.parts, most);
  sqe.cmd_op = NVME_URING_CMD_IO_VEC;
  command.addr = reinterpret_cast<std::uint64_t>(step.parts.data());
  command.data_len = static_cast<std::uint32_t>(step.parts.size());
  return bytes;
}

}  // namespace

bool fits_command(const UringStep& step, const NvmeFile& file, const UringAbilities& can) {
  const IoRequest& request = step.operation.request;
  switch (request.kind) {
    case IoKind::kRead:
    case IoKind::kWrite:
      return fits_transfer(request, file);
    case IoKind::kSync:
    case IoKind::kSyncData:
      // The kernel does not poll for a command without data; before Linux 6.5 that may crash it
      // (see `polls_commands_safely`). Such a ring leaves it to a call.
      return !can.polls_device;
    default:
      return false;
  }
}

void prepare_command(UringStep& step, const NvmeFile& file, const UringAbilities& can,
                     const UringTables& tables, io_uring_sqe& sqe) {
  const IoRequest& request = step.operation.request;
  const NvmeNamespace& space = file.space();
  nvme_uring_cmd memory{};
  nvme_uring_cmd command = nvme_flush(space);
  sqe.cmd_op = NVME_URING_CMD_IO;
  if (request.kind == IoKind::kRead || request.kind == IoKind::kWrite) {
    const std::uint64_t offset = request.offset + step.done;
    // A write has been found to end within the namespace.
    const std::size_t most =
        std::min<std::uint64_t>(space.max_command_bytes, space.bytes() - offset);
    step.asked = attach_memory(step, most, can, tables, sqe, memory);
    command = request.kind == IoKind::kRead
                  ? nvme_read(space, offset, step.asked)
                  : nvme_write(space, offset, step.asked, request.durable || file.writes_durably());
    command.addr = memory.addr;
    command.data_len = memory.data_len;
  }
  step.commanded = &file;
  sqe.opcode = IORING_OP_URING_CMD;
  std::memcpy(reinterpret_cast<std::byte*>(&sqe) + offsetof(io_uring_sqe, cmd), &command,
              sizeof(command));
}

}  // namespace nacre
