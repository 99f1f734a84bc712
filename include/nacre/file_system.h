#pragma once

// The seam behind which every file operation of nacre stands, so that a simulator or a
// fault injector can take the place of the kernel.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

struct OpenOptions {
  bool writable = false;
  bool create = false;     ///< Create when missing (needs `writable`).
  bool exclusive = false;  ///< With `create`: fail with `busy` when the file exists.
  bool direct = false;     ///< O_DIRECT: offset, size and memory aligned to 4096 bytes.
  bool data_sync = false;  ///< O_DSYNC: each write is durable when it returns.
};

/// An open file. Closed by destruction.
///
/// Thread safety: reads and writes of disjoint ranges may run at once. Every error carries the
/// file's path, the offset and errno.
class File {
 public:
  virtual ~File() = default;

  /// Reads `buffer.size()` bytes at `offset`, or as many as there are before the end of the file;
  /// returns how many. Short reads before the end are continued inside.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) = 0;

  /// Writes all of `bytes` at `offset`; short writes are continued inside.
  /// Durability: with `data_sync`, `bytes` are durable on success; otherwise after `sync_data`.
  /// Errors: `no_space`, `io`. After an error any part of the range may have been written.
  virtual Status write_at(std::uint64_t offset, Bytes bytes) = 0;

  /// As `read_at`, into `buffers` one after the other.
  virtual Result<std::size_t> read_vectored_at(std::uint64_t offset,
                                               std::span<const std::span<std::byte>> buffers);

  /// As `write_at`, of `parts` one after the other.
  virtual Status write_vectored_at(std::uint64_t offset, std::span<const Bytes> parts);

  /// Reserves space for [offset, offset + bytes) and extends the file over it; reads as zeros.
  /// Errors: `no_space`, `unsupported`, `io`.
  virtual Status preallocate(std::uint64_t offset, std::uint64_t bytes) = 0;

  virtual Status resize(std::uint64_t bytes) = 0;

  /// Durability: on success every write completed before the call, with the metadata needed to
  /// read it back. After a failure nothing is known, and a later success proves nothing about it.
  virtual Status sync_data() = 0;
  /// As `sync_data`, with all other metadata too (fsync).
  virtual Status sync() = 0;

  virtual Result<std::uint64_t> size() = 0;

  /// Takes an exclusive advisory lock, held until the File is destroyed or the process dies.
  /// Errors: `busy` when somebody else holds it.
  virtual Status lock_exclusive() = 0;

  virtual const std::filesystem::path& path() const noexcept = 0;

  /// The descriptor for mapping, or -1 when no kernel file stands behind.
  virtual int native_handle() const noexcept = 0;
};

/// One part at a time; for implementations that cannot do better.
inline Result<std::size_t> File::read_vectored_at(std::uint64_t offset,
                                                  std::span<const std::span<std::byte>> buffers) {
  std::size_t done = 0;
  for (const std::span<std::byte> buffer : buffers) {
    const auto got = read_at(offset + done, buffer);
    if (!got) return got;
    done += *got;
    if (*got < buffer.size()) break;
  }
  return done;
}

inline Status File::write_vectored_at(std::uint64_t offset, std::span<const Bytes> parts) {
  for (const Bytes part : parts) {
    if (Status written = write_at(offset, part); !written) return written;
    offset += part.size();
  }
  return {};
}

struct FileStat {
  std::uint64_t bytes = 0;
  bool is_directory = false;
};

/// Thread safety: every member may be called from any thread. Every error carries path and errno.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Errors: `not_found`, `busy` (with `exclusive`), `unsupported` (`direct` refused),
  /// `no_space`, `io`.
  virtual Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                             const OpenOptions& options) = 0;
  /// Replaces `to` atomically.
  /// Durability: only after `sync_directory` of the parent directories.
  virtual Status rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Gives the file `from` the further name `to`, under which there is nothing yet: both are one
  /// file from then on. Durability: only after `sync_directory` of the parent of `to`. Errors:
  /// `not_found`, `busy` (there is something called `to`), `unsupported` (another file system, or
  /// one without such links: copy the file), `no_space`, `io`.
  virtual Status link(const std::filesystem::path& from, const std::filesystem::path& to);
  /// Errors: `not_found`, `io`.
  virtual Status remove(const std::filesystem::path& path) = 0;
  /// Creates one directory; success when it exists already.
  virtual Status create_directory(const std::filesystem::path& path) = 0;
  /// Names (not paths) in `path`, sorted.
  virtual Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) = 0;
  /// Errors: `not_found`, `io`.
  virtual Result<FileStat> stat(const std::filesystem::path& path) = 0;
  /// Durability: on success every create, rename and remove in `path` before the call.
  virtual Status sync_directory(const std::filesystem::path& path) = 0;
};

/// For implementations that have no links.
inline Status FileSystem::link(const std::filesystem::path& from, const std::filesystem::path& to) {
  static_cast<void>(to);
  return Error(ErrorCode::kUnsupported, "this file system has no links; copy the file")
      .with_path(from.string());
}

/// The kernel's files, and NVMe namespaces past its block layer.
///
/// The character device of a namespace (/dev/ngXnY; Linux 5.13, by its name in sysfs) is a File of
/// fixed size. Offset and size are multiples of its block (512 to 4096 bytes), memory is aligned to
/// 4 bytes; `direct` changes nothing, `data_sync` sets FUA on each write, the syncs are a flush.
/// `resize` and `preallocate` are `unsupported`, writing beyond its end is `no_space`, a device
/// that fails a command is named with its NVMe status. Its block device (/dev/nvmeXnY) has the same
/// bytes behind a page cache that does not learn of what is written here: whoever writes takes
/// `lock_exclusive`, which is `busy` while a file system is mounted from there, and keeps one from
/// being mounted. Before Linux 6.2 all of it takes CAP_SYS_ADMIN.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status link(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& path) override;
  Status create_directory(const std::filesystem::path& path) override;
  Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) override;
  Result<FileStat> stat(const std::filesystem::path& path) override;
  Status sync_directory(const std::filesystem::path& path) override;
};

}  // namespace nacre
