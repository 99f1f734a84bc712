#pragma once

// A small number of the calling thread, by which threads keep off each other's cache lines.

#include <cstdint>

namespace nacre {

/// The lowest number that no other thread had at the first call of this one, and the same at each
/// further call: threads that live together have numbers close together, and threads that are
/// started anew in the same order have the same again, which an address or an id would not give.
/// Where more than 1,024 threads have one at once, some share.
///
/// Thread safety: may be called from any thread, until its thread-local objects are destroyed.
std::uint32_t thread_number() noexcept;

}  // namespace nacre
