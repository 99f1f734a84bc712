#include "emulation/held_completions.h"

#include <algorithm>
#include <utility>

namespace nacre {

void HeldCompletions::add(IoOperation& first, std::uint64_t others, std::uint64_t due_ns) {
  ++ended_;
  if (window_ > 0) others += uniform_below(random_, std::uint64_t{window_} + 1);
  held_.push_back({.first = &first, .others = others, .turn = ended_ + others, .due_ns = due_ns});
}

void HeldCompletions::release(bool last, std::uint64_t now_ns) {
  next_due_ns_ = IoBackend::kForever;
  std::vector<Held> due;
  std::erase_if(held_, [&](const Held& held) {
    if (held.turn > ended_ && !last) return false;
    if (held.due_ns > now_ns) {
      next_due_ns_ = std::min(next_due_ns_, held.due_ns);
      return false;
    }
    due.push_back(held);
    return true;
  });
  // What was to be overtaken comes behind the last of those that overtake it.
  std::ranges::sort(due, {}, [](const Held& held) { return std::pair(held.turn, held.others); });
  if (window_ > 0) {
    for (std::size_t i = due.size(); i > 1; --i) {
      std::swap(due[i - 1], due[uniform_below(random_, i)]);
    }
  }
  for (const Held& held : due) {
    for (IoOperation* step = held.first; step != nullptr; step = step->next_in_chain) {
      ready_.push_back(step);
    }
  }
}

std::size_t HeldCompletions::take(std::span<IoOperation*> ended) {
  const std::size_t count = std::min(ended.size(), ready_.size());
  std::copy_n(ready_.begin(), count, ended.begin());
  ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

}  // namespace nacre
