#pragma once

// Persistence domains: how bytes become durable, behind one narrow interface.
//
// A Domain is found once, at open, from what the file is. It turns files into Regions; everything
// above writes through a Region and never asks again what kind it is.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/io.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

enum class DomainKind : std::uint8_t {
  kDurableCache,  ///< eADR or CXL GPF: CPU caches are flushed on power loss.
  kCacheLine,     ///< ADR: a flushed cache line survives power loss.
  kBlock,         ///< An ordinary file system, written with O_DIRECT|O_DSYNC.
  kEmulated,      ///< A mapped ordinary file treated as `kCacheLine`. NOT safe at power loss.
  kSimulated,     ///< A simulator's recorded memory.
};

/// What the caller asks for.
enum class DomainRequest : std::uint8_t {
  kAuto,      ///< The best domain that survives power loss; an error when there is none.
  kBlock,     ///< The block domain, also where persistent memory is there.
  kEmulated,  ///< Survives a crash of the process, not power loss.
};

/// "durable_cache", "cache_line", "block", "emulated", "simulated".
std::string_view domain_name(DomainKind kind) noexcept;

/// What was chosen, what it survives, and why.
struct DomainInfo {
  DomainKind kind = DomainKind::kBlock;
  bool survives_power_loss = false;
  /// The unit in which the domain makes bytes durable: 8, 64 or 4096.
  std::size_t granularity_bytes = 0;
  /// A sentence on how the choice was made.
  std::string reason;
  /// The name of the copy routine in use, such as "avx512-nt".
  std::string copy_routine;
  /// Stray stores into its regions end the process; see `pmem::MappingOptions`.
  bool overwrite_protection = false;
};

namespace pmem {

/// A commit under way. 0 stands for "durable already".
struct Ticket {
  std::uint64_t value = 0;
};

/// Told once how a commit ended. Runs on a thread that drives the domain, without a lock of its own
/// held; inside the call that began the commit when that is of no bytes, or in a domain whose
/// `drive` never sleeps. It must not wait.
using CommitCallback = std::move_only_function<void(Status)>;

/// Who sees to it that a commit makes progress.
enum class CommitDriver : std::uint8_t {
  kDomain,  ///< The domain, on a thread of its own where there may be one.
  kCaller,  ///< The calling thread, which calls `Domain::drive` next.
};

/// A range of one file through which bytes become durable.
///
/// Offsets are in bytes from the start of the region. In the memory domains (`synchronous()`)
/// `copy`, `stream` and `store_u64` are durable after a later `fence` by the same thread, plain
/// stores after a `flush` of their range and a later `fence`. In the block domain only `commit`
/// makes anything durable; it works in every domain.
///
/// Thread safety: disjoint ranges may be written from several threads; each thread fences its own.
class Region {
 public:
  virtual ~Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  /// The bytes themselves, for reading and, where it `takes_plain_stores`, for those.
  std::byte* data() const noexcept { return data_; }
  /// False with overwrite protection: `data()` is then for reading alone, by any thread and in
  /// signal handlers too, and a store there ends the process.
  bool takes_plain_stores() const noexcept { return takes_plain_stores_; }
  std::size_t size() const noexcept { return size_; }
  /// [offset, offset + bytes), for reading. The same as `data()`; a simulator, which sees reads
  /// through `data()` page by page, sees this one as it is, and much faster.
  virtual Bytes load(std::size_t offset, std::size_t bytes) noexcept {
    return {data_ + offset, bytes};
  }
  /// True when bytes are durable as soon as a fence returns; `commit` then never waits.
  bool synchronous() const noexcept { return synchronous_; }
  /// What `commit` rounds its range out to: 64 or 4096 bytes. A granule with bytes that were
  /// acknowledged is never committed again: a torn write would lose them.
  std::size_t commit_granule() const noexcept { return commit_granule_; }

  /// Brings the region's memory in, and makes it known to the device, as far as that is still to
  /// do: for a caller with time, before the region is used. Costs memory, changes nothing.
  virtual void populate() {}

  /// Copies `source` to `offset`, with non-temporal stores when that pays.
  virtual void copy(std::size_t offset, Bytes source) noexcept = 0;

  /// Writes `head` and then `body` at `offset` (a multiple of 64), and zeros up to the next
  /// multiple of 64, with non-temporal stores: whole lines, none of them read first.
  virtual void stream(std::size_t offset, Bytes head, Bytes body) noexcept = 0;

  /// Stores 8 bytes that a crash leaves either old or new. `offset` is a multiple of 8.
  virtual void store_u64(std::size_t offset, std::uint64_t value) noexcept = 0;

  /// Starts writing back the lines of [offset, offset + bytes).
  virtual void flush(std::size_t offset, std::size_t bytes) noexcept = 0;

  /// Waits for this thread's copies, streams, stores and flushes to reach the domain.
  virtual void fence() noexcept = 0;

