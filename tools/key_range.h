#pragma once

// Which keys `nacre scan` shows, and how it walks over them.

#include <optional>
#include <string>

#include "nacre/comparator.h"
#include "nacre/store.h"

namespace nacre::tools {

struct KeyRange {
  std::optional<std::string> from;  ///< The first one, in the order of the keyspace.
  std::optional<std::string> to;    ///< Before this one.
  std::string prefix;               ///< Only those that begin with it.
  bool reverse = false;             ///< From the last to the first.
};

/// Thread safety: one thread at a time. Lifetime: the iterator's store outlives it.
class RangeWalk {
 public:
  /// Stands before the first key.
  RangeWalk(StoreIterator iterator, KeyRange range, Comparator order);

  /// Moves to the next key of the range; false when there is none left.
  /// Errors: as StoreIterator::status.
  Result<bool> next();
  /// Lifetime, of both: until the next call of `next`.
  Bytes key() const noexcept { return iterator_.key(); }
  Bytes value() const noexcept { return iterator_.value(); }

 private:
  void narrow_to_prefix();
  void begin();
  bool is_past_end() const;

  StoreIterator iterator_;
  KeyRange range_;
  Comparator order_;
  bool begun_ = false;
};

}  // namespace nacre::tools
