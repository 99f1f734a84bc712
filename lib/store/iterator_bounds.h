#pragma once

// Which keys an iterator shows: from one key on, up to another, and those that begin with a prefix.
//
// Thread safety: immutable.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "nacre/comparator.h"
#include "nacre/store.h"
#include "nacre/types.h"

namespace nacre::store {

class IteratorBounds {
 public:
  IteratorBounds(const ReadOptions& options, const Comparator& order);

  enum class Side : std::uint8_t {
    kInside,
    kBefore,   ///< And so is every key before it.
    kBehind,   ///< And so is every key behind it.
    kBetween,  ///< Not shown, though there may be keys on either side that are.
  };
  Side side(Bytes key) const;

  /// No key before it is shown, and no key behind the other; none where all may be.
  const std::optional<std::vector<std::byte>>& first() const noexcept { return first_; }
  const std::optional<std::vector<std::byte>>& last() const noexcept { return last_; }

 private:
  void narrow_to_prefix();

  const Comparator& order_;
  std::optional<std::vector<std::byte>> lower_;
  std::optional<std::vector<std::byte>> upper_;
  std::vector<std::byte> prefix_;
  std::optional<std::vector<std::byte>> first_;
  std::optional<std::vector<std::byte>> last_;
};

}  // namespace nacre::store
