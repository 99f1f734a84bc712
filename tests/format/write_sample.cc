// Writes small logs, always the same bytes for the same arguments, and says in JSON lines what it
// wrote: write_sample MODE DIRECTORY
//
//   wal           two lanes, single records and batches, several segments, closed
//   wal-open      the same, but the process ends without closing
//   messages      topics with partitions, keys, batches, several segments, truncation, closed
//   mixed         a mapped log that is continued in the block domain, where it goes on behind a
//                 resume frame; exit status 77 where there is no block domain
//   resumed       a mapped log that is continued by a second writer, which ends without closing
//   store         keyspaces, one of them dropped; writes in a table, and behind it; batches, on two
//                 lanes; closed
//   example       the log that docs/format shows byte by byte
//   reopen        opens what is there and says what a user would read, or the error
//
// The other half of the test is reader.py, which knows the files only from docs/format.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/try.h"
#include "mmap/superblock.h"
#include "nacre/log.h"
#include "nacre/store.h"
#include "nacre/wal.h"

namespace nacre {
namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kStartNs = 1'700'000'000'000'000'000;
constexpr int kSkipped = 77;

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return text;
}

/// Bytes that look like nothing in particular, the same for the same arguments.
std::string filler(std::size_t bytes, std::uint64_t seed) {
  SeededRandom random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random.next_u64());
  return text;
}

void say_record(std::uint32_t lane, Lsn lsn, std::uint16_t tag, Bytes payload) {
  fmt::print("{{\"lane\":{},\"lsn\":{},\"tag\":{},\"payload\":\"{}\"}}\n", lane, lsn.value, tag,
             hex(payload));
}

void say_message(std::string_view topic, std::uint32_t partition, const MessageView& message) {
  fmt::print(
      "{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},\"timestamp_ns\":{},\"key\":\"{}\","
      "\"value\":\"{}\"}}\n",
      topic, partition, message.offset.value, message.timestamp_ns, hex(message.key),
      hex(message.value));
}

/// The seams that decide what lies in the files.
struct FixedSeams {
  ManualClock clock{kStartNs};
  SeededRandom random{1};
  Environment environment() { return {.clock = &clock, .random = &random}; }
};

WalOptions wal_options(FixedSeams& seams, std::uint32_t lanes, DomainRequest domain) {
  return {.lanes = lanes,
          .segment_bytes = kSegmentBytes,
          .domain = domain,
          .environment = seams.environment()};
}

Status append_said(Wal& wal, std::uint32_t lane, std::string_view payload, std::uint16_t tag) {
  const Lsn lsn = NACRE_TRY(wal.lane(lane).append(as_bytes(payload), tag));
  say_record(lane, lsn, tag, as_bytes(payload));
  return {};
}

Status append_batch_said(Wal& wal, std::uint32_t lane, const std::vector<std::string>& payloads,
                         std::uint16_t tag) {
  std::vector<Bytes> views;
  for (const std::string& payload : payloads) views.push_back(as_bytes(payload));
  const Lsn last = NACRE_TRY(wal.lane(lane).append_batch(views, tag));
  for (std::size_t i = 0; i < views.size(); ++i) {
    say_record(lane, Lsn{last.value - views.size() + 1 + i}, tag, views[i]);
  }
  return {};
}

/// Ends as a crash would: no destructor marks the log as closed.
[[noreturn]] void die() {
  std::fflush(stdout);
  ::_exit(0);
}

Status write_wal(const std::filesystem::path& directory, bool close) {
  FixedSeams seams;
  auto wal = NACRE_TRY(Wal::open(directory, wal_options(seams, 2, DomainRequest::kEmulated)));
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto lane = static_cast<std::uint32_t>(i % 3 == 0);
    const auto tag = static_cast<std::uint16_t>(i);
    if (i % 10 == 9) {
      NACRE_TRY(append_batch_said(wal, lane, {filler(1, i), filler(i, i), filler(8, i)}, tag));
    } else {
      NACRE_TRY(append_said(wal, lane, filler(1 + i * 3, i), tag));
    }
  }
  if (close) return wal.close();
  die();
}

