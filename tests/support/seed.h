#pragma once

// The seed of a random test: printed, so that a failure can be had again.

#include <cstdint>

namespace nacre::test {

/// NACRE_TEST_SEED when it is set, else a fresh random number; the same for the whole process, and
/// printed at the first call in the form that sets it again.
std::uint64_t seed();

}  // namespace nacre::test
