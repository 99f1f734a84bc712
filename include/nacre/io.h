#pragma once

// Asynchronous file I/O: the requests, and the seam behind which io_uring, a pool of threads, or
// a fault injector carries them out.
//
// A request moves into the engine with its buffers and comes back with them, once, whatever
// happens to it. Transfers that the kernel cuts short are continued inside, so a write has written
// everything or failed, and a read is short only at the end of the file.
//
// Forking: an engine belongs to the process that made it. In a child each request ends with
// `closed`, what the parent had under way is not given back, and destroying the engine and what was
// made known to it leaves the parent's alone. Where MADV_WIPEONFORK is missing (before Linux 4.14)
// a child must leave it alone altogether.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

enum class IoKind : std::uint8_t {
  kRead,           ///< `bytes` is what the buffers hold together, from `offset` on.
  kWrite,          ///< As `kRead`. Beyond `ulimit -f` it raises SIGXFSZ, as write(2) does.
  kSync,           ///< fsync
  kSyncData,       ///< fdatasync
  kAllocate,       ///< Reserves [offset, offset + bytes), and extends the file over it.
  kTruncate,       ///< Makes the file `offset` bytes long.
  kAdvise,         ///< posix_fadvise(2) of [offset, offset + bytes) with `advice`; a hint.
  kRename,         ///< `path` becomes `target`, replacing it.
  kRemove,         ///< Unlinks `path`, or removes it when it is an empty directory.
  kSyncDirectory,  ///< fsync of the directory `path`.
};

inline constexpr std::size_t kIoKinds = 10;

/// "read", "write", "sync", "sync_data", "allocate", "truncate", "advise", "rename", "remove",
/// "sync_directory".
std::string_view io_kind_name(IoKind kind) noexcept;

/// For whom a request is made. The scheduler shares the device by it.
enum class IoClass : std::uint8_t {
  kForegroundRead,  ///< Somebody waits for the bytes.
  kLog,             ///< Somebody waits for an acknowledgement.
  kFlush,           ///< Memory is waiting to be freed.
  kCompaction,      ///< Nobody waits.
};

inline constexpr std::size_t kIoClasses = 4;

/// "foreground_read", "log", "flush", "compaction".
std::string_view io_class_name(IoClass io_class) noexcept;

/// Memory for a transfer: a handle with one owner.
class IoBuffer {
 public:
  /// Where a buffer goes when its last owner lets it go.
  class Home {
   public:
    virtual void take_back(std::span<std::byte> memory) noexcept = 0;

   protected:
    ~Home() = default;
  };

  /// No memory at all.
  IoBuffer() = default;
  /// The caller's own memory, which stays valid until the buffer has come back. `slot` is what
  /// IoMemory::slot says of the registration that covers it, if any.
  static IoBuffer borrow(std::span<std::byte> memory, int slot = -1) noexcept {
    return IoBuffer(memory, slot, nullptr);
  }
  /// Memory of `home`, which outlives it.
  IoBuffer(std::span<std::byte> memory, int slot, Home* home) noexcept
      : data_(memory.data()),
        capacity_(memory.size()),
        size_(memory.size()),
        slot_(slot),
        home_(home) {}
  IoBuffer(IoBuffer&& other) noexcept { swap(other); }
  IoBuffer& operator=(IoBuffer&& other) noexcept {
    IoBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~IoBuffer() {
    if (home_ != nullptr) home_->take_back({data_, capacity_});
  }

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  /// Where in the table of registered memory it lies, or -1.
  int slot() const noexcept { return slot_; }
  /// The part that takes part in a transfer: the first `bytes` of it, at most `capacity()`.
  void set_size(std::size_t bytes) noexcept { size_ = bytes < capacity_ ? bytes : capacity_; }

 private:
  void swap(IoBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    std::swap(slot_, other.slot_);
    std::swap(home_, other.home_);
  }

  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  int slot_ = -1;
  Home* home_ = nullptr;
};

class IoBackend;

/// A file made known to a backend, which io_uring thanks with a cheaper lookup.
///
/// It serves requests at `backend` alone; at another one they end with `invalid_argument`, or go by
/// `file()` where there is no table of files. A file that several backends use has one for each.
///
/// Lifetime: `backend` and `file` outlive it; it outlives every request that names it.
class IoFile {
 public:
  IoFile(IoBackend& backend, File& file);
  ~IoFile();
  IoFile(const IoFile&) = delete;
  IoFile& operator=(const IoFile&) = delete;

