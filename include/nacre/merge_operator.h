#pragma once

// How a keyspace makes one value of a value and the operands that were merged into it later. Its
// name is stored with the data, so that operands are never read another way than they were meant.
//
// Thread safety: immutable; copies are cheap.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/types.h"

namespace nacre {

class MergeOperator {
 public:
  /// The value of `key`: `existing`, or none where there was no value, with the `operands` applied
  /// to it from the first to the last. There is one operand at least.
  using Merge = std::function<std::vector<std::byte>(Bytes key, std::optional<Bytes> existing,
                                                     std::span<const Bytes> operands)>;

  /// `merge` is called from any thread, by readers and in the background, and any number of times
  /// for the same operands; it is pure and does not throw. To apply some operands, and the others
  /// to what came out, must give the same as to apply all of them. Change the name with the
  /// meaning; an empty one, and an empty `merge`, are refused where a store or a keyspace is made.
  MergeOperator(std::string name, Merge merge)
      : name_(std::make_shared<const std::string>(std::move(name))),
        merge_(std::make_shared<const Merge>(std::move(merge))) {}

  std::string_view name() const noexcept { return *name_; }
  /// False of an empty `merge`.
  bool has_function() const noexcept { return static_cast<bool>(*merge_); }

  std::vector<std::byte> operator()(Bytes key, std::optional<Bytes> existing,
                                    std::span<const Bytes> operands) const {
    return (*merge_)(key, existing, operands);
  }

 private:
  std::shared_ptr<const std::string> name_;
  std::shared_ptr<const Merge> merge_;
};

}  // namespace nacre
