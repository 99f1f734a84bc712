#pragma once

// The writes of a stretch of the log as tables: one for each keyspace.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "lib/store/table_builder.h"
#include "lib/store/table_info.h"
#include "lib/store/write_format.h"
#include "nacre/comparator.h"
#include "nacre/result.h"

namespace nacre::store {

class SalvagedWrites {
 public:
  /// The order of a keyspace; null for one whose writes count for nothing.
  using OrderOf = std::function<const Comparator*(std::uint32_t keyspace)>;
  explicit SalvagedWrites(OrderOf order_of) : order_of_(std::move(order_of)) {}

  /// False when `record` is malformed, and then nothing of it has been added. Lifetime: borrowed
  /// until `write`.
  bool add(Bytes record, Sequence sequence);

  bool is_empty() const noexcept { return of_keyspaces_.empty(); }
  /// The keyspaces that `add` has met since the last `clear`.
  std::vector<std::uint32_t> keyspaces() const;
  /// All that was added of one of them, in order; false when that is nothing.
  /// Errors: as TableBuilder.
  Result<bool> write(std::uint32_t keyspace, TableBuilder& to);
  void clear() { of_keyspaces_.clear(); }

 private:
  struct OfKeyspace {
    const Comparator* order = nullptr;
    std::vector<Entry> entries;  // As they came.
    std::vector<RangeRemoval> removals;
  };
  OrderOf order_of_;
  std::map<std::uint32_t, OfKeyspace> of_keyspaces_;
};

}  // namespace nacre::store
