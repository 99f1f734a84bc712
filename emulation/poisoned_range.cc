#include "nacre/emulation/poisoned_range.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "lib/base/assert.h"

namespace nacre {
namespace {

Error mapping_error(std::string_view what, int number) {
  const bool limit = number == ENOMEM || number == EMFILE || number == ENFILE;
  const ErrorCode code = limit              ? ErrorCode::kNoSpace
                         : number == EFAULT ? ErrorCode::kInvalidArgument
                         : number == EINVAL ? ErrorCode::kInvalidArgument
                                            : ErrorCode::kIo;
  return Error(code, fmt::format("cannot {}; poison pages of one shared mapping", what))
      .with_errno(number);
}

}  // namespace

Result<PoisonedRange> PoisonedRange::create(Bytes bytes) {
  if (bytes.empty()) return Error(ErrorCode::kInvalidArgument, "no bytes to poison");
  constexpr auto kInPage = static_cast<std::uintptr_t>(kPageBytes - 1);
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data()) & ~kInPage;
  const auto end =
      (reinterpret_cast<std::uintptr_t>(bytes.data()) + bytes.size() + kInPage) & ~kInPage;
  const std::size_t size = end - begin;
  void* const pages = reinterpret_cast<void*>(begin);

  // An old size of 0 maps the pages of a shared mapping a second time (mremap(2)); what stands at
  // the address is then replaced in one step, so that no other thread finds nothing there.
  void* const aside = mremap(pages, 0, size, MREMAP_MAYMOVE);
  if (aside == MAP_FAILED) return mapping_error("map the pages a second time", errno);
  // Every page of it lies past the end of the file, which is what a SIGBUS is for (mmap(2)).
  const int empty = memfd_create("nacre-poison", MFD_CLOEXEC);
  void* hole = MAP_FAILED;
  int number = errno;
  if (empty >= 0) {
    hole = mmap(pages, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, empty, 0);
    number = errno;
    close(empty);
  }
  if (hole == MAP_FAILED) {
    munmap(aside, size);
    return mapping_error("put a hole in the place of the pages", number);
  }
  return PoisonedRange(static_cast<std::byte*>(pages), static_cast<std::byte*>(aside), size);
}

PoisonedRange::~PoisonedRange() {
  if (poisoned_ == nullptr) return;
  void* const healed = mremap(aside_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, poisoned_);
  // Memory that stayed poisoned would be blamed on whoever reads it next.
  NACRE_ASSERT(healed == poisoned_);
}

}  // namespace nacre