  File& file() const noexcept { return file_; }
  /// Its place in the backend's table of files, or -1.
  int slot() const noexcept { return slot_; }

 private:
  IoBackend& backend_;
  File& file_;
  int slot_;
};

/// Memory made known to a backend: the kernel then pins it once, not for each transfer.
///
/// Lifetime: `backend` and the memory outlive it; it outlives every request on the memory.
class IoMemory {
 public:
  IoMemory(IoBackend& backend, std::span<std::byte> memory);
  ~IoMemory();
  IoMemory(const IoMemory&) = delete;
  IoMemory& operator=(const IoMemory&) = delete;

  /// For IoBuffer; -1 where the backend does not register memory, or could not.
  int slot() const noexcept { return slot_; }

 private:
  IoBackend& backend_;
  int slot_;
};

class IoBufferGroup;

/// What a caller asks for. Class, timeout and deadline are for the scheduler that nacre's own files
/// go through; a bare backend carries out what it gets as soon as it can, and may look at the class
/// to choose how.
struct IoRequest {
  IoKind kind = IoKind::kRead;
  IoClass io_class = IoClass::kForegroundRead;
  /// Of a write: durable on success, as if the file had been opened with `data_sync`.
  bool durable = false;
  /// POSIX_FADV_*, for `kAdvise`.
  int advice = 0;
  const IoFile* file = nullptr;  ///< Of every kind but those with a `path`.
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< Of `kAllocate`, of `kAdvise`, and of a read without buffers.
  std::vector<IoBuffer> buffers = {};
  /// Where a read of `bytes` that brings no buffers gets one (<nacre/io_buffer_group.h>): 1 to as
  /// many as one of them holds.
  IoBufferGroup* group = nullptr;
  std::filesystem::path path = {};
  std::filesystem::path target = {};
  /// From submission on; 0 for none. A request that has not begun by then, or that the kernel can
  /// still call back, ends with `timed_out`. No backend looks at it.
  std::uint64_t timeout_ns = 0;
  /// From submission on; 0 for none. A read is wanted by then: the earliest goes first, and one
  /// that comes later is carried out all the same. No backend looks at it.
  std::uint64_t deadline_ns = 0;

  /// What its buffers hold together.
  std::size_t buffer_bytes() const noexcept {
    std::size_t sum = 0;
    for (const IoBuffer& buffer : buffers) sum += buffer.size();
    return sum;
  }
  /// Whether it is still to get the buffer it reads into.
  bool wants_buffer() const noexcept {
    return group != nullptr && kind == IoKind::kRead && buffers.empty();
  }
  /// What it transfers at most.
  std::size_t transfer_bytes() const noexcept { return wants_buffer() ? bytes : buffer_bytes(); }
};

/// How a request ended.
struct IoCompletion {
  /// `cancelled`: it was cancelled, or a step before it in its chain failed; nothing of it happened
  /// that matters. `busy`: no buffer of its group was free. Otherwise the errors of the File or
  /// FileSystem function of the same name.
  Status status;
  std::size_t bytes = 0;  ///< Transferred.
  /// As they were given. Of a read from a group: on success the one it got, which holds `bytes`.
  std::vector<IoBuffer> buffers = {};
};

/// A request as a backend carries it out. Belongs to whoever submitted it, and is left alone from
/// then until `reap` has returned it; then it may be filled in and submitted again, here or at
/// another backend. It is neither copied nor moved, for backends go by its address.
struct IoOperation {
  /// What a backend keeps with an operation; it survives from one use to the next.
  struct Scratch {
    /// `the_kind` tells one class of these from the others; an address does.
    explicit Scratch(const void* the_kind = nullptr) noexcept : kind(the_kind) {}
    virtual ~Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    const void* const kind;
  };

