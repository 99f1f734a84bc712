#pragma once

// What a scheduler calls when a request has ended, and what names one that has not.

#include <compare>
#include <cstdint>
#include <functional>

#include "nacre/io.h"

namespace nacre {

/// Called once for each request, with its buffers.
using IoCallback = std::move_only_function<void(IoCompletion)>;

/// Names a request that is under way, for `cancel`. 0 is none.
struct IoTicket {
  std::uint64_t value = 0;
  friend auto operator<=>(const IoTicket&, const IoTicket&) = default;
};

}  // namespace nacre
