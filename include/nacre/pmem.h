#pragma once

// Persistence domains: how bytes become durable, behind one narrow interface.
//
// A Domain is found once, at open, from what the file is. It turns files into Regions; everything
// above writes through a Region and never asks again what kind it is.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "nacre/file_system.h"
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
};

namespace pmem {

/// A commit under way. 0 stands for "durable already".
struct Ticket {
  std::uint64_t value = 0;
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

  /// The bytes themselves, for reading and for plain stores.
  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  /// True when bytes are durable as soon as a fence returns; `commit` then never waits.
  bool synchronous() const noexcept { return synchronous_; }
  /// What `commit` rounds its range out to: 64 or 4096 bytes. A granule with bytes that were
  /// acknowledged is never committed again: a torn write would lose them.
  std::size_t commit_granule() const noexcept { return commit_granule_; }

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

 protected:
  Region(std::byte* data, std::size_t size, bool synchronous, std::size_t commit_granule)
      : data_(data), size_(size), synchronous_(synchronous), commit_granule_(commit_granule) {}

 private:
  std::byte* data_;
  std::size_t size_;
  bool synchronous_;
  std::size_t commit_granule_;
};

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

  /// The way `map` wants its file opened.
  virtual OpenOptions open_options() const noexcept = 0;

  /// Maps the first `bytes` bytes of `file`, which is that long already. Takes the file over.
  /// Errors: `io`, `unsupported` (the file is not what the domain needs), `no_space` (memory).
  virtual Result<std::unique_ptr<Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                              MapContent content) = 0;
};

/// Finds the domain for files in `directory`, trying one there.
/// Errors: `unsupported` when no domain with the asked-for safety works there (the message says
/// which one to ask for by name), `io`, `no_space`.
Result<std::unique_ptr<Domain>> choose_domain(FileSystem& file_system,
                                              const std::filesystem::path& directory,
                                              DomainRequest request);

}  // namespace pmem
}  // namespace nacre
