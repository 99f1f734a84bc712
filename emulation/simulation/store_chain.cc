#include "emulation/simulation/store_chain.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace nacre {
namespace {

/// The bytes that a chain touches, in order of their addresses.
std::vector<MediaAddress> touched_bytes(const StoreChain& chain) {
  std::vector<MediaAddress> touched;
  for (const PendingStore& store : chain) {
    for (MediaAddress at = store.address; at < store.end(); ++at) touched.push_back(at);
  }
  std::ranges::sort(touched);
  touched.erase(std::ranges::unique(touched).begin(), touched.end());
  return touched;
}

/// Calls `run(first, last)` for each run of neighbours, as indexes into `touched`.
template <class Run>
void for_each_run(const std::vector<MediaAddress>& touched, Run run) {
  for (std::size_t first = 0; first < touched.size();) {
    std::size_t last = first + 1;
    while (last < touched.size() && touched[last] == touched[last - 1] + 1) ++last;
    run(first, last);
    first = last;
  }
}

/// What a set of a chain's stores leaves at the bytes that the chain touches.
struct Content {
  std::vector<std::byte> bytes;
  /// By byte: 1 where a store of the set wrote it, 0 where it is as it was.
  std::vector<std::byte> written;
  const void* site = nullptr;  ///< Of the newest store in the set.
  std::size_t event = Candidate::kNoEvent;
};

/// Collects a chain's contents as the candidates of one granule.
class GranuleBuilder {
 public:
  GranuleBuilder(CrashState& state, const StoreChain& chain, const DefiniteBytes& definite,
                 const DefiniteWriters* writers)
      : state_(state),
        writers_(writers),
        touched_(touched_bytes(chain)),
        over_others_(is_over_others()),
        definite_(touched_.size()) {
    for_each_run(touched_, [&](std::size_t first, std::size_t last) {
      std::ranges::copy(definite.read(touched_[first], last - first),
                        definite_.begin() + static_cast<std::ptrdiff_t>(first));
    });
  }

  Content nothing() const {
    return {.bytes = definite_, .written = std::vector<std::byte>(touched_.size())};
  }
  void put(const PendingStore& store, Content& content) const {
    const auto found = std::ranges::lower_bound(touched_, store.address);
    const auto begin = static_cast<std::size_t>(found - touched_.begin());
    for (std::size_t i = 0; i < store.bytes.size(); ++i) {
      if (writers_ != nullptr && writers_->is_newer(store.address + i, store.event)) continue;
      content.bytes[begin + i] = store.bytes[i];
      content.written[begin + i] = std::byte{1};
    }
    content.site = store.site;
    content.event = store.event;
  }
  void add(const Content& content) {
    std::string key(as_text(content.bytes));
    // Where others lie below, having written what was there is not the same as not having written.
    if (over_others_) key += as_text(content.written);
    if (!seen_.insert(std::move(key)).second) return;
    granule_.candidates.push_back(
        {.patches = patches_of(content), .site = content.site, .event = content.event});
  }
  void finish() {
    if (granule_.candidates.size() < 2) return;
    for_each_run(touched_, [&](std::size_t first, std::size_t last) {
      granule_.spans.push_back({touched_[first], last - first});
    });
    state_.granules.push_back(std::move(granule_));
  }

 private:
  bool is_over_others() const {
    return std::ranges::any_of(state_.granules, [&](const Granule& granule) {
      return std::ranges::any_of(granule.spans, [&](const Span& span) {
        const auto at = std::ranges::lower_bound(touched_, span.address);
        return at != touched_.end() && *at < span.address + span.bytes;
      });
    });
  }

  std::vector<Patch> patches_of(const Content& content) {
    const Bytes kept = state_.keep(content.bytes);
    std::vector<Patch> patches;
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      if (content.written[i] == std::byte{0}) continue;
      const std::size_t first = i;
      while (i + 1 < touched_.size() && touched_[i + 1] == touched_[i] + 1 &&
             content.written[i + 1] != std::byte{0}) {
        ++i;
      }
      patches.push_back({touched_[first], kept.subspan(first, i + 1 - first)});
    }
    return patches;
  }

  CrashState& state_;
  const DefiniteWriters* writers_;
  std::vector<MediaAddress> touched_;
  bool over_others_;  // Bytes that are not written may differ from what is definite.
  std::vector<std::byte> definite_;
  std::set<std::string> seen_;
  Granule granule_;
};

/// Adds the contents of all allowed sets that agree with `taken` on the stores before it ends.
void add_sets(GranuleBuilder& builder, const StoreChain& chain, std::vector<bool>& taken,
              const Content& content) {
  const std::size_t next = taken.size();
  if (next == chain.size()) {
    builder.add(content);
    return;
  }
  taken.push_back(false);
  add_sets(builder, chain, taken, content);
  bool is_allowed = true;
  for (std::size_t i = 0; i < next; ++i) {
    if (!taken[i] && chain[i].overlaps(chain[next])) is_allowed = false;
  }
  if (is_allowed) {
    taken.back() = true;
    Content with = content;
    builder.put(chain[next], with);
    add_sets(builder, chain, taken, with);
  }
  taken.pop_back();
}

}  // namespace

PendingStore pending_store(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  const Bytes written = trace.written(event);
  return {.event = index,
          .address = event.address,
          .thread = event.thread,
          .streamed = event.kind == EventKind::kStream,
          .site = event.site,
          .bytes = {written.begin(), written.end()}};
}

bool add_over_streamed(StreamedChains& chains, PendingStore& store) {
  const auto shares_bytes = [&](const StoreChain& chain) {
    return std::ranges::any_of(chain, [&](const auto& other) { return store.overlaps(other); });
  };
  const auto home = std::ranges::find_if(chains, shares_bytes);
  if (home == chains.end()) return false;
  for (auto other = home + 1; other != chains.end();) {
    if (!shares_bytes(*other)) {
      ++other;
      continue;
    }
    home->insert(home->end(), other->begin(), other->end());
    other = chains.erase(other);
  }
  std::ranges::sort(*home, {}, &PendingStore::event);
  home->push_back(std::move(store));
  return true;
}

void collect_prefixes(CrashState& state, const StoreChain& chain, const DefiniteBytes& definite,
                      const DefiniteWriters* writers) {
  GranuleBuilder builder(state, chain, definite, writers);
  Content content = builder.nothing();
  builder.add(content);
  for (const PendingStore& store : chain) {
    builder.put(store, content);
    builder.add(content);
  }
  builder.finish();
}

void collect_streamed(CrashState& state, const StreamedChains& chains,
                      const DefiniteBytes& definite, const DefiniteWriters* writers) {
  for (const StoreChain& chain : chains) {
    GranuleBuilder builder(state, chain, definite, writers);
    std::vector<bool> taken;
    add_sets(builder, chain, taken, builder.nothing());
    builder.finish();
  }
}

}  // namespace nacre
