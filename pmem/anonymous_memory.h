#pragma once

// Zeroed private memory that costs nothing until it is touched, page-aligned as O_DIRECT wants it.
//
// Thread safety: as plain memory.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::pmem {

enum class MemoryUse : std::uint8_t {
  kDense,   ///< All of it will be used: in huge pages, where the kernel has some.
  kSparse,  ///< Only little of it at any time: nothing is reserved.
};

class AnonymousMemory {
 public:
  /// `path` is the file the memory is for, and stands in the error. `bytes` is not 0.
  /// Errors: `no_space`.
  static Result<AnonymousMemory> create(std::size_t bytes, MemoryUse use, const std::string& path);
  AnonymousMemory(AnonymousMemory&& other) noexcept;
  AnonymousMemory& operator=(AnonymousMemory&& other) noexcept;
  ~AnonymousMemory();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  Bytes bytes() const noexcept { return {data_, size_}; }

  /// Brings all pages in, zeroed where they were not touched yet.
  void populate() noexcept;

  /// Gives the pages that lie wholly inside [begin, end) back; they read as zeros afterwards.
  void release(std::size_t begin, std::size_t end) noexcept;

 private:
  AnonymousMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}

  std::byte* data_;
  std::size_t size_;
};

}  // namespace nacre::pmem
