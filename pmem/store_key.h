#pragma once

// The processor's protection key (pkeys(7)) without which nobody stores into nacre's mappings.
//
// A process has 15 keys to give away. nacre takes one, when it is first asked for, puts all its
// mappings under it, and keeps it: had it been given back while a page was still under it, that
// page would be open to whoever gets the key next.
//
// What lies under the key can be neither stored to nor read, but by a thread inside a StoreScope.
// The kernel gives no more to a thread that began before the key was taken, nor to a signal handler
// (pkeys(7), "Signal Handler Behavior"; init_pkru_value in Linux's arch/x86/mm/pkeys.c); a key that
// forbade stores alone would let some threads read and kill others. So memory under the key is for
// storing alone, and readers have a mapping of their own, which is under no key.
//
// Thread safety: every function may be called from any thread. A scope is of the thread that opened
// it, and ends there.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nacre/result.h"

namespace nacre::pmem {

/// Whether the processor has protection keys and the kernel uses them.
struct StoreKeySupport {
  bool processor = false;
  bool kernel = false;
};
StoreKeySupport probe_store_keys() noexcept;

/// `unsupported`: why a process has no key, and what to do. `sys_errno`: of asking the kernel for
/// one, or 0.
Error no_store_key(const StoreKeySupport& support, int sys_errno);

/// This thread's rights to the pages of each key: the register PKRU. REQUIRES: the kernel uses
/// keys. RDPKRU and WRPKRU (Intel SDM volume 2) want ECX to be 0, and the latter EDX, too.
#if defined(__x86_64__)
inline std::uint32_t read_rights() noexcept {
  std::uint32_t rights = 0;
  std::uint32_t zero = 0;
  __asm__ volatile("rdpkru" : "=a"(rights), "=d"(zero) : "c"(0));
  return rights;
}
/// The compiler moves no access across it, and the processor lets none run ahead of it.
inline void write_rights(std::uint32_t rights) noexcept {
  __asm__ volatile("wrpkru" : : "a"(rights), "c"(0), "d"(0) : "memory");
}
#else
inline std::uint32_t read_rights() noexcept { return 0; }
inline void write_rights(std::uint32_t) noexcept {}
#endif

/// The key, or none: then everybody stores as ever.
class StoreKey {
 public:
  constexpr StoreKey() noexcept = default;

  /// The one key of this process, taken now when it has none yet.
  /// Errors: `unsupported` where processor or kernel have no keys, or others took all there are.
  static Result<StoreKey> of_process();

  explicit operator bool() const noexcept { return closed_bits_ != 0; }

  /// Puts the pages of [begin, begin + bytes), which are mapped for reading and writing, under the
  /// key. `path` is the file behind them, and stands in the error. Errors: `no_space`, `io`.
  Status protect(std::byte* begin, std::size_t bytes, const std::string& path) const;

 private:
  friend class StoreScope;
  explicit constexpr StoreKey(int number) noexcept
      : number_(number), closed_bits_(std::uint32_t{3} << (2 * number)) {}

  int number_ = 0;
  /// Of the register PKRU: reading and storing is forbidden. 0 without a key.
  std::uint32_t closed_bits_ = 0;
};

/// While it lives, its thread may store into what lies under the key. Scopes nest. What is started
/// or called meanwhile may do so, too: nothing but stores belongs inside.
class StoreScope {
 public:
  explicit StoreScope(StoreKey key) noexcept : closed_bits_(key.closed_bits_) {
    if (closed_bits_ != 0) [[unlikely]] {
      before_ = read_rights();
      write_rights(before_ & ~closed_bits_);
    }
  }
  ~StoreScope() {
    if (closed_bits_ != 0) [[unlikely]]
      write_rights(before_);
  }
  StoreScope(const StoreScope&) = delete;
  StoreScope& operator=(const StoreScope&) = delete;

 private:
  const std::uint32_t closed_bits_;
  std::uint32_t before_ = 0;
};

}  // namespace nacre::pmem
