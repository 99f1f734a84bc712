#include "tools/store_reader.h"

#include <cerrno>
#include <utility>

#include "lib/base/try.h"

namespace nacre::tools {

StoreReader::StoreReader(OpenedStore opened)
    : store_(std::move(opened.store)),
      keyspace_(opened.keyspace),
      order_(std::move(opened.order)) {}

StoreReader::StoreReader(StoreView view, Keyspace keyspace, Comparator order)
    : view_(std::move(view)), keyspace_(keyspace), order_(std::move(order)) {}

Result<StoreReader> StoreReader::open(const StoreTarget& target) {
  auto opened = open_store(target, StoreAccess::kRead);
  if (opened) return StoreReader(*std::move(opened));
  // Looking needs no lock, and changes nothing.
  const int sys_errno = opened.error().sys_errno();
  const bool can_be_viewed = opened.error().code() == ErrorCode::kBusy || sys_errno == EROFS ||
                             sys_errno == EACCES || sys_errno == EPERM;
  if (!can_be_viewed) return opened.error();
  ViewedStore viewed = NACRE_TRY(view_store(target));
  return StoreReader(std::move(viewed.view), viewed.keyspace, std::move(viewed.order));
}

Result<std::optional<PinnedValue>> StoreReader::get(Bytes key) const {
  return view_ ? view_->get(keyspace_, key) : store_->get(keyspace_, key);
}

StoreIterator StoreReader::iterate() const {
  return view_ ? view_->iterate(keyspace_) : store_->iterate(keyspace_);
}

Status StoreReader::close() { return store_ ? store_->close() : Status(); }

}  // namespace nacre::tools
