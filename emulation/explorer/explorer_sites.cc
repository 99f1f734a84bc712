// The places in a program that make something durable, for those who want to change one.

#include "emulation/explorer/explorer.h"
#include "emulation/simulation/visible_bytes.h"

namespace nacre {
namespace {

std::string_view ordering_name(EventKind kind) {
  switch (kind) {
    case EventKind::kFlush:
      return "flush";
    case EventKind::kFence:
      return "fence";
    case EventKind::kMemorySync:
      return "msync";
    case EventKind::kSyncEnd:
      return "file sync";
    case EventKind::kSyncNames:
      return "directory sync";
    default:
      return "durable write";
  }
}

}  // namespace

void Explorer::note_sites(const Trace& trace) {
  if (!options_.note_sites) return;
  bool is_store_behind = false;  // Before the operation, or recovery, ends.
  for (auto event = trace.events().rbegin(); event != trace.events().rend(); ++event) {
    is_store_behind |= changes_what_is_visible(*event);
    if (event->kind == EventKind::kEndOperation || event->kind == EventKind::kAnswered) {
      is_store_behind = false;
    }
    const bool orders = event->kind == EventKind::kFlush || event->kind == EventKind::kFence ||
                        event->kind == EventKind::kMemorySync ||
                        event->kind == EventKind::kSyncEnd ||
                        event->kind == EventKind::kSyncNames ||
                        (event->kind == EventKind::kWriteEnd && event->flag);
    if (!orders || event->site == nullptr) continue;
    OrderingSite& site = ordering_sites_[event->site];
    site.kind = event->kind;
    // A flush is late as soon as its fence comes before it.
    site.can_move |= is_store_behind || event->kind == EventKind::kFlush;
  }
}

std::vector<CrashSite> Explorer::ordering_sites() {
  std::vector<CrashSite> found;
  for (const auto& [address, site] : ordering_sites_) {
    found.push_back({.address = address,
                     .place = sites_.describe(std::span(&address, 1)),
                     .kind = std::string(ordering_name(site.kind)),
                     .can_move = site.can_move});
  }
  return found;
}

}  // namespace nacre
