#pragma once

// Where the bytes of a table in the making go: large writes one behind the other, at multiples of
// 4096, with the checksums of blocks and areas computed on the way.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "lib/store/table_format.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

class TableSink {
 public:
  /// Begins at kTableDataOffset, in the data area, of an empty file at `path`.
  /// Errors: `no_space`, `io`.
  static Result<std::unique_ptr<TableSink>> create(FileSystem& file_system,
                                                   const std::filesystem::path& path);
  ~TableSink();
  TableSink(const TableSink&) = delete;
  TableSink& operator=(const TableSink&) = delete;

  /// Where the next byte goes.
  std::uint64_t offset() const noexcept { return written_ + used_; }

  /// `bytes` bytes to fill in, if so many have room before the next write; else null.
  std::byte* claim(std::size_t bytes) noexcept {
    if (bytes > kBufferBytes - used_) return nullptr;
    std::byte* at = buffer_ + used_;
    used_ += bytes;
    return at;
  }
  /// Errors, here and below: `no_space`, `io`; the file is then worth nothing.
  Status append(Bytes bytes);
  Status pad_to(std::size_t alignment);

  /// The data area ends here. Returns the checksums of its blocks.
  Result<std::vector<le32>> end_data();
  /// One whole area behind the data area.
  Result<TableArea> append_area(Bytes content);

  /// Durability: the whole file's content on success; not its name.
  Status finish(const TableHeader& header);

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
  static_assert(kBufferBytes % kTableBlockBytes == 0);

  explicit TableSink(std::unique_ptr<File> file);
  Status write_out();
  void check_blocks();

  std::unique_ptr<File> file_;
  std::byte* buffer_;
  std::size_t used_ = 0;
  std::uint64_t written_ = kTableDataOffset;
  bool in_data_ = true;
  std::vector<le32> block_crcs_;
};

}  // namespace nacre::store
