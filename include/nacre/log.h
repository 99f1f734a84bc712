#pragma once

// An append-only message log: topics with partitions, each message durable before it is visible.
//
//   auto log = nacre::Log::open("/data/log").value();
//   auto topic = log.open_or_create_topic("events").value();
//   nacre::Offset at = topic.partition(0).append({.value = nacre::as_bytes("hello")}).value();
//
// Thread safety: every member of Log, Topic and Partition may be called from any thread; appends to
// one partition queue behind each other and share their device writes. A PartitionReader, a
// PinnedMessage and a MessageClaim belong to one thread at a time.
//
// On-media formats: docs/format/catalog.md, docs/format/message.md, docs/format/record.md.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/environment.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "nacre/wal.h"

namespace nacre {

class PartitionCore;
class TopicCore;
class ViewCursor;

/// What is appended. Both are copied before `append` returns. A message needs a value or a key.
struct Message {
  Bytes value;
  Bytes key = {};
};

/// A message inside the log; key and value are not copied.
struct MessageView {
  Offset offset;
  std::uint64_t timestamp_ns = 0;  ///< Wall clock at append, nanoseconds since 1970 UTC.
  Bytes key;
  Bytes value;
};

/// A message that stays where it is, also across truncation, as long as this object lives.
/// Lifetime: ends before its Log is closed.
class PinnedMessage {
 public:
  const MessageView& operator*() const noexcept { return view_; }
  const MessageView* operator->() const noexcept { return &view_; }

 private:
  friend class Partition;
  PinnedMessage(MessageView view, std::shared_ptr<const void> pin)
      : view_(view), pin_(std::move(pin)) {}
  MessageView view_;
  std::shared_ptr<const void> pin_;
};

/// Reads one partition in order, up to what is durable.
///
/// Lifetime: ends before its Log is closed. `message()` is valid until the next call of `next()`.
class PartitionReader {
 public:
  PartitionReader(PartitionReader&&) noexcept;
  PartitionReader& operator=(PartitionReader&&) noexcept;
  ~PartitionReader();

  /// Moves to the next durable message. False at the durable end; a later call finds what has
  /// become durable since.
  /// Errors: `corruption` (names segment and offset), `io` (bad block), `not_found` (truncated away
  /// meanwhile).
  Result<bool> next();
  const MessageView& message() const noexcept;

 private:
  friend class Partition;
  struct State;
  explicit PartitionReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Space in the log in which the caller builds a message value; with overwrite protection, space
/// beside it, from which the value is copied when it is committed. It holds the partition: the
/// appends, claims and the `close` of other threads wait until it is committed or dropped; those of
/// its own thread, which would wait for ever, are `invalid_argument`. Dropping it uncommitted, or
/// assigning another to it, leaves nothing. Lifetime: ends before its Log is closed. Thread: commit
/// or drop it on the thread that claimed. A thread that holds claims of several partitions at once
/// takes them in one order everywhere, as with locks.
class MessageClaim {
 public:
  MessageClaim(MessageClaim&&) noexcept;
  MessageClaim& operator=(MessageClaim&&) noexcept;
  ~MessageClaim();

  /// The claimed bytes, 8-byte aligned. Their content is undefined until written.
  std::span<std::byte> value() noexcept;

  /// Appends the first `bytes` (1 to `value().size()`) as one message without key.
  /// Durability: durable on success. Errors: as `Partition::append`.
  Result<Offset> commit(std::size_t bytes);

