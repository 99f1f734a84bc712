#include "lib/io/io_batch.h"

#include <iterator>
#include <utility>

namespace nacre {

std::size_t IoBatch::add(IoRequest request) {
  IoCompletion& completion = completions_.emplace_back();
  scheduler_.expect(sleeper_);
  tickets_.push_back(scheduler_.submit(
      std::move(request),
      [this, &completion](IoCompletion ended) {
        completion = std::move(ended);
        scheduler_.arrive(sleeper_);
      },
      IoDriver::kCaller));
  return completions_.size() - 1;
}

void IoBatch::cancel() {
  for (const IoTicket ticket : tickets_) scheduler_.cancel(ticket);
}

std::vector<IoCompletion> IoBatch::wait() {
  scheduler_.wait(sleeper_);
  std::vector<IoCompletion> all(std::move_iterator(completions_.begin()),
                                std::move_iterator(completions_.end()));
  completions_.clear();
  tickets_.clear();
  return all;
}

}  // namespace nacre
