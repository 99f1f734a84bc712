#include "emulation/simulation/simulated_device.h"

#include <algorithm>
#include <utility>

#include "emulation/simulation/simulated_file.h"
#include "lib/base/assert.h"
#include "lib/io/io_calls.h"
#include "lib/io/io_errors.h"

namespace nacre {
namespace {

/// The simulated file that `operation` writes, if that is all it does, and it can be done.
SimulatedFile* written_file(const IoOperation& operation) {
  const bool is_lone_write = operation.request.kind == IoKind::kWrite &&
                             operation.next_in_chain == nullptr && check_request(operation.request);
  return is_lone_write ? dynamic_cast<SimulatedFile*>(&operation.request.file->file()) : nullptr;
}

void cancel_from(IoOperation* step) {
  for (; step != nullptr; step = step->next_in_chain) {
    step->outcome = cancelled_by_chain(step->request);
    step->transferred = 0;
  }
}

}  // namespace

SimulatedDevice::~SimulatedDevice() { NACRE_ASSERT(under_way_.empty() && ended_.empty()); }

void SimulatedDevice::submit(std::span<IoOperation* const> operations, bool) {
  for (IoOperation* const operation : operations) {
    roster_.enter(operation);
    begin(*operation);
  }
}

void SimulatedDevice::begin(IoOperation& first) {
  SimulatedFile* const file = written_file(first);
  if (file == nullptr) {
    under_way_.push_back({.first = &first});
    return;
  }
  std::vector<Bytes> parts;
  for (const IoBuffer& buffer : first.request.buffers) parts.push_back(buffer.bytes());
  const Result<std::size_t> token = file->begin_write(first.request.offset, parts);
  if (token) {
    under_way_.push_back({.first = &first, .begun = true, .token = *token});
    return;
  }
  first.outcome = token.error();
  first.transferred = 0;
  give_back(first);
}

std::size_t SimulatedDevice::reap(std::span<IoOperation*> ended, std::uint64_t) {
  NACRE_ASSERT(!ended.empty());
  if (ended_.empty() && !under_way_.empty()) {
    const auto next = static_cast<std::ptrdiff_t>(uniform_below(random_, under_way_.size()));
    const UnderWay one = under_way_[static_cast<std::size_t>(next)];
    under_way_.erase(under_way_.begin() + next);
    end(one);
  }
  const std::size_t count = std::min(ended.size(), ended_.size());
  std::copy_n(ended_.begin(), count, ended.begin());
  ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
  for (IoOperation* const operation : ended.first(count)) roster_.leave(*operation);
  return count;
}

void SimulatedDevice::end(const UnderWay& one) {
  if (one.begun) {
    IoRequest& request = one.first->request;
    one.first->outcome =
        written_file(*one.first)->end_write(request.offset, one.token, request.durable);
    one.first->transferred = one.first->outcome ? request.buffer_bytes() : 0;
  } else {
    for (IoOperation* step = one.first; step != nullptr; step = step->next_in_chain) {
      carry_out(file_system_, *step);
      if (!step->outcome) {
        cancel_from(step->next_in_chain);
        break;
      }
    }
  }
  give_back(*one.first);
}

void SimulatedDevice::give_back(IoOperation& first) {
  for (IoOperation* step = &first; step != nullptr; step = step->next_in_chain) {
    ended_.push_back(step);
  }
}

void SimulatedDevice::cancel(IoOperation& operation) {
  if (!roster_.has(operation)) return;
  const auto found = std::ranges::find(under_way_, &operation, &UnderWay::first);
  // A write that is under way ends as it ends.
  if (found == under_way_.end() || found->begun) return;
  under_way_.erase(found);
  operation.outcome = cancelled_by_caller(operation.request);
  operation.transferred = 0;
  cancel_from(operation.next_in_chain);
  give_back(operation);
}

}  // namespace nacre
