#include "emulation/simulation/line_model.h"

#include <algorithm>
#include <utility>

namespace nacre {
namespace {

constexpr MediaAddress line_of(MediaAddress address) { return address - address % kLineBytes; }

}  // namespace

bool LineModel::narrows(const Trace& trace, std::size_t index) const {
  const Event& event = trace.events()[index];
  if (event.kind != EventKind::kFence) return false;
  const auto thread = threads_.find(event.thread);
  if (thread == threads_.end()) return false;
  if (!thread->second.streamed_lines.empty()) return true;
  return std::ranges::any_of(thread->second.flushes, [&](const Flush& flush) {
    const auto line = lines_.find(flush.line);
    if (line == lines_.end()) return false;
    const auto is_covered = [&](const PendingStore& store) {
      return !store.streamed && store.event < flush.event;
    };
    return std::ranges::any_of(line->second.cached, is_covered) ||
           std::ranges::any_of(line->second.streamed, [&](const StoreChain& chain) {
             return std::ranges::any_of(chain, is_covered);
           });
  });
}

void LineModel::apply(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  switch (event.kind) {
    case EventKind::kStore:
    case EventKind::kStream:
      store(pending_store(trace, index));
      break;
    case EventKind::kFlush:
      flush(event, index);
      break;
    case EventKind::kFence:
      fence(event.thread);
      break;
    case EventKind::kKilled:
      end_process();
      break;
    default:
      break;
  }
}

void LineModel::store(PendingStore store) {
  const MediaAddress at = line_of(store.address);
  Line& line = lines_[at];
  if (store.streamed) threads_[store.thread].streamed_lines.push_back(at);
  if (add_over_streamed(line.streamed, store)) return;
  (store.streamed ? line.streamed.emplace_back() : line.cached).push_back(std::move(store));
}

void LineModel::flush(const Event& event, std::size_t index) {
  for (MediaAddress at = line_of(event.address); at < event.address + event.value;
       at += kLineBytes) {
    if (lines_.contains(at)) threads_[event.thread].flushes.push_back({at, index});
  }
}

void LineModel::fence(std::uint16_t thread) {
  const auto found = threads_.find(thread);
  if (found == threads_.end()) return;
  const Thread waited_for = std::exchange(found->second, {});
  for (const Flush& flush : waited_for.flushes) {
    persist(flush.line, [&](const PendingStore& store) {
      return !store.streamed && store.event < flush.event;
    });
  }
  for (const MediaAddress at : waited_for.streamed_lines) {
    persist(at,
            [&](const PendingStore& store) { return store.streamed && store.thread == thread; });
  }
}

void LineModel::end_process() {
  // Nobody is left to wait for what its threads have flushed. What they streamed was drained when
  // the process was interrupted (Intel SDM, volume 3A, 12.3, WC); as if to a cache, which is less.
  threads_.clear();
  for (auto& [at, line] : lines_) {
    for (StoreChain& chain : line.streamed) {
      for (PendingStore& store : chain) store.streamed = false;
    }
  }
}

template <class Covered>
void LineModel::persist(MediaAddress at, Covered covered) {
  const auto found = lines_.find(at);
  if (found == lines_.end()) return;
  Line& line = found->second;
  const auto settle = [&](const PendingStore& store) {
    if (!covered(store)) return false;
    for (std::size_t i = 0; i < store.bytes.size(); ++i) {
      std::size_t& writer = line.written_by[(store.address + i) % kLineBytes];
      if (writer > store.event) continue;
      writer = store.event + 1;
      definite_.write(store.address + i, Bytes(&store.bytes[i], 1));
    }
    return true;
  };
  std::erase_if(line.cached, settle);
  for (StoreChain& chain : line.streamed) std::erase_if(chain, settle);
  std::erase_if(line.streamed, [](const StoreChain& chain) { return chain.empty(); });
  if (line.cached.empty() && line.streamed.empty()) lines_.erase(found);
}

void LineModel::collect(CrashState& state) const {
  for (const auto& [at, line] : lines_) {
    collect_prefixes(state, line.cached, definite_, &line);
    // Over what is cached: a store to a word that was streamed to is part of the word's chain.
    collect_streamed(state, line.streamed, definite_, &line);
  }
}

void LineModel::clear() {
  lines_.clear();
  threads_.clear();
}

}  // namespace nacre
