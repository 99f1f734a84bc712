#include "nacre/store_view.h"

#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/store/view_core.h"

namespace nacre {

StoreView::StoreView(std::unique_ptr<store::ViewCore> core) : core_(std::move(core)) {}
StoreView::StoreView(StoreView&&) noexcept = default;
StoreView& StoreView::operator=(StoreView&&) noexcept = default;
StoreView::~StoreView() = default;

store::ViewCore& StoreView::core() const noexcept {
  NACRE_ASSERT(core_ != nullptr && "this StoreView was moved from");
  return *core_;
}

Result<StoreView> StoreView::open(const std::filesystem::path& directory, StoreOptions options) {
  return StoreView(NACRE_TRY(store::ViewCore::open(directory, std::move(options))));
}

Status StoreView::refresh() { return core().refresh(); }

Result<std::optional<PinnedValue>> StoreView::get(Bytes key) const {
  return get(default_keyspace(), key);
}
Result<std::optional<PinnedValue>> StoreView::get(Keyspace keyspace, Bytes key) const {
  return core().get(*keyspace.core_, key);
}
Result<std::vector<std::optional<PinnedValue>>> StoreView::multi_get(
    std::span<const Bytes> keys) const {
  return multi_get(default_keyspace(), keys);
}
Result<std::vector<std::optional<PinnedValue>>> StoreView::multi_get(
    Keyspace keyspace, std::span<const Bytes> keys) const {
  return core().multi_get(*keyspace.core_, keys);
}
StoreIterator StoreView::iterate(const ReadOptions& options) const {
  return iterate(default_keyspace(), options);
}
StoreIterator StoreView::iterate(Keyspace keyspace, const ReadOptions& options) const {
  NACRE_ASSERT(options.snapshot == nullptr && "a view has no snapshots; it is one");
  return StoreIterator(core().iterate(*keyspace.core_, options));
}

Keyspace StoreView::default_keyspace() const noexcept {
  return Keyspace(&core().default_keyspace());
}
Result<Keyspace> StoreView::keyspace(std::string_view name) const {
  return Keyspace(NACRE_TRY(core().find_keyspace(name)));
}
std::vector<std::string> StoreView::keyspaces() const { return core().keyspace_names(); }
StoreViewStats StoreView::stats() const { return core().stats(); }

}  // namespace nacre
