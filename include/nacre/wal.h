#pragma once

// A write-ahead log: N single-writer lanes of records with one LSN order. A record that was
// appended after another one, on whatever lane, has the higher LSN. Records that were appended on
// different lanes at the same time may share an LSN; their lanes' numbers then decide the order.
//
//   auto wal = nacre::Wal::open("/data/wal").value();
//   nacre::Lsn lsn = wal.lane(0).append(nacre::as_bytes("hello")).value();  // durable here
//
// Thread safety: a Wal's members may be called from any thread. A Lane has one writer at a time:
// `append`, `submit` and `claim` of one lane must not run concurrently (different lanes may);
// `wait`, `on_durable`, `durable_lsn` and `reader` may be called from any thread.
//
// On-media formats: docs/format/segment.md, docs/format/record.md.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "nacre/environment.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

namespace wal {
class LaneCore;
class LaneCursor;
class LaneSet;
}  // namespace wal

/// The largest payload of one record, and the largest sum of a batch's payloads and its 8 bytes of
/// framing for each entry. A segment smaller than this lowers the limit (see `Lane::max_payload`).
inline constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;

/// What opening a log found and did.
struct RecoveryReport {
  std::uint64_t segments = 0;         ///< Segments scanned.
  std::uint64_t records = 0;          ///< Valid records in them.
  std::uint64_t bytes = 0;            ///< Bytes of valid records, headers and padding included.
  std::uint64_t torn_tails = 0;       ///< Lanes whose unacknowledged tail was cut off.
  std::uint64_t discarded_bytes = 0;  ///< Bytes of torn records that were cut off.
  std::uint64_t duration_ns = 0;
  std::size_t threads = 0;
  bool clean_shutdown = false;  ///< The last writer closed the log in order.
};

/// A record inside a log. The payload is not copied.
struct RecordView {
  Lsn lsn;
  std::uint16_t tag = 0;  ///< The caller's own 16 bits.
  Bytes payload;
};

/// Called once, when a record is durable or can no longer become so (with the lane's first error).
/// Runs on the executor or on a thread that waits; it must be quick, must not wait, and must not
/// open, close or truncate a log.
using DurableCallback = std::move_only_function<void(Status)>;

/// Space in the log in which the caller builds a record; with overwrite protection, space beside
/// it, from which the record is copied when it is committed. Dropping it uncommitted, or assigning
/// another to it, leaves nothing.
///
/// Lifetime: ends before its lane. While a claim is open, its lane takes no other append or claim,
/// and its Wal is not closed.
class Claim {
 public:
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&& other) noexcept;
  ~Claim();

  /// The claimed bytes, 8-byte aligned; none once committed. Their content is undefined until
  /// written.
  std::span<std::byte> payload() noexcept { return payload_; }

  /// Appends the first `bytes` (1 to `payload().size()`) as one record.
  /// Durability: durable on success. Errors: as `Lane::append`.
  Result<Lsn> commit(std::size_t bytes, std::uint16_t tag = 0);

 private:
  friend class Lane;
  Claim(wal::LaneCore* lane, std::span<std::byte> payload) : lane_(lane), payload_(payload) {}
  wal::LaneCore* lane_;  // Null once committed, moved from, or abandoned.
  std::span<std::byte> payload_;
};

/// Reads one lane in order, up to what is durable.
///
/// Lifetime: ends before its log is closed. `record()` is valid until the next call of `next()`.
/// Thread: one thread at a time; any number of readers beside the writer.
class LaneReader {
 public:
  LaneReader(LaneReader&&) noexcept;
  LaneReader& operator=(LaneReader&&) noexcept;
  ~LaneReader();

  /// Moves to the next durable record and verifies its checksum. False at the durable end; a later
  /// call finds what has become durable since.
  /// Errors: `corruption` (checksum; names segment and offset), `io` (bad block), `not_found`
  /// (truncated away meanwhile).
  Result<bool> next();
  const RecordView& record() const noexcept;

 private:
  friend class Lane;
  explicit LaneReader(std::unique_ptr<wal::LaneCursor> cursor);
  std::unique_ptr<wal::LaneCursor> cursor_;
};

/// A handle on one lane: a pointer, cheap to copy. Lifetime: until its Wal is closed.
class Lane {
 public:
  /// Appends one record of 1 to `max_payload()` bytes.
  /// Durability: durable, in the sense of the log's domain, on success.
  /// Errors: `invalid_argument` (empty or too large, or a claim is open), `no_space` (no room for a
  /// new segment: what is there stays readable, and appends resume when there is room), `io`,
  /// `closed`. After an `io` of a write the lane refuses all later ones with this first error, also
  /// when it was a full device that refused space reserved before; when a new segment could not be
  /// made (too many open files, say), nothing has happened, and the next append tries again.
  Result<Lsn> append(Bytes payload, std::uint16_t tag = 0);

  /// Appends all `payloads` or none, also at a crash. Returns the LSN of the last; they are
  /// consecutive. Errors: as `append`; `invalid_argument` also for an empty batch.
  Result<Lsn> append_batch(std::span<const Bytes> payloads, std::uint16_t tag = 0);

  /// As `append` and `append_batch`, but returns at once. The LSN is the ticket: give it to `wait`
  /// or `on_durable`. Durability: none yet.
  Result<Lsn> submit(Bytes payload, std::uint16_t tag = 0);
  Result<Lsn> submit_batch(std::span<const Bytes> payloads, std::uint16_t tag = 0);

