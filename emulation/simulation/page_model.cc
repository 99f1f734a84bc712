#include "emulation/simulation/page_model.h"

namespace nacre {
namespace {

/// What msync takes: whole pages.
constexpr std::size_t kPageBytes = 4096;
MediaAddress page_of(MediaAddress address) { return address - address % kPageBytes; }
MediaAddress page_after(MediaAddress end) { return page_of(end + kPageBytes - 1); }

}  // namespace

bool PageModel::narrows(const Trace& trace, std::size_t index) const {
  const Event& event = trace.events()[index];
  if (event.kind != EventKind::kMemorySync) return false;
  const auto first = units_.lower_bound(page_of(event.address));
  return first != units_.end() && first->first < page_after(event.address + event.value);
}

void PageModel::apply(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  // To the page cache a streamed word is a store like any other.
  if (event.kind == EventKind::kStore || event.kind == EventKind::kStream) {
    units_[unit_of(event.address)].push_back(pending_store(trace, index));
    return;
  }
  if (event.kind != EventKind::kMemorySync) return;
  auto unit = units_.lower_bound(page_of(event.address));
  while (unit != units_.end() && unit->first < page_after(event.address + event.value)) {
    for (const PendingStore& store : unit->second) definite_.write(store.address, store.bytes);
    unit = units_.erase(unit);
  }
}

void PageModel::collect(CrashState& state) const {
  for (const auto& [unit, chain] : units_) collect_prefixes(state, chain, definite_, nullptr);
}

}  // namespace nacre
