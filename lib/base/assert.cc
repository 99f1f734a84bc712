#include "lib/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace nacre {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  // stdio rather than fmt: nothing here may throw or allocate.
  std::fprintf(stderr, "nacre: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace nacre
