#include "pmem/store_key.h"

#include <sys/mman.h>

#include <cerrno>
#include <mutex>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nacre::pmem {
namespace {

Error unsupported(std::string_view why, int sys_errno) {
  return Error(ErrorCode::kUnsupported,
               std::string("overwrite protection needs a protection key, and ")
                   .append(why)
                   .append("; open without overwrite_protection"))
      .with_errno(sys_errno);
}

}  // namespace

Error no_store_key(const StoreKeySupport& support, int sys_errno) {
  if (!support.processor) return unsupported("this processor has none (pku)", sys_errno);
  if (!support.kernel) {
    return unsupported("the kernel does not use this processor's (started with nopku?)", sys_errno);
  }
  if (sys_errno == ENOSPC) return unsupported("others in this process have taken all", sys_errno);
  return unsupported("the kernel refuses one", sys_errno);
}

StoreKeySupport probe_store_keys() noexcept {
  StoreKeySupport support;
#if defined(__x86_64__)
  // CPUID leaf 7, subleaf 0 (Intel SDM volume 2, CPUID).
  constexpr unsigned kPkuInEcx = 1u << 3;
  constexpr unsigned kOsPkeInEcx = 1u << 4;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return support;
  support.processor = (ecx & kPkuInEcx) != 0;
  support.kernel = (ecx & kOsPkeInEcx) != 0;
#endif
  return support;
}

Result<StoreKey> StoreKey::of_process() {
  static std::mutex mutex;
  static int taken = 0;  // Key 0 is what all other memory is under.
  const std::lock_guard lock(mutex);
  if (taken == 0) {
    // No access, not only no stores: every thread, this one too, then has the same rights.
    const StoreKeySupport support = probe_store_keys();
    const int number = support.kernel ? ::pkey_alloc(0, PKEY_DISABLE_ACCESS) : -1;
    if (number <= 0) return no_store_key(support, support.kernel ? errno : 0);
    taken = number;
  }
  return StoreKey(taken);
}

Status StoreKey::protect(std::byte* begin, std::size_t bytes, const std::string& path) const {
  if (closed_bits_ == 0) return {};
  if (::pkey_mprotect(begin, bytes, PROT_READ | PROT_WRITE, number_) == 0) return {};
  const int sys_errno = errno;
  return Error(sys_errno == ENOMEM ? ErrorCode::kNoSpace : ErrorCode::kIo,
               "cannot put the mapped file under a protection key; open without "
               "overwrite_protection")
      .with_errno(sys_errno)
      .with_path(path);
}

}  // namespace nacre::pmem
