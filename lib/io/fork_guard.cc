#include "lib/io/fork_guard.h"

#include <sys/mman.h>

namespace nacre {
namespace {

constexpr std::size_t kPageBytes = 4096;
/// Stands in where a page of one's own cannot be had.
constexpr char kNeverCleared = 1;

}  // namespace

ForkGuard::ForkGuard() noexcept : mark_(&kNeverCleared) {
  void* page =
      ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, kPageBytes, MADV_WIPEONFORK) != 0) {
    ::munmap(page, kPageBytes);
    return;
  }
  auto* mark = static_cast<char*>(page);
  *mark = 1;
  mark_ = mark;
}

ForkGuard::~ForkGuard() {
  if (mark_ != &kNeverCleared) ::munmap(const_cast<char*>(mark_), kPageBytes);
}

}  // namespace nacre