Status write_messages(const std::filesystem::path& directory) {
  FixedSeams seams;
  auto log = NACRE_TRY(Log::open(directory, {.segment_bytes = kSegmentBytes,
                                             .domain = DomainRequest::kEmulated,
                                             .environment = seams.environment()}));
  const Topic plain = NACRE_TRY(log.create_topic("plain"));
  const Topic keyed = NACRE_TRY(log.create_topic("with.keys_and-more", 3));
  for (std::uint64_t i = 0; i < 300; ++i) {
    seams.clock.advance_ns(1000 + i);
    const std::string value = filler(i * 4, i);
    const std::string key = fmt::format("key {}", i);
    NACRE_TRY(plain.partition(0).append({.value = as_bytes(key)}));
    const auto partition = static_cast<std::uint32_t>(i % 2 + 1);  // Partition 0 stays empty.
    const std::vector<Message> pair = {{.value = as_bytes(value), .key = as_bytes(key)},
                                       {.value = {}, .key = as_bytes(key)}};
    NACRE_TRY(keyed.partition(partition).append_batch(pair));
  }
  NACRE_TRY(keyed.partition(1).truncate(Offset{280}));
  for (const Topic& topic : log.topics()) {
    for (std::uint32_t p = 0; p < topic.partitions(); ++p) {
      auto reader = NACRE_TRY(topic.partition(p).reader(topic.partition(p).begin()));
      while (NACRE_TRY(reader.next())) say_message(topic.name(), p, reader.message());
    }
  }
  return log.close();
}

Status write_mixed(const std::filesystem::path& directory) {
  FixedSeams seams;
  {
    auto wal = NACRE_TRY(Wal::open(directory, wal_options(seams, 1, DomainRequest::kEmulated)));
    NACRE_TRY(append_said(wal, 0, "in the middle of a block", 1));
    NACRE_TRY(wal.close());
  }
  auto wal = Wal::open(directory, wal_options(seams, 1, DomainRequest::kBlock));
  if (!wal && wal.error().code() == ErrorCode::kUnsupported) {
    fmt::print(stderr, "{}\n", wal.error().to_string());
    std::exit(kSkipped);
  }
  if (!wal) return wal.error();
  for (std::uint64_t i = 0; i < 20; ++i) NACRE_TRY(append_said(*wal, 0, filler(1 + i * 700, i), 2));
  return wal->close();
}

Status write_resumed(const std::filesystem::path& directory) {
  FixedSeams seams;
  {
    auto wal = NACRE_TRY(Wal::open(directory, wal_options(seams, 1, DomainRequest::kEmulated)));
    NACRE_TRY(append_said(wal, 0, "in the middle of a block", 1));
    NACRE_TRY(wal.close());
  }
  auto wal = NACRE_TRY(Wal::open(directory, wal_options(seams, 1, DomainRequest::kEmulated)));
  NACRE_TRY(append_said(wal, 0, "in the block behind it", 2));
  die();
}

void say_write(std::uint32_t keyspace, int kind, std::string_view key, std::string_view value) {
  fmt::print("{{\"kind\":{},\"keyspace\":{},\"key\":\"{}\",\"value\":\"{}\"}}\n", kind, keyspace,
             hex(as_bytes(key)), hex(as_bytes(value)));
}