  IoOperation() = default;
  IoOperation(const IoOperation&) = delete;
  IoOperation& operator=(const IoOperation&) = delete;

  IoRequest request;
  /// Begins when this one has succeeded; ends with `cancelled` when it has not.
  IoOperation* next_in_chain = nullptr;
  Status outcome = {};
  std::size_t transferred = 0;
  void* owner = nullptr;  ///< Whoever submitted it may leave a mark here.

  // For backends alone.
  std::unique_ptr<Scratch> scratch = {};
  const IoBackend* backend = nullptr;  ///< Which has it, or had it last.
  bool in_flight = false;              ///< Whether it has it.
};

/// One thing a backend can do better with some kernels than with others.
struct IoFeature {
  std::string_view name;  ///< Such as "registered_buffers".
  bool on = false;
  /// Why it is off, or on for less than it was asked for, and what to do about it; else empty.
  std::string reason;
};

struct IoBackendInfo {
  std::string_view name;  ///< "io_uring" or "posix".
  std::string reason;     ///< A sentence on how the choice was made.
  std::vector<IoFeature> features;
};

/// One line for a log: "io_uring (registered_files, linked_chains; off: sqpoll)".
std::string describe(const IoBackendInfo& info);

/// Carries operations out. Used by one scheduler, or by one owner that counts what is in flight.
///
/// Programmer errors, which are asserted: submitting a null pointer, an operation that has not been
/// reaped yet, or more than `depth()`; calling back one that was never submitted here.
///
/// Thread safety: `reap` by one thread at a time; everything else from any thread. A backend of one
/// thread says so where it is made. A fork while another thread is inside a call is harmless.
class IoBackend {
 public:
  static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

  /// Every operation has been reaped before.
  virtual ~IoBackend() = default;

  /// Begins `operations`, each with its chain, in any order. Does not wait for the device. What
  /// cannot even be begun is reaped with its error. At most `depth()` operations, those of chains
  /// included, are with the backend at a time. `reap_follows`: this thread calls `reap` next, so
  /// that both may be one call of the kernel.
  virtual void submit(std::span<IoOperation* const> operations, bool reap_follows) = 0;

  /// Gives back operations that have ended, at most `ended.size()`, which is not 0; returns how
  /// many. Waits for the first up to `wait_ns`; returns early after `wake`. A chain is given back
  /// when all of it has ended, in its order, in one call or several.
  virtual std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) = 0;

  /// Has a `reap` that waits, or else the next, return at once.
  virtual void wake() noexcept = 0;

  /// Tries to call `operation` back, with the chain behind it. It is reaped all the same: with
  /// `cancelled`, or as it ended. `operation` is the first of its chain, and has been submitted
  /// here; once it has been reaped nothing happens.
  virtual void cancel(IoOperation& operation) = 0;

  /// How many operations it takes at a time.
  virtual std::size_t depth() const noexcept = 0;
  virtual const IoBackendInfo& info() const noexcept = 0;
  /// Whether it belongs to the thread that made it (`IoBackendOptions::single_thread`).
  virtual bool single_thread() const noexcept { return false; }

  /// For IoFile and IoMemory. Returns a slot, or -1.
  virtual int attach_file(File& file) { return static_cast<void>(file), -1; }
  virtual void detach_file(int slot) noexcept { static_cast<void>(slot); }
  virtual int attach_memory(std::span<std::byte> memory) { return static_cast<void>(memory), -1; }
  virtual void detach_memory(int slot) noexcept { static_cast<void>(slot); }

  /// For IoBufferGroup. Returns a slot, and the backend has then been offered all buffers of
  /// `group`: it lends them itself, and is offered each one anew that comes back, by its index. Or
  /// -1: the group keeps a list.
  virtual int attach_group(const IoBufferGroup& group) { return static_cast<void>(group), -1; }
  virtual void detach_group(int slot) noexcept { static_cast<void>(slot); }
  /// From any thread, inside calls of the backend too.
  virtual void offer_buffer(int slot, std::size_t index) noexcept {
    static_cast<void>(slot), static_cast<void>(index);
  }

  /// Whether `file` stays open, and its lock held, until the last operation has ended even when the
  /// process is killed. A call ends before the process's files are closed; what a ring has under
  /// way does not, unless the ring keeps the file as well. Where it cannot be told: no.
  virtual bool holds(const IoFile& file) { return static_cast<void>(file), false; }

  /// For whoever fills it to its depth, which two cannot do at a time: false when it is taken.
  bool claim() noexcept { return !claimed_.exchange(true); }
  void release() noexcept { claimed_.store(false); }

 private:
  std::atomic<bool> claimed_{false};
};

inline IoFile::IoFile(IoBackend& backend, File& file)
    : backend_(backend), file_(file), slot_(backend.attach_file(file)) {}
inline IoFile::~IoFile() {
  if (slot_ >= 0) backend_.detach_file(slot_);
}
inline IoMemory::IoMemory(IoBackend& backend, std::span<std::byte> memory)
    : backend_(backend), slot_(backend.attach_memory(memory)) {}
inline IoMemory::~IoMemory() {
  if (slot_ >= 0) backend_.detach_memory(slot_);
}

/// Which engine carries requests out.
enum class IoEngine : std::uint8_t {
  kAuto,  ///< io_uring where it is there and allowed and `file_system` is a PosixFileSystem, else
          ///< POSIX calls.
  kIoUring,  ///< Errors: `unsupported` where it is not.
  kPosix,    ///< A pool of threads over the File seam; works with every FileSystem.
};

struct IoBackendOptions {
  IoEngine engine = IoEngine::kAuto;
  /// Operations in flight: 1 to 4096.
  std::size_t depth = 128;
  /// POSIX: at most so many threads; 0 for none, each operation then runs inside `reap`.
  std::size_t threads = 4;
  /// io_uring: submit, reap, cancel, attach and detach come from one thread alone, the one that
  /// made the backend; the kernel then saves itself some locks (SINGLE_ISSUER, DEFER_TASKRUN).
  bool single_thread = false;
  /// io_uring: a thread of the kernel's looks for submissions (SQPOLL), and burns a core while it
  /// does.
  bool kernel_polls_submissions = false;
  /// io_uring: the device is polled for completions (IOPOLL). The backend then takes reads and
  /// writes of files opened with `direct` alone, and with `nvme_passthrough` syncs of namespaces.
  bool poll_device = false;
  /// io_uring: reads, writes and syncs of an NVMe namespace (PosixFileSystem::open of /dev/ngXnY)
  /// are commands that go past the block layer (Linux 5.19), which takes entries of twice the size.
  /// A transfer larger than one command takes (at most 128 KiB) is one command after the other.
  /// Without it the calls of the File carry them out, one at a time. With `poll_device` too, reads
  /// and writes are polled for from Linux 6.5 on; an older kernel may crash on that, and gets no
  /// such ring.
  bool nvme_passthrough = false;
  /// Why `engine` was asked for, for IoBackendInfo::reason; empty: that it was.
  std::string reason = {};
};

/// Lifetime: `file_system` outlives the backend. io_uring goes by the descriptors of files, past a
/// FileSystem that is not the kernel's, and so is taken for one only when asked for by name.
/// Errors: `invalid_argument` (options); with `kIoUring` also `unsupported`: no io_uring, or no
/// memory or descriptors for it. The message says what to do.
Result<std::unique_ptr<IoBackend>> make_io_backend(FileSystem& file_system,
                                                   const IoBackendOptions& options = {});

}  // namespace nacre