  /// Makes [begin, end) durable. The bytes were written by `copy`, `stream`, `store_u64`, or
  /// stored and flushed, by this thread.
  /// Durability: once the ticket is waited for successfully.
  /// Errors: `io`, `no_space`; the content of the range on the media is then unknown.
  virtual Result<Ticket> commit(std::size_t begin, std::size_t end) = 0;
  virtual Status wait(Ticket ticket) = 0;

  /// As `commit` and `wait`, for a caller with something else to do: begins, and calls `done` with
  /// how it ended. Several may be under way, on disjoint granules; they end in any order.
  virtual void commit_then(std::size_t begin, std::size_t end, CommitDriver driver,
                           CommitCallback done);

 protected:
  Region(std::byte* data, std::size_t size, bool synchronous, std::size_t commit_granule,
         bool takes_plain_stores = true)
      : data_(data),
        size_(size),
        synchronous_(synchronous),
        takes_plain_stores_(takes_plain_stores),
        commit_granule_(commit_granule) {}

 private:
  std::byte* data_;
  std::size_t size_;
  bool synchronous_;
  bool takes_plain_stores_;
  std::size_t commit_granule_;
};

/// For domains whose commits do not wait.
inline void Region::commit_then(std::size_t begin, std::size_t end, CommitDriver,
                                CommitCallback done) {
  const Result<Ticket> ticket = commit(begin, end);
  done(ticket ? wait(*ticket) : Status(ticket.error()));
}

enum class MapContent : std::uint8_t {
  kKeep,   ///< The region shows what the file holds.
  kFresh,  ///< The caller will not read what the file held; spares the block domain the reading.
};

/// Makes Regions of one kind.
///
/// Thread safety: every member may be called from any thread.
class Domain {
 public:
  virtual ~Domain() = default;
  virtual const DomainInfo& info() const noexcept = 0;
  /// What `Region::synchronous` says of its regions, all of them.
  virtual bool synchronous() const noexcept { return info().kind != DomainKind::kBlock; }

  /// The way `map` wants its file opened.
  virtual OpenOptions open_options() const noexcept = 0;

  /// Maps the first `bytes` bytes of `file`, which is that long already. Takes the file over.
  /// Errors: `io`, `unsupported` (the file is not what the domain needs), `no_space` (memory).
  virtual Result<std::unique_ptr<Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                              MapContent content) = 0;

  /// Works on the commits under way until `done()`, which must come true by the end of one of them.
  /// False at once when another thread is doing so already: it then does it for everybody, and the
  /// caller may sleep until told. What is under way when it returns is left to whoever drives next,
  /// a thread of the domain's own where there may be one. Not from a CommitCallback.
  virtual bool drive(const std::function<bool()>& done) { return done(); }

  /// Keeps `lock` open, and what it has locked, until the last commit under way has ended, also
  /// when the process is killed: or a write could land after the next writer has taken the lock.
  /// Lifetime: `lock` stays until `let_go`. Errors: `unsupported`.
  virtual Status hold(File& lock) { return static_cast<void>(lock), Status(); }
  virtual void let_go(File& lock) noexcept { static_cast<void>(lock); }

  /// What writes go through, and what is switched on; null where stores do it. Valid until the next
  /// call: a feature may be switched off when the kernel turns out to refuse it.
  virtual const IoBackendInfo* io() const noexcept { return nullptr; }
  /// What its queue counts, as text for Prometheus (docs/metrics.md).
  virtual std::string metrics() const { return {}; }
};

/// How the block domain reaches its device.
struct BlockIo {
  IoBackend* backend = nullptr;       ///< Borrowed, and used by this domain alone; null: made here.
  IoEngine engine = IoEngine::kAuto;  ///< Which one is made.
  std::string engine_reason = {};     ///< As IoBackendOptions::reason.
  Clock* clock = nullptr;             ///< Borrowed; null: the machine's.
  /// Borrowed. Does the work on commits nobody drives, instead of a thread of the domain's own;
  /// for executors without threads. A caller of `drive` that is told to sleep is then woken only if
  /// somebody goes on driving: with one calling thread, or where those that are told so ask again.
  Executor* executor = nullptr;
};

/// How the other domains map their files.
struct MappingOptions {
  /// Regions are protected against stray stores, by a protection key of the processor (pkeys(7)):
  /// only inside `copy`, `stream`, `store_u64` and `flush`, and only on the thread that called, can
  /// they be written. Any other store ends the process by SIGSEGV, before a byte has changed. One
  /// key serves the whole process, and is kept until it ends.
  bool overwrite_protection = false;
};

/// Finds the domain for files in `directory`, trying one there.
/// Errors: `unsupported` when no domain with the asked-for safety works there (the message says
/// which one to ask for by name), or with overwrite protection when processor or kernel have no
/// protection keys; `invalid_argument` or `busy` (`io.backend` cannot be used, or
/// another domain has it), `io`, `no_space`.
Result<std::unique_ptr<Domain>> choose_domain(FileSystem& file_system,
                                              const std::filesystem::path& directory,
                                              DomainRequest request, const BlockIo& io = {},
                                              const MappingOptions& mapping = {});

}  // namespace pmem
}  // namespace nacre