  /// Waits until everything up to `lsn` in this lane is durable.
  /// Errors: the lane's first error; `invalid_argument` for an LSN never handed out.
  Status wait(Lsn lsn);

  /// Calls `callback` when everything up to `lsn` in this lane is durable, as soon as that is so.
  /// Errors, given to `callback`: as `wait`.
  /// Thread: in the memory domains (all but block), where what has been handed out is durable, at
  /// once and on this thread: there a callback that appends and registers itself again is a
  /// recursion, one level deep for each record. In the block domain as `DurableCallback` says, in
  /// log order and one at a time, those that are durable already included; on this thread when
  /// nothing stands in the way. In no domain may it close the log.
  void on_durable(Lsn lsn, DurableCallback callback);

  /// The newest LSN of this lane that is durable; 0 when the lane is empty.
  Lsn durable_lsn() const noexcept;

  /// Space for a record of up to `bytes` bytes, to be built in place. Errors: as `append`.
  Result<Claim> claim(std::size_t bytes);

  /// Reads from the first record whose LSN is at least `from`.
  /// Errors: `not_found` when records from `from` on have been truncated away.
  Result<LaneReader> reader(Lsn from = Lsn{0}) const;

  /// The largest payload this lane takes, in bytes.
  std::size_t max_payload() const noexcept;

 private:
  friend class Wal;
  explicit Lane(wal::LaneCore* core) : core_(core) {}
  wal::LaneCore* core_;
};

struct WalOptions {
  /// How many lanes, 1 to 256; each has one writer. With one lane LSNs are consecutive. More may
  /// be asked for at a later open, fewer not.
  std::uint32_t lanes = 1;
  /// Bytes of one segment file: 64 KiB to 4 GiB, a multiple of 4096. Fixed when the log is created;
  /// 0 takes what the log has, or 64 MiB.
  std::uint64_t segment_bytes = 0;
  /// Segments kept ready in advance, so that rotation does not wait for the file system: 0 to 64.
  std::uint32_t spare_segments = 1;
  /// Which persistence domain; see `DomainRequest`.
  DomainRequest domain = DomainRequest::kAuto;
  /// What the block domain writes with; see `IoEngine`.
  IoEngine io_engine = IoEngine::kAuto;
  /// Protects mapped segments against stray stores: only inside an append (and where nacre itself
  /// writes) can they be stored to, and any other store ends the process (SIGSEGV) instead of
  /// corrupting the log. Reading is as without, on every thread. A record that is claimed is built
  /// in memory and copied when it is committed. Needs a processor and a kernel with protection keys
  /// (`nacre doctor` says so) and takes one of the 15 that a process has; `unsupported` without.
  /// In the block domain, which maps nothing that is durable for writing, it changes nothing.
  /// A domain of the environment's has to protect by itself, or opening is `invalid_argument`.
  bool overwrite_protection = false;
  Environment environment = {};
};

/// A process that forks keeps its log; the child is refused with `closed`, and may open the log
/// once the parent has closed it. (A child that outlives a parent which was killed keeps the lock.)
class Wal {
 public:
  /// Opens the WAL in `directory`, creating it (and the directory, but not its parents) when there
  /// is none. Recovers: cuts off torn tails, which were never acknowledged.
  /// Errors: `busy` (another writer; names its pid), `corruption` (names file and offset; nothing
  /// was changed), `unsupported` (format version; no durable domain here; no protection keys),
  /// `invalid_argument` (options), `not_found` (the parent directory), `no_space`, `io`.
  static Result<Wal> open(const std::filesystem::path& directory, WalOptions options = {});
  Wal(Wal&&) noexcept;
  Wal& operator=(Wal&&) noexcept;
  /// Closes; an error is lost. Call `close` to see it.
  ~Wal();

  /// The lane with `index` in [0, lanes()).
  Lane lane(std::uint32_t index) const noexcept;
  std::uint32_t lanes() const noexcept;

  /// Every durable record of every lane in LSN order, and lane by lane within an LSN. Stops with
  /// the visitor's error, if any.
  /// Lifetime: a view is valid during the call it is given to.
  Status replay(const std::function<Status(std::uint32_t lane, const RecordView&)>& visit) const;

  /// Gives up the records below `lsn`: segments that hold nothing else are recycled.
  /// Durability: durable on success; a crash inside leaves some of them.
  /// Errors: `io`, `no_space`, `closed`.
  Status truncate(Lsn lsn);

  const RecoveryReport& recovery() const noexcept;
  const DomainInfo& domain() const noexcept;
  /// What the block domain writes through, and what of it is switched on; null in the memory
  /// domains. Lifetime: until the next call, and until it is closed.
  const IoBackendInfo* io() const noexcept;

  /// What there is to know of the WAL right now, as text for Prometheus (docs/metrics.md).
  /// Thread: any.
  std::string metrics() const;

  /// Makes everything submitted durable, marks the shutdown clean, releases the lock. Idempotent.
  /// Errors: `invalid_argument` when a claim is open; the WAL stays open, too. Otherwise it is
  /// closed, and the first error of any lane is returned.
  /// Thread: when no lane is written any more; not one that runs a `DurableCallback`, for which it
  /// waits.
  Status close();

 private:
  struct Impl;
  explicit Wal(std::unique_ptr<Impl> impl);
  Impl& impl() const noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre
