#include "lib/io/lent_buffer.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "lib/io/io_errors.h"
#include "nacre/io_buffer_group.h"

namespace nacre {
namespace {

void hold(IoRequest& request, IoBuffer buffer) {
  buffer.set_size(request.bytes);
  request.buffers.push_back(std::move(buffer));
}

}  // namespace

Status lend_buffer(IoRequest& request) {
  if (request.group->slot() >= 0) return foreign_group(request);
  std::optional<IoBuffer> buffer = request.group->try_lend();
  if (!buffer) return no_buffer_free(request);
  hold(request, *std::move(buffer));
  return {};
}

void take_lent_buffer(IoRequest& request, std::size_t index) {
  hold(request, request.group->lend(index));
}

void settle_lent_buffer(IoOperation& operation) noexcept {
  if (operation.outcome) {
    operation.request.buffers.front().set_size(operation.transferred);
  } else {
    operation.request.buffers.clear();
  }
}

Error no_buffer_free(const IoRequest& request) {
  return with_place(
      Error(ErrorCode::kBusy,
            fmt::format("none of the {} buffers of the group is free for the read; let go of some "
                        "that earlier reads have brought, or have fewer reads under way",
                        request.group->buffers().size())),
      request);
}

}  // namespace nacre
