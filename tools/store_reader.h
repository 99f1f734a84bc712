#pragma once

// A store as the commands read it that change nothing, also while another process has it open.

#include <memory>
#include <optional>

#include "nacre/comparator.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "nacre/store_view.h"
#include "tools/store_directory.h"

namespace nacre::tools {

/// Thread safety: one thread.
class StoreReader {
 public:
  /// Opens the store, which finds damage at the end of its log, or, where another process has it
  /// open, looks at what has been acknowledged there by now.
  /// Errors: as `open_store` of those who read, but for `busy`, which is as of StoreView::open.
  static Result<StoreReader> open(const StoreTarget& target);

  /// Of the keyspace that was asked for. Errors: as Store::get.
  Result<std::optional<PinnedValue>> get(Bytes key) const;
  StoreIterator iterate() const;
  const Comparator& order() const noexcept { return order_; }
  /// Values and iterators end before. Errors: as Store::close.
  Status close();

 private:
  StoreReader(OpenedStore opened);
  StoreReader(StoreView view, Keyspace keyspace, Comparator order);

  std::optional<Store> store_;  // One of the two.
  std::optional<StoreView> view_;
  Keyspace keyspace_;
  Comparator order_;
};

}  // namespace nacre::tools
