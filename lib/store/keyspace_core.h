#pragma once

// A keyspace of an open store. Lives until the store is closed, also when it is dropped: handles
// point to it.
//
// Thread safety: immutable, but for whether it is dropped.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "nacre/comparator.h"
#include "nacre/merge_operator.h"

namespace nacre::store {

/// So many keyspaces can be made while a store is open, the dropped ones included.
inline constexpr std::uint32_t kMaxKeyspaces = 4096;

class KeyspaceCore {
 public:
  /// `index` tells it from the others of this open store; `id`, on media, from all there ever were.
  KeyspaceCore(std::uint32_t id, std::uint32_t index, std::string name, Comparator comparator,
               std::optional<MergeOperator> merge = {})
      : id_(id),
        index_(index),
        name_(std::move(name)),
        comparator_(std::move(comparator)),
        merge_(std::move(merge)) {}

  std::uint32_t id() const noexcept { return id_; }
  std::uint32_t index() const noexcept { return index_; }
  const std::string& name() const noexcept { return name_; }
  const Comparator& comparator() const noexcept { return comparator_; }

  const std::optional<MergeOperator>& merge() const noexcept { return merge_; }

  bool is_dropped() const noexcept { return dropped_.load(std::memory_order_acquire); }
  void drop() noexcept { dropped_.store(true, std::memory_order_release); }

 private:
  const std::uint32_t id_;
  const std::uint32_t index_;
  const std::string name_;
  const Comparator comparator_;
  const std::optional<MergeOperator> merge_;
  std::atomic<bool> dropped_{false};
};

}  // namespace nacre::store
