#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "tools/crash_suites/crash_suite.h"
#include "tools/crash_suites/store_script.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_script.h"
#include "tools/crash_suites/workload.h"
#include "wal/record_format.h"

namespace nacre::tools {
namespace {

CrashSuite wal_suite(std::string name, std::string covers, WalScript script) {
  return {
      .name = std::move(name),
      .covers = std::move(covers),
      .explore = [script = std::move(script)](const SuiteModel& model, CrashTestOptions options) {
        return explore_wal_script(script, model, std::move(options));
      }};
}

CrashSuite store_suite(std::string name, std::string covers, StoreScript script) {
  return {
      .name = std::move(name),
      .covers = std::move(covers),
      .explore = [script = std::move(script)](const SuiteModel& model, CrashTestOptions options) {
        return explore_store_script(script, model, std::move(options));
      }};
}

CrashReport explore_wal_rotation(const SuiteModel& model, CrashTestOptions options) {
  // Fills a segment to the last line, or the last block.
  WalScript script{.setup = {{.bytes = 30000}, {.bytes = 24000}}, .run = {{}, {}}};
  if (!model.block) script.setup.push_back({.bytes = 3150});
  return explore_wal_script(script, model, std::move(options));
}

/// Mapped pages are torn too, but at any of the stores into each: too many states for three of
/// them. tests/wal/torn_record_crash_test.cc begins with such a record.
CrashReport explore_torn_again(const SuiteModel& model, CrashTestOptions options) {
  constexpr std::size_t kUnits = 3;
  const std::size_t unit = model.block ? model.model.device_unit_bytes : sizeof(std::uint64_t);
  const std::size_t whole_bytes = std::max(kUnits * unit, sizeof(wal::FrameHeader) + 8);
  const std::size_t bytes = whole_bytes - sizeof(wal::FrameHeader);
  // What comes behind the first record begins a block, and so goes to the same place after a crash.
  WalScript script{.setup = {{.bytes = wal::kBlockBytes - sizeof(wal::FrameHeader)}},
                   .run = {{.bytes = bytes}},
                   .goes_on = true,
                   .answers_first = true};
  // With all but its beginning in common with the one that was torn, it can make that whole.
  const std::string torn = record_text(1, bytes);
  script.goes_on_with.resize(std::min(script.goes_on_with.size(), bytes));
  script.goes_on_with += torn.substr(script.goes_on_with.size());
  return explore_wal_script(script, model, std::move(options));
}

}  // namespace

std::vector<CrashSuite> crash_suites() {
  constexpr WalStep kTruncate{.kind = WalStep::Kind::kTruncate};
  constexpr WalStep kClaim{.kind = WalStep::Kind::kClaim, .bytes = 100};
  constexpr WalStep kSubmitThree{.kind = WalStep::Kind::kSubmit, .records = 3};
  constexpr WalStep kReopen{.kind = WalStep::Kind::kReopen};
  constexpr WalStep kHalfSegment{.bytes = 30000};
  const StoreStep put{};
  const StoreStep overwrite{.value = "another value"};
  const auto long_put = [](const char* key) {
    return StoreStep{.keys = {key}, .value = std::string(30000, 'v')};
  };
  const StoreStep remove{.kind = StoreStep::Kind::kRemove};
  const StoreStep batch{.kind = StoreStep::Kind::kBatch, .keys = {"a", "key"}, .value = "b"};
  const StoreStep flush{.kind = StoreStep::Kind::kFlush};
  const StoreStep merge{.kind = StoreStep::Kind::kMerge};
  const StoreStep create{.kind = StoreStep::Kind::kCreate};
  const StoreStep drop{.kind = StoreStep::Kind::kDrop};
  const StoreStep reopen{.kind = StoreStep::Kind::kReopen};
  const StoreStep briefly{.kind = StoreStep::Kind::kPutBriefly, .value = "brief"};
  const StoreStep pass_time{.kind = StoreStep::Kind::kPassTime};
  const StoreStep range{.kind = StoreStep::Kind::kRemoveRange, .keys = {"a", "y"}};
  const StoreStep operand{.kind = StoreStep::Kind::kOperand, .value = "1"};
  const StoreStep operands{.kind = StoreStep::Kind::kOperands, .value = "2"};
  const StoreStep transaction{
      .kind = StoreStep::Kind::kTransaction, .keys = {"key", "b"}, .value = "t"};
  const StoreStep checkpoint{.kind = StoreStep::Kind::kCheckpoint};
  const StoreStep conflict{.kind = StoreStep::Kind::kConflict, .keys = {"b", "c"}, .value = "u"};
  const StoreStep load{.kind = StoreStep::Kind::kLoad, .keys = {"b", "key"}, .value = "l"};
  const StoreStep load_beside{.kind = StoreStep::Kind::kLoad, .keys = {"x", "y"}, .value = "m"};
  return {
      wal_suite("wal-append", "three appends, the first of which begins a segment",
                {.run = {{}, {}, {}}}),
      wal_suite("wal-batch", "a batch of three records, all or none, and an append behind it",
                {.setup = {{}}, .run = {{.records = 3, .bytes = 4}, {}}}),
      wal_suite("wal-claim", "a record that is built in place, and one behind it",
                {.setup = {{}}, .run = {kClaim, {}}}),
      wal_suite("wal-submit", "records under way together, and one behind them",
                {.setup = {{}}, .run = {kSubmitThree, {}}}),
      wal_suite("wal-create", "making a log, and its first append", {.creates = true, .run = {{}}}),
      {.name = "wal-rotate",
       .covers = "an append that ends a full segment and begins the next",
       .explore = explore_wal_rotation},
      wal_suite("wal-truncate", "giving up old segments, and an append that takes one again",
                {.setup = {kHalfSegment, kHalfSegment, kHalfSegment}, .run = {kTruncate, {}}}),
      {.name = "wal-lanes",
       .covers = "two lanes, appended to in turn and at once, merged by LSN",
       .explore = explore_wal_lanes},
      wal_suite("wal-reopen", "closing a log, opening it again, and an append",
                {.setup = {{}}, .run = {kReopen, {}}}),
      wal_suite("wal-go-on", "appends, and a recovery that appends to what it has found",
                {.setup = {{}}, .run = {{}, {}}, .goes_on = true}),
      {.name = "wal-torn-again",
       .covers = "an append, and where it was torn, that of the recovery in its place",
       .explore = explore_torn_again},
      wal_suite("wal-create-go-on", "making a log, and a recovery that appends to it",
                {.creates = true, .run = {{}}, .goes_on = true}),
      wal_suite("wal-truncate-go-on", "giving up old segments, and a recovery that appends",
                {.setup = {kHalfSegment, kHalfSegment, kHalfSegment},
                 .run = {kTruncate, {}},
                 .goes_on = true}),
      {.name = "wal-two-writes",
       .covers = "records in two writes that are under way together (block models alone)",
       .needs_block = true,
       .explore = explore_wal_two_writes},
      {.name = "wal-concurrent",
       .covers = "three threads that append to one lane at once, under several schedules",
       .samples = true,
       .explore = explore_wal_concurrent},
      {.name = "wal-model",
       .covers = "appends, truncations, reopenings and crashes at random, against a model",
       .samples = true,
       .explore = explore_wal_model},
      {.name = "log-create-topic",
       .covers = "making a message log, and two topics in it",
       .explore = explore_log_topics},
      {.name = "log-append-read",
       .covers = "messages with and without keys, and a batch, to two partitions",
       .explore = explore_log_messages},
      {.name = "log-concurrent",
       .covers = "three threads that append to two partitions and read them",
       .samples = true,
       .explore = explore_log_concurrent},
      store_suite("store-create", "making a store, and its first key",
                  {.run = {put}, .creates = true}),
      store_suite("store-put", "a key that is put, overwritten and removed",
                  {.setup = {put}, .run = {overwrite, remove}}),
      store_suite("store-batch", "a batch across two keyspaces, all or nothing",
                  {.setup = {create, put}, .run = {batch}}),
      store_suite("store-flush", "a memtable that goes into a table, and a key behind it",
                  {.setup = {put, batch}, .run = {flush, overwrite}}),
      store_suite(
          "store-recycle", "a memtable of two segments of the log, given up behind a flush",
          {.setup = {long_put("a"), long_put("b"), long_put("c")}, .run = {flush, overwrite}}),
      store_suite("store-merge", "tables that are merged into one, and a key behind it",
                  {.setup = {put, flush, remove, flush, batch}, .run = {merge, overwrite}}),
      store_suite("store-keyspaces", "a keyspace that is made, written to and dropped",
                  {.setup = {put}, .run = {create, batch, drop}}),
      store_suite("store-reopen", "closing a store with tables, opening it again, and a key",
                  {.setup = {put, flush, batch}, .run = {reopen, remove}}),
      store_suite("store-ttl", "a value whose time ends, over one that a table holds for ever",
                  {.setup = {put, flush}, .run = {briefly, pass_time, flush, merge}}),
      store_suite("store-ranges", "a range that is removed from a table, and a key of it put again",
                  {.setup = {batch, flush, put}, .run = {range, put, flush}}),
      store_suite("store-merge-operators", "operands over a value, in tables and merged, each once",
                  {.setup = {put, flush, operand}, .run = {operands, flush, merge}}),
      store_suite("store-transactions", "a transaction, all or nothing, and one that is refused",
                  {.setup = {create, put}, .run = {transaction, conflict}}),
      store_suite("store-checkpoint", "a copy of a store of two keyspaces, whole or not there",
                  {.setup = {put, create, flush, batch}, .run = {checkpoint, overwrite}}),
      store_suite("store-bulk-load",
                  "a load over a key in a table and in a memtable, a key behind it, and one beside",
                  {.setup = {put, flush, batch}, .run = {load, overwrite, load_beside}}),
      {.name = "store-memtable-switch",
       .covers = "memtables that are sealed and flushed while two threads write batches",
       .samples = true,
       .explore = explore_store_memtable_switch},
      {.name = "store-concurrent",
       .covers = "three threads that put, remove, write a batch and get the same keys",
       .samples = true,
       .explore = explore_store_concurrent},
      {.name = "store-model",
       .covers = "calls, reopenings and crashes at random, against a map",
       .samples = true,
       .explore = explore_store_model},
  };
}

std::vector<SuiteModel> suite_models() {
  return {
      {.name = "cache-line",
       .meaning = "mapped memory, each line durable when it is flushed and fenced (ADR)",
       .model = CrashModel::cache_line()},
      {.name = "durable-cache",
       .meaning = "mapped memory with a durable cache (eADR, CXL GPF)",
       .model = CrashModel::durable_cache()},
      {.name = "mapped-pages",
       .meaning = "files mapped through the page cache, durable by msync",
       .model = CrashModel::mapped_pages()},
      {.name = "mapped-sectors",
       .meaning = "the same, where each sector of 512 bytes goes by itself",
       .model = {.memory = MemoryModel::kMappedPages, .strict = true}},
      {.name = "block",
       .meaning = "files on a disk with a volatile cache; names as POSIX promises them",
       .block = true},
      {.name = "block-journal",
       .meaning = "the same, and names in the order of a journal",
       .block = true,
       .model = {.names = NameModel::kOrderedJournal}},
      {.name = "block-sectors",
       .meaning = "as block, on a disk that writes 512 bytes as a whole",
       .block = true,
       .model = {.device_unit_bytes = 512}},
      {.name = "block-paranoid",
       .meaning = "as block, and what was being written may hold garbage",
       .block = true,
       .model = {.paranoid = true}},
  };
}

}  // namespace nacre::tools
