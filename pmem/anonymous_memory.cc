#include "pmem/anonymous_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lib/base/assert.h"

namespace nacre::pmem {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kPopulateBytes = std::size_t{2} << 20;

}  // namespace

Result<AnonymousMemory> AnonymousMemory::create(std::size_t bytes, MemoryUse use,
                                                const std::string& path) {
  NACRE_ASSERT(bytes > 0);
  const int reserve = use == MemoryUse::kSparse ? MAP_NORESERVE : 0;
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | reserve, -1, 0);
  if (address == MAP_FAILED) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("no memory for an image of {} bytes; use smaller segments", bytes))
        .with_errno(errno)
        .with_path(path);
  }
  // Fewer faults, and fewer pages for the device to be told of.
  if (use == MemoryUse::kDense) ::madvise(address, bytes, MADV_HUGEPAGE);
  return AnonymousMemory(static_cast<std::byte*>(address), bytes);
}

AnonymousMemory::AnonymousMemory(AnonymousMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AnonymousMemory& AnonymousMemory::operator=(AnonymousMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AnonymousMemory::~AnonymousMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void AnonymousMemory::populate() noexcept {
  // In pieces: one call over it all keeps the process from mapping anything else meanwhile.
  for (std::size_t begin = 0; begin < size_; begin += kPopulateBytes) {
    const std::size_t bytes = std::min(kPopulateBytes, size_ - begin);
    // A kernel before 5.14 does not know the call; the pages then come when they are touched.
    if (::madvise(data_ + begin, bytes, MADV_POPULATE_WRITE) != 0) return;
  }
}

void AnonymousMemory::release(std::size_t begin, std::size_t end) noexcept {
  begin = (begin + kPageBytes - 1) / kPageBytes * kPageBytes;
  end = end / kPageBytes * kPageBytes;
  if (begin >= end) return;
  NACRE_ASSERT(end <= size_);
  // Where it fails, the memory is kept, which costs only space.
  static_cast<void>(::madvise(data_ + begin, end - begin, MADV_DONTNEED));
}

}  // namespace nacre::pmem
