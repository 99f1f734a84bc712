#pragma once

// Memory between two pages that nobody may touch: a read or write one byte outside is a crash.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "lib/base/assert.h"

namespace nacre::test {

class GuardedBuffer {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  GuardedBuffer() {
    void* address = mmap(nullptr, 3 * kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NACRE_ASSERT(address != MAP_FAILED);
    outer_ = static_cast<std::byte*>(address);
    NACRE_ASSERT(mprotect(begin(), kPageBytes, PROT_READ | PROT_WRITE) == 0);
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer() { munmap(outer_, 3 * kPageBytes); }

  std::byte* begin() const noexcept { return outer_ + kPageBytes; }
  std::byte* end() const noexcept { return begin() + kPageBytes; }

 private:
  std::byte* outer_;
};

}  // namespace nacre::test
