#include "emulation/simulation/twin_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/assert.h"

namespace nacre {
namespace {

Error cannot_map(std::size_t bytes, int sys_errno) {
  return Error(ErrorCode::kNoSpace,
               fmt::format("cannot map {} bytes twice for simulated media; lower the capacity, or "
                           "raise the limit on address space (ulimit -v)",
                           bytes))
      .with_errno(sys_errno);
}

/// `at`: replaces what is mapped there; null: anywhere.
std::byte* map_view(int descriptor, std::byte* at, std::size_t bytes, int protection) {
  const int flags = MAP_SHARED | MAP_NORESERVE | (at != nullptr ? MAP_FIXED : 0);
  void* const view = ::mmap(at, bytes, protection, flags, descriptor, 0);
  return view == MAP_FAILED ? nullptr : static_cast<std::byte*>(view);
}

/// An anonymous file of that size, or -1.
int make_file(std::size_t bytes) {
  const int descriptor = ::memfd_create("nacre-simulated-media", MFD_CLOEXEC);
  if (descriptor < 0 || ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0) return descriptor;
  const int sys_errno = errno;
  ::close(descriptor);
  errno = sys_errno;
  return -1;
}

}  // namespace

Result<std::unique_ptr<TwinMemory>> TwinMemory::create(std::size_t bytes) {
  NACRE_ASSERT(bytes > 0 && bytes % kPageBytes == 0);
  const int descriptor = make_file(bytes);
  if (descriptor < 0) return cannot_map(bytes, errno);
  std::byte* const open = map_view(descriptor, nullptr, bytes, PROT_READ | PROT_WRITE);
  std::byte* const guarded =
      open == nullptr ? nullptr : map_view(descriptor, nullptr, bytes, PROT_NONE);
  const int sys_errno = errno;
  ::close(descriptor);
  if (open == nullptr || guarded == nullptr) {
    if (open != nullptr) ::munmap(open, bytes);
    return cannot_map(bytes, sys_errno);
  }
  return std::unique_ptr<TwinMemory>(new TwinMemory(open, guarded, bytes));
}

TwinMemory::~TwinMemory() {
  ::munmap(open_, bytes_);
  ::munmap(guarded_, bytes_);
}

void TwinMemory::detach() {
  const int descriptor = make_file(bytes_);
  NACRE_ASSERT(descriptor >= 0);
  NACRE_ASSERT(map_view(descriptor, open_, bytes_, PROT_READ | PROT_WRITE) != nullptr);
  NACRE_ASSERT(map_view(descriptor, guarded_, bytes_, PROT_NONE) != nullptr);
  ::close(descriptor);
}

void TwinMemory::allow(std::size_t first_page, std::size_t pages, PageAccess access) noexcept {
  NACRE_ASSERT((first_page + pages) * kPageBytes <= bytes_);
  const int protection = access == PageAccess::kNone   ? PROT_NONE
                         : access == PageAccess::kRead ? PROT_READ
                                                       : PROT_READ | PROT_WRITE;
  // It fails when the process has too many mappings, and nothing simulated would be true then.
  NACRE_ASSERT(::mprotect(guarded_ + first_page * kPageBytes, pages * kPageBytes, protection) == 0);
}

}  // namespace nacre