 private:
  friend class PartitionCore;
  struct State;
  explicit MessageClaim(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A handle on one partition: a pointer, cheap to copy. Lifetime: until its Log is closed.
class Partition {
 public:
  /// Appends one message; key and value together 1 to `max_message_bytes()` bytes.
  /// Durability: durable, in the sense of the log's domain, on success.
  /// Errors: `invalid_argument` (empty or too large, or this thread has a claim of the partition
  /// open), `no_space` (no room for a new segment: what is there stays readable, and appends resume
  /// when there is room), `io`, `closed`. After an `io` of a write the partition refuses all later
  /// appends with this first error, also when it was a full device that refused space reserved
  /// before; when a new segment could not be made (too many open files, say), nothing has happened,
  /// and the next append tries again.
  Result<Offset> append(const Message& message);

  /// Appends all `messages` or none, also at a crash. Returns the offset of the last; they are
  /// consecutive. Errors: as `append`; `invalid_argument` also for an empty batch.
  Result<Offset> append_batch(std::span<const Message> messages);

  /// As `append` and `append_batch`, but returns at once. The offset is the ticket: give it to
  /// `wait` or `on_durable`. Durability: none yet.
  Result<Offset> submit(const Message& message);
  Result<Offset> submit_batch(std::span<const Message> messages);

  /// Waits until everything up to and including `offset` is durable.
  /// Errors: the partition's first error; `invalid_argument` for an offset never handed out.
  Status wait(Offset offset);

  /// Calls `callback` when everything up to `offset` is durable, as soon as that is so.
  /// Errors, given to `callback`: as `wait`.
  /// Thread: in the memory domains (all but block), where what has been handed out is durable, at
  /// once and on this thread: there a callback that appends and registers itself again is a
  /// recursion, one level deep for each message. In the block domain as `DurableCallback` says, in
  /// log order and one at a time, those that are durable already included; on this thread when
  /// nothing stands in the way. In no domain may it close the log.
  void on_durable(Offset offset, DurableCallback callback);

  /// Space for a message value of up to `bytes` bytes. Errors: as `append`.
  Result<MessageClaim> claim(std::size_t bytes);

  /// The durable watermark: one past the newest durable offset. Equal to `begin()` when empty.
  Offset durable_end() const noexcept;
  /// The oldest offset that is still there.
  Offset begin() const noexcept;

  /// The message at `offset`, in place, its checksum verified.
  /// Errors: `not_found` (below `begin()`, or not durable (yet)), `corruption`, `io`.
  Result<PinnedMessage> read(Offset offset) const;

  /// Reads on from the oldest message that is still there, `begin()`. Errors: as `next`.
  Result<PartitionReader> reader() const;
  /// Reads on from `from`, which may be `durable_end()`.
  /// Errors: `not_found` when `from` is below `begin()` or above `durable_end()`;
  /// `invalid_argument` for offset 2^64-1, which is never handed out.
  Result<PartitionReader> reader(Offset from) const;

  /// Gives up messages below `offset`: segments that hold nothing else are recycled, so `begin()`
  /// may stay lower. An offset above `durable_end()` gives up no more than that one does.
  /// Durability: durable on success; a crash inside leaves some of them.
  /// Errors: `invalid_argument` for offset 2^64-1, which is never handed out, `io`, `no_space`,
  /// `closed`.
  Status truncate(Offset offset);

  /// The largest message this partition takes, key and value together, in bytes.
  std::size_t max_message_bytes() const noexcept;

 private:
  friend class Topic;
  explicit Partition(PartitionCore* core) : core_(core) {}
  Result<PartitionReader> read_from(Lsn from) const;
  PartitionCore* core_;
};

/// A handle on one topic: a pointer, cheap to copy. Lifetime: until its Log is closed.
class Topic {
 public:
  const std::string& name() const noexcept;
  std::uint32_t partitions() const noexcept;
  /// The partition with `index` in [0, partitions()); anything else is a programmer's error.
  Partition partition(std::uint32_t index) const noexcept;

 private:
  friend class Log;
  explicit Topic(const TopicCore* core) : core_(core) {}
  const TopicCore* core_;
};

struct LogOptions {
  /// Bytes of one segment file: 64 KiB to 4 GiB, a multiple of 4096. Fixed when the log is created;
  /// 0 takes what the log has, or 64 MiB.
  std::uint64_t segment_bytes = 0;
  /// Segments kept ready in advance, so that rotation does not wait for the file system: 0 to 64.
  std::uint32_t spare_segments = 1;
  /// Which persistence domain; see `DomainRequest`.
  DomainRequest domain = DomainRequest::kAuto;
  /// What the block domain writes with; see `IoEngine`.
  IoEngine io_engine = IoEngine::kAuto;
  /// Mapped segments are protected against stray stores; see WalOptions.
  bool overwrite_protection = false;
  Environment environment = {};
};

/// In a process that forks: as `Wal`.
class Log {
 public:
  /// Opens the log in `directory`, creating it (and the directory, but not its parents) when there
  /// is none. Recovers: cuts off torn tails, which were never acknowledged.
  /// Errors: as `Wal::open`.
  static Result<Log> open(const std::filesystem::path& directory, LogOptions options = {});
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;
  /// Closes; an error is lost. Call `close` to see it.
  ~Log();

  /// Creates a topic. `name`: 1 to 200 of [A-Za-z0-9._-], not starting with a dot.
  /// `partitions`: 1 to 1024. Durability: durable on success.
  /// Errors: `busy` (the topic exists), `invalid_argument`, `no_space`, `io`, `closed`.
  Result<Topic> create_topic(std::string_view name, std::uint32_t partitions = 1);
  /// Errors: `not_found`.
  Result<Topic> topic(std::string_view name) const;
  /// `topic`, or `create_topic` when there is none; an existing topic keeps its partitions.
  Result<Topic> open_or_create_topic(std::string_view name, std::uint32_t partitions = 1);
  /// In the order of their creation.
  std::vector<Topic> topics() const;

  const RecoveryReport& recovery() const noexcept;
  const DomainInfo& domain() const noexcept;
  /// What the block domain writes through, and what of it is switched on; null in the memory
  /// domains. Lifetime: until the next call, and until it is closed.
  const IoBackendInfo* io() const noexcept;
  /// What there is to know of the log right now, as text for Prometheus (docs/metrics.md).
  std::string metrics() const;
  const Uuid& uuid() const noexcept;

  /// Makes everything submitted durable, marks the shutdown clean, releases the lock. Waits for the
  /// claims of other threads. Idempotent.
  /// Errors: `invalid_argument` when this thread has a claim open; the log stays open, too.
  /// Otherwise it is closed, and the first error of any partition is returned.
  /// Thread: any but one that runs a `DurableCallback`, for which it waits.
  Status close();

 private:
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  Impl& impl() const noexcept;
  std::unique_ptr<Impl> impl_;
};

/// Reads one partition of a log that another process may be writing.
/// Lifetime: ends before its LogView. `message()` is valid until the next call of `next()`.
class ViewReader {
 public:
  ViewReader(ViewReader&&) noexcept;
  ViewReader& operator=(ViewReader&&) noexcept;
  ~ViewReader();

  /// As `PartitionReader::next`. What it shows has been made durable first, so it never shows a
  /// message that a power cut could still take back.
  Result<bool> next();
  const MessageView& message() const noexcept;

 private:
  friend class LogView;
  explicit ViewReader(std::unique_ptr<ViewCursor> cursor);
  std::unique_ptr<ViewCursor> cursor_;
};

struct PartitionSummary {
  std::string topic;
  std::uint32_t partition = 0;
  Offset begin;                ///< The oldest offset there.
  std::uint64_t segments = 0;  ///< Segment files that belong to it.
  std::uint64_t bytes = 0;     ///< Their size on the media.
  Offset end;                  ///< One past the newest valid message found.
};

/// A read-only look at a log directory: takes no lock, writes nothing, recovers nothing, and may
/// stand beside a process that is writing.
///
/// Thread safety: one thread at a time.
class LogView {
 public:
  /// Errors: `not_found` (no log there), `corruption`, `unsupported`, `io`.
  static Result<LogView> open(const std::filesystem::path& directory, Environment environment = {});
  LogView(LogView&&) noexcept;
  LogView& operator=(LogView&&) noexcept;
  ~LogView();

  const Uuid& uuid() const noexcept;
  std::uint64_t segment_bytes() const noexcept;
  /// Every partition of every topic, as of now. Scans the newest segment of each.
  Result<std::vector<PartitionSummary>> partitions();
  /// Segment files that are ready for use and hold nothing.
  Result<std::uint64_t> free_segments();

  /// Reads on from `from`. When that is beyond the end, the reader waits there: `next` says false,
  /// and shows messages from that offset on, and none before it, once they are durable. (A
  /// `Partition::reader` refuses it: it knows where the end is.)
  /// Errors: `not_found` (no such topic or partition, or `from` has been truncated away),
  /// `invalid_argument` for offset 2^64-1, which is never handed out, `corruption`, `unsupported`,
  /// `io`.
  Result<ViewReader> reader(std::string_view topic, std::uint32_t partition, Offset from);
  /// Reads on from the oldest message that is still there. Errors: as above.
  Result<ViewReader> reader(std::string_view topic, std::uint32_t partition);

 private:
  struct Impl;
  Result<ViewReader> read_from(std::string_view topic, std::uint32_t partition, Lsn from);
  explicit LogView(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre
