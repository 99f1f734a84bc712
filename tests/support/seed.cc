#include "tests/support/seed.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "lib/base/assert.h"
#include "nacre/random.h"

namespace nacre::test {
namespace {

std::uint64_t choose_seed() {
  const char* given = std::getenv("NACRE_TEST_SEED");
  std::uint64_t value = 0;
  if (given == nullptr) {
    value = SystemRandom().next_u64();
  } else {
    const char* end = given + std::strlen(given);
    const auto [stopped, failed] = std::from_chars(given, end, value);
    const bool seed_is_a_decimal_number = failed == std::errc() && stopped == end;
    NACRE_ASSERT(seed_is_a_decimal_number);
  }
  fmt::print("NACRE_TEST_SEED={}\n", value);
  std::fflush(stdout);
  return value;
}

}  // namespace

std::uint64_t seed() {
  static const std::uint64_t chosen = choose_seed();
  return chosen;
}

}  // namespace nacre::test
