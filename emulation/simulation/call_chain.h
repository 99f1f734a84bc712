#pragma once

// Who called: the return addresses behind an event.

#include <cstddef>
#include <vector>

namespace nacre {

/// Outermost callers beyond this many are left out.
inline constexpr std::size_t kMaxCalls = 24;

/// `site` and the return addresses of its callers, innermost first. `site` is a return address on
/// the calling thread's stack, or one past an instruction that a signal handler below this call has
/// interrupted. Takes some microseconds: it unwinds the stack.
std::vector<const void*> capture_calls(const void* site);

}  // namespace nacre
