#pragma once

// One piece of memory, mapped twice: a view that is always open, and one whose pages can be shut,
// so that every load and store through it is seen.
//
// Thread safety: none.

#include <cstddef>
#include <memory>

#include "nacre/result.h"

namespace nacre {

inline constexpr std::size_t kPageBytes = 4096;

enum class PageAccess : std::uint8_t { kNone, kRead, kReadWrite };

class TwinMemory {
 public:
  /// `bytes` is a multiple of 4096. Pages cost memory once they are touched. All pages of the
  /// guarded view are kNone, and all bytes zero.
  /// Errors: `no_space` (address space), `io`.
  static Result<std::unique_ptr<TwinMemory>> create(std::size_t bytes);
  ~TwinMemory();
  TwinMemory(const TwinMemory&) = delete;
  TwinMemory& operator=(const TwinMemory&) = delete;

  /// Becomes memory of this process alone, for a child that shares it with its parent: zeros, and
  /// all guarded pages kNone.
  void detach();

  std::byte* open() const noexcept { return open_; }
  std::byte* guarded() const noexcept { return guarded_; }
  std::size_t size() const noexcept { return bytes_; }

  /// What may be done through the guarded view to `pages` pages from `first_page` on.
  void allow(std::size_t first_page, std::size_t pages, PageAccess access) noexcept;

 private:
  TwinMemory(std::byte* open, std::byte* guarded, std::size_t bytes) noexcept
      : open_(open), guarded_(guarded), bytes_(bytes) {}

  std::byte* open_;
  std::byte* guarded_;
  std::size_t bytes_;
};

}  // namespace nacre
