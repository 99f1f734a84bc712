#include "emulation/simulation/durable_cache_model.h"

#include <algorithm>
#include <utility>

#include "emulation/simulation/line_model.h"

namespace nacre {
namespace {

/// In place of a thread whose process was killed: no fence waits for what it has done.
constexpr std::uint16_t kNobody = 0xffff;

}  // namespace

bool DurableCacheModel::Writers::is_newer(MediaAddress address, std::size_t event) const {
  const auto found = written_by.find(address);
  return found != written_by.end() && found->second > event;
}

bool DurableCacheModel::narrows(const Trace& trace, std::size_t index) const {
  const Event& event = trace.events()[index];
  if (event.kind != EventKind::kFence) return false;
  return std::ranges::any_of(
             visible_,
             [&](const PendingStore& store) { return is_waited_for(store, event.thread); }) ||
         std::ranges::any_of(streamed_, [&](const StoreChain& chain) {
           return std::ranges::any_of(
               chain, [&](const PendingStore& store) { return store.thread == event.thread; });
         });
}

void DurableCacheModel::apply(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  if (event.kind == EventKind::kFence) {
    fence(event.thread);
    return;
  }
  if (event.kind == EventKind::kFlush) flush(event);
  if (event.kind == EventKind::kKilled) end_process();
  if (event.kind != EventKind::kStore && event.kind != EventKind::kStream) return;
  PendingStore store = pending_store(trace, index);
  // A word keeps the order of the stores to it, of whichever kind.
  if (add_over_streamed(streamed_, store)) return;
  (store.streamed ? streamed_.emplace_back() : visible_).push_back(std::move(store));
}

bool DurableCacheModel::is_waited_for(const PendingStore& store, std::uint16_t thread) const {
  if (store.thread == thread) return true;
  const auto flushed = flushed_until_.find(thread);
  return flushed != flushed_until_.end() && store.event <= flushed->second;
}

void DurableCacheModel::flush(const Event& event) {
  const MediaAddress begin = event.address - event.address % kLineBytes;
  const MediaAddress end = event.address + event.value;
  // To the end of the last line.
  const MediaAddress line_end = (end + kLineBytes - 1) / kLineBytes * kLineBytes;
  for (const PendingStore& store : visible_) {
    if (store.address >= line_end || store.end() <= begin) continue;
    flushed_until_[event.thread] = std::max(flushed_until_[event.thread], store.event);
  }
  for (StoreChain& chain : streamed_) {
    for (PendingStore& store : chain) {
      const bool is_there = store.address < line_end && store.end() > begin;
      // The thread that streamed it is gone: this one waits for it.
      if (is_there && store.thread == kNobody) store.thread = event.thread;
    }
  }
}

void DurableCacheModel::end_process() {
  flushed_until_.clear();
  for (PendingStore& store : visible_) store.thread = kNobody;
  // What it streamed was drained when it was interrupted, as if not quite to there; see LineModel.
  for (StoreChain& chain : streamed_) {
    for (PendingStore& store : chain) store.thread = kNobody;
  }
}

void DurableCacheModel::fence(std::uint16_t thread) {
  // What another thread made visible before is part of the prefix.
  const auto last =
      std::ranges::find_if(visible_.rbegin(), visible_.rend(),
                           [&](const auto& store) { return is_waited_for(store, thread); });
  std::for_each(visible_.begin(), last.base(), [&](const auto& store) { settle(store); });
  visible_.erase(visible_.begin(), last.base());
  flushed_until_.erase(thread);
  for (StoreChain& chain : streamed_) {
    std::erase_if(chain, [&](const PendingStore& store) {
      if (store.thread != thread) return false;
      settle(store);
      return true;
    });
  }
  std::erase_if(streamed_, [](const StoreChain& chain) { return chain.empty(); });
  if (visible_.empty() && streamed_.empty()) writers_.written_by.clear();
}

void DurableCacheModel::settle(const PendingStore& store) {
  for (std::size_t i = 0; i < store.bytes.size(); ++i) {
    std::size_t& writer = writers_.written_by[store.address + i];
    if (writer > store.event) continue;
    writer = store.event + 1;
    definite_.write(store.address + i, Bytes(&store.bytes[i], 1));
  }
}

void DurableCacheModel::collect(CrashState& state) const {
  collect_prefixes(state, visible_, definite_, &writers_);
  collect_streamed(state, streamed_, definite_, &writers_);
}

void DurableCacheModel::clear() {
  visible_.clear();
  streamed_.clear();
  flushed_until_.clear();
  writers_.written_by.clear();
}

}  // namespace nacre
