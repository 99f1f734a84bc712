#pragma once

// What the files of a simulated machine hold, and their names: the part below handles and paths.
//
// Everything lies in the media, so that a crash leaves it as it leaves memory. A file has an inode,
// which is never used again: 8 bytes for its size, and a range of fixed length for its content,
// zeros past its end. All names together are 8 bytes, an index into a NameTable. What the program
// does is recorded; what it looks at is told beforehand, since a crash may have left it open.
//
// Thread safety: any thread; the bytes of two files, or two parts of one, are one after the other.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "emulation/simulation/name_table.h"
#include "emulation/simulation/trace.h"
#include "emulation/simulation/twin_memory.h"
#include "lib/base/thread_annotations.h"
#include "nacre/types.h"

namespace nacre {

class Machine;

class SimulatedFiles {
 public:
  using Inode = std::uint32_t;
  static constexpr std::size_t kMaxInodes = 1024;
  /// What it takes of a machine beside the content of files.
  static constexpr std::size_t kTableBytes = kPageBytes + kMaxInodes * sizeof(std::uint64_t);

  /// Takes what `machine` has not allocated yet. Lifetime: `machine` outlives this.
  SimulatedFiles(Machine& machine, std::size_t max_file_bytes);

  /// What a program did before a crash, and no machine remembers: locks, and which handles are its
  /// own. Raised by `begin_recovery`.
  std::uint64_t epoch() const noexcept { return epoch_; }
  void begin_recovery() EXCLUDES(mutex_);
  /// Becomes what `other` is, but for what its media hold: makes room for its inodes, and knows its
  /// names.
  void adopt(SimulatedFiles& other) EXCLUDES(mutex_);
  /// How many files were ever made; known to no crash.
  std::uint64_t inodes() EXCLUDES(mutex_);
  void restore_inodes(std::uint64_t inodes) EXCLUDES(mutex_);
  std::size_t max_file_bytes() const noexcept { return max_file_bytes_; }

  /// Names, as the program sees them. Valid until the machine ends.
  const Names& names() EXCLUDES(mutex_);
  /// The caller has seen to it that the operation can be done.
  void change_names(const NameOperation& operation, const void* site) EXCLUDES(mutex_);
  void sync_names(std::string_view directory, const void* site) EXCLUDES(mutex_);

  /// None when all are used up.
  std::optional<Inode> make_inode() EXCLUDES(mutex_);
  std::uint64_t size(Inode inode) EXCLUDES(mutex_);
  /// Where its bytes lie.
  MediaAddress content(Inode inode) const noexcept;

  /// [offset, offset + buffer.size()) lies within the file's range. Returns how many bytes there
  /// are before its end.
  std::size_t read(Inode inode, std::uint64_t offset, std::span<std::byte> buffer) EXCLUDES(mutex_);
  /// As `read`. `durable`: when it returns. False when it fails.
  [[nodiscard]] bool write(Inode inode, std::uint64_t offset, Bytes bytes, bool durable,
                           const void* site) EXCLUDES(mutex_);
  /// A write that is under way: what it wrote can be seen at once. Returns what `end_write` asks
  /// for.
  std::size_t begin_write(Inode inode, std::uint64_t offset, Bytes bytes, const void* site)
      EXCLUDES(mutex_);
  [[nodiscard]] bool end_write(Inode inode, std::size_t begun, bool durable, const void* site)
      EXCLUDES(mutex_);
  /// At most `max_file_bytes()`.
  void resize(Inode inode, std::uint64_t bytes, const void* site) EXCLUDES(mutex_);
  /// False when it fails.
  [[nodiscard]] bool sync(Inode inode, const void* site) EXCLUDES(mutex_);
  /// As SimulatedMachine::fail_syncs and fail_writes.
  void fail_syncs(std::size_t count) noexcept EXCLUDES(mutex_);
  void fail_writes(std::size_t count) noexcept EXCLUDES(mutex_);

  /// The file that has `address` in its content, and where; none where it is no file's.
  struct Place {
    std::string path;  ///< Its newest name.
    std::uint64_t offset = 0;
  };
  std::optional<Place> place_of(MediaAddress address) EXCLUDES(mutex_);
  /// The path of the file whose size stands at `address`; empty where none does.
  std::string path_of_size(MediaAddress address) EXCLUDES(mutex_);

  /// Whether `holder` has the lock now.
  bool lock(Inode inode, const void* holder) EXCLUDES(mutex_);
  void unlock(Inode inode, const void* holder) noexcept EXCLUDES(mutex_);

 private:
  std::string path_of(Inode inode) const REQUIRES(mutex_);
  MediaAddress size_address(Inode inode) const noexcept;
  std::uint64_t load(MediaAddress address) const noexcept;
  /// Places the number, and records nothing.
  void place(MediaAddress address, std::uint64_t value);
  std::uint64_t read_size(Inode inode) REQUIRES(mutex_);
  /// What lies past the end reads as zeros when the file grows over it; a crash may have left
  /// something else there.
  void clear_past_end(Inode inode, std::uint64_t begin, std::uint64_t end) REQUIRES(mutex_);
  std::size_t begin_locked(Inode inode, std::uint64_t offset, Bytes bytes, const void* site)
      REQUIRES(mutex_);
  bool end_locked(Inode inode, std::size_t begun, bool durable, const void* site) REQUIRES(mutex_);

  Machine& machine_;
  std::size_t max_file_bytes_;
  MediaAddress names_ = 0;        // The index of the names.
  MediaAddress inode_count_ = 0;  // Beside it, and never open after a crash.
  MediaAddress sizes_ = 0;
  MediaAddress contents_ = 0;
  std::size_t max_inodes_ = 0;
  std::uint64_t epoch_ = 0;
  Mutex mutex_;
  std::shared_ptr<NameTable> table_ = std::make_shared<NameTable>();
  std::map<Inode, const void*> locks_ GUARDED_BY(mutex_);
  std::size_t failing_syncs_ GUARDED_BY(mutex_) = 0;
  std::size_t failing_writes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre
