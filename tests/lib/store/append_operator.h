#pragma once

// A merge operator for tests: whose order of operands shows.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "nacre/store.h"

namespace nacre::test {

/// "test.append": operands behind what was there, the oldest first.
inline MergeOperator append() {
  return {"test.append", [](Bytes, std::optional<Bytes> existing, std::span<const Bytes> operands) {
            std::vector<std::byte> value;
            if (existing.has_value()) value.assign(existing->begin(), existing->end());
            for (const Bytes operand : operands) {
              value.insert(value.end(), operand.begin(), operand.end());
            }
            return value;
          }};
}

}  // namespace nacre::test
