#pragma once

// The memory that I/O buffers are cut from: one range, from the kind of memory that was asked for,
// or from plain pages with the reason why.
//
// memkind supplies the kinds. The range is taken from it as a whole and cut up by BufferPool: a
// kernel registers one range at little cost, and thousands of scattered ones at none it would pay.
//
// Thread safety: as plain memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "nacre/result.h"

namespace nacre {

enum class BufferMemoryKind : std::uint8_t {
  kDefault,    ///< memkind's default: ordinary memory, in huge pages where the kernel has some.
  kHugePages,  ///< Huge pages that the administrator has reserved (vm.nr_hugepages).
  kDirectory,  ///< A file without a name in a directory on PMEM or CXL memory, as far memory.
  kPlain,      ///< Pages of the kernel's, past memkind; huge ones where it has some.
};

/// "default", "huge_pages", "directory", "plain".
std::string_view buffer_memory_kind_name(BufferMemoryKind kind) noexcept;

class BufferMemory {
 public:
  /// Every range begins at a multiple of this.
  static constexpr std::size_t kAlignment = std::size_t{2} << 20;

  struct Options {
    BufferMemoryKind kind = BufferMemoryKind::kDefault;
    /// Of `kDirectory`.
    std::filesystem::path directory = {};
  };

  /// `bytes` of memory with any content; not 0. Where the kind cannot be had, plain memory is, and
  /// `reason` says why.
  /// Errors: `no_space` when there is no plain memory either.
  static Result<BufferMemory> create(std::size_t bytes, const Options& options);

  std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// What it is, which is not always what was asked for.
  BufferMemoryKind kind() const noexcept { return kind_; }
  /// Why `kind` is not what was asked for, and what to do about it; empty when it is.
  const std::string& reason() const noexcept { return reason_; }

 private:
  /// Gives memory back to where it came from.
  struct Source {
    virtual ~Source() = default;
  };
  class Kind;
  class Pages;

  static Result<BufferMemory> from_memkind(std::size_t bytes, const Options& options);
  static Result<BufferMemory> from_kernel(std::size_t bytes);

  BufferMemory(std::span<std::byte> bytes, BufferMemoryKind kind, std::unique_ptr<Source> source)
      : bytes_(bytes), kind_(kind), source_(std::move(source)) {}

  std::span<std::byte> bytes_;
  BufferMemoryKind kind_;
  std::string reason_ = {};
  std::unique_ptr<Source> source_;
};

}  // namespace nacre