/// What is not in a table at the end is said, in its order.
Status write_store(const std::filesystem::path& directory) {
  FixedSeams seams;
  auto store = NACRE_TRY(Store::open(directory, {.write_lanes = 2,
                                                 .segment_bytes = kSegmentBytes,
                                                 .domain = DomainRequest::kEmulated,
                                                 .environment = seams.environment()}));
  const Keyspace gone = NACRE_TRY(store.create_keyspace("gone"));
  const Keyspace reverse =
      NACRE_TRY(store.create_keyspace("reverse", {.comparator = Comparator::reverse_bytewise()}));
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string value = filler(i, i);
    const Keyspace keyspace = i % 2 == 0 ? reverse : store.default_keyspace();
    NACRE_TRY(store.put(keyspace, as_bytes(fmt::format("key {}", i)), as_bytes(value)));
  }
  NACRE_TRY(store.put(gone, as_bytes("key"), as_bytes("in a table")));
  NACRE_TRY(store.flush());
  NACRE_TRY(store.put(gone, as_bytes("key"), as_bytes("of nothing")));
  NACRE_TRY(store.drop_keyspace(gone));
  const std::string key = filler(100, 1);
  NACRE_TRY(store.put(as_bytes(key), as_bytes("value")));
  say_write(0, 1, key, "value");
  NACRE_TRY(store.remove(as_bytes("key 7")));
  say_write(0, 2, "key 7", "");
  WriteBatch batch;
  batch.put(as_bytes(""), as_bytes(""));
  batch.put(reverse, as_bytes("b"), as_bytes(key));
  batch.remove(reverse, as_bytes("b"));
  NACRE_TRY(store.write(batch));
  say_write(0, 1, "", "");
  say_write(2, 1, "b", key);
  say_write(2, 2, "b", "");
  return store.close();
}

Status write_example(const std::filesystem::path& directory) {
  FixedSeams seams;
  auto wal = NACRE_TRY(Wal::open(directory, wal_options(seams, 1, DomainRequest::kEmulated)));
  NACRE_TRY(append_said(wal, 0, "hello", 7));
  NACRE_TRY(append_batch_said(wal, 0, {"a", "bcd"}, 9));
  return wal.close();
}

Status read_wal(const std::filesystem::path& directory) {
  auto wal = NACRE_TRY(Wal::open(directory, {.lanes = 256, .domain = DomainRequest::kEmulated}));
  return wal.replay([](std::uint32_t lane, const RecordView& record) -> Status {
    say_record(lane, record.lsn, record.tag, record.payload);
    return {};
  });
}

Status read_messages(const std::filesystem::path& directory) {
  auto log = NACRE_TRY(Log::open(directory, {.domain = DomainRequest::kEmulated}));
  for (const Topic& topic : log.topics()) {
    for (std::uint32_t p = 0; p < topic.partitions(); ++p) {
      auto reader = NACRE_TRY(topic.partition(p).reader(topic.partition(p).begin()));
      while (NACRE_TRY(reader.next())) say_message(topic.name(), p, reader.message());
    }
  }
  return {};
}

Status reopen(const std::filesystem::path& directory) {
  PosixFileSystem file_system;
  const auto superblock = NACRE_TRY(read_superblock(file_system, directory));
  const Status read =
      superblock.kind == LogKind::kWal ? read_wal(directory) : read_messages(directory);
  if (read) return {};
  const Error& error = read.error();
  const std::string offset = error.offset() ? fmt::format("{}", *error.offset()) : "null";
  fmt::print("{{\"error\":\"{}\",\"file\":\"{}\",\"offset\":{}}}\n", error_code_name(error.code()),
             std::filesystem::path(error.path()).filename().string(), offset);
  return {};
}

Status run(std::string_view mode, const std::filesystem::path& directory) {
  if (mode == "wal") return write_wal(directory, true);
  if (mode == "wal-open") return write_wal(directory, false);
  if (mode == "messages") return write_messages(directory);
  if (mode == "mixed") return write_mixed(directory);
  if (mode == "resumed") return write_resumed(directory);
  if (mode == "store") return write_store(directory);
  if (mode == "example") return write_example(directory);
  if (mode == "reopen") return reopen(directory);
  return Error(ErrorCode::kInvalidArgument, fmt::format("no mode \"{}\"", mode));
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: write_sample MODE DIRECTORY\n");
    return 2;
  }
  const nacre::Status done = nacre::run(argv[1], argv[2]);
  if (done) return 0;
  fmt::print(stderr, "{}\n", done.error().to_string());
  return 1;
}
