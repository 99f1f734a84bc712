// A store at the bound of its memory, and on a machine that has none left.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/store/store_core.h"
#include "lib/store/write_format.h"
#include "nacre/executor.h"
#include "nacre/store.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kBudget = 16 * kMiB;

std::string key_of(int i) {
  std::string key = std::to_string(i);
  key.insert(0, 8 - key.size(), '0');
  return key;
}

class StoreMemoryTest : public testing::TestWithParam<DomainRequest> {
 protected:
  StoreOptions options(std::uint64_t budget = kBudget) const {
    return {.memory_budget = budget, .segment_bytes = 8 * kMiB, .domain = GetParam()};
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  test::TempDirectory directory_ = GetParam() == DomainRequest::kEmulated
                                       ? test::TempDirectory::on_tmpfs()
                                       : test::TempDirectory();
};

TEST_P(StoreMemoryTest, ABudgetThatIsTooSmallSaysWhatWouldDo) {
  const auto refused = Store::open(path(), options(1));
  ASSERT_THAT(refused, has_code(ErrorCode::kInvalidArgument));
  EXPECT_NE(refused.error().message().find(std::to_string(kBudget)), std::string::npos)
      << refused.error().to_string();
  EXPECT_OK(Store::open(path(), options(kBudget)));
}

TEST_P(StoreMemoryTest, TablesRaiseTheLeast) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
    ASSERT_OK(store.flush());
    EXPECT_GT(store.stats().value().memory.tables, 0U);
    ASSERT_OK(store.close());
  }
  EXPECT_THAT(Store::open(path(), options(kBudget)), has_code(ErrorCode::kInvalidArgument));
  EXPECT_OK(Store::open(path(), options(kBudget + kMiB)));
}

// Empty values, so that memory rather than the log fills memtables; and nobody writes tables until
// a writer waits for it, so that there would be five memtables at once.
TEST_P(StoreMemoryTest, WritersWaitRatherThanExceedIt) {
  DeterministicExecutor executor(1);
  StoreOptions waiting = options();
  waiting.environment.executor = &executor;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), waiting));
  WriteBatch batch;
  std::uint64_t most = 0;
  for (int i = 0; i < 600'000; ++i) {
    batch.put(as_bytes(key_of(i)), {});
    if (batch.count() < 1000) continue;
    ASSERT_OK(store.write(batch));
    batch.clear();
    most = std::max(most, store.stats().value().memory.used());
  }
  EXPECT_GT(most, kBudget - store::MemoryBudget::kBlockBytes) << "the bound was never near";
  // A write is small, and begins below the bound; a memtable grows by a block.
  EXPECT_LE(most, kBudget + store::MemoryBudget::kBlockBytes);
  EXPECT_GT(store.stats().value().flushes, 2U);
  ASSERT_OK(store.flush());
  EXPECT_TRUE(store.get(as_bytes(key_of(0))).value().has_value());
  EXPECT_TRUE(store.get(as_bytes(key_of(599'999))).value().has_value());
}

TEST_P(StoreMemoryTest, WhatOldReadersKeepCounts) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  // Each keeps the memtables that there were.
  std::vector<StoreIterator> readers;
  Status refused;
  int written = 0;
  for (; written < 1000; ++written) {
    WriteBatch batch;
    for (int i = 0; i < 2000; ++i) batch.put(as_bytes(key_of(written * 2000 + i)), {});
    refused = store.write(batch);
    if (!refused) break;
    readers.push_back(store.iterate());
  }
  ASSERT_THAT(refused, has_code(ErrorCode::kNoSpace));
  EXPECT_NE(refused.error().message().find("memory_budget"), std::string::npos);
  EXPECT_FALSE(store.get(as_bytes(key_of(written * 2000))).value().has_value());
  for (int i = 0; i < written; ++i) {
    ASSERT_TRUE(store.get(as_bytes(key_of(i * 2000))).value().has_value()) << i;
  }
  readers.clear();
  EXPECT_OK(store.put(as_bytes("after"), as_bytes("value")));
}

// Nobody keeps anything for long, so that waiting for a flush always helps.
TEST_P(StoreMemoryTest, WritersAndReadersAtTheBoundMeetNoError) {
  if (GetParam() == DomainRequest::kBlock) GTEST_SKIP() << "the same, and slower";
  constexpr int kWriters = 2;
  constexpr int kBatches = 1500;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  std::atomic<int> writing{kWriters};
  std::vector<std::jthread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < kBatches; ++i) {
        WriteBatch batch;
        for (int k = 0; k < 100; ++k) {
          batch.put(as_bytes(key_of((writer * kBatches + i) * 100 + k)), {});
        }
        EXPECT_OK(store.write(batch));
      }
      writing.fetch_sub(1);
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; writing.load() > 0; i = (i + 1) % 1000) {
      EXPECT_OK(store.get(as_bytes(key_of(i))));
    }
  });
  threads.clear();
  EXPECT_GT(store.stats().value().flushes, 2U);
  for (int i = 0; i < kWriters * kBatches * 100; i += 101) {
    ASSERT_TRUE(store.get(as_bytes(key_of(i))).value().has_value()) << i;
  }
}

// Its tables were of 64 MiB whatever the budget, and their indexes took all of it: writers were
// refused until the load was over.
TEST_P(StoreMemoryTest, ALoadTakesItsShareAndLeavesWritersTheirs) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  BulkLoad load = store.begin_bulk_load();
  std::uint64_t most = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    ASSERT_OK(load.add(as_bytes(key_of(i)), {}));
    if (i % 10'000 != 0) continue;
    most = std::max(most, store.stats().value().memory.builders);
    ASSERT_OK(store.put(as_bytes("beside"), as_bytes("value")));
  }
  EXPECT_GT(most, 0U);
  EXPECT_LE(most, kBudget / 8);
  ASSERT_OK(load.commit());
  EXPECT_EQ(store.stats().value().memory.builders, 0U);
  EXPECT_GT(store.stats().value().keyspaces[0].levels.back().tables, 10U);
  EXPECT_TRUE(store.get(as_bytes(key_of(999'999))).value().has_value());
}

/// A machine whose memory is gone, and comes back.
class MachineMemory {
 public:
  store::MemoryBudget::Source source() {
    return [this](std::size_t bytes) -> Result<BufferMemory> {
      if (left_.load() <= 0) return Error(ErrorCode::kNoSpace, "the machine has no memory left");
      left_.fetch_sub(1);
      return BufferMemory::create(bytes, {.kind = BufferMemoryKind::kPlain});
    };
  }
  std::atomic<int> left_{kMuch};  // Blocks.
  static constexpr int kMuch = 1'000'000;
};

// The process was ended by an assertion in the arena.
TEST_P(StoreMemoryTest, WritesFailAndNothingIsLostWhenTheMachineHasNoMemory) {
  MachineMemory machine;
  int written = 0;
  const std::string value(1000, 'v');
  {
    ASSERT_OK_AND_ASSIGN(const auto core, store::StoreCore::open(path(), options(0)));
    core->memory().set_source(machine.source());
    const auto& keyspace = core->default_keyspace();
    const auto put = [&](int i) {
      return core->write(keyspace, store::EntryKind::kPut, as_bytes(key_of(i)), as_bytes(value));
    };
    machine.left_ = 0;
    Status refused;
    while (written < 1'000'000 && (refused = put(written))) ++written;
    ASSERT_THAT(refused, has_code(ErrorCode::kNoSpace));
    EXPECT_GT(written, 0);
    // Nor one that needs more than was mapped ahead.
    EXPECT_THAT(core->write(keyspace, store::EntryKind::kPut, as_bytes("large"),
                            as_bytes(std::string(5 * kMiB, 'v'))),
                has_code(ErrorCode::kNoSpace));
    for (int i = 0; i < written; ++i) {
      ASSERT_TRUE(core->get(keyspace, as_bytes(key_of(i)), store::kNewest).value().has_value());
    }
    machine.left_ = MachineMemory::kMuch;
    ASSERT_OK(put(written++));
    ASSERT_OK(core->close());
  }
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options(0)));
  for (int i = 0; i < written; ++i) {
    ASSERT_TRUE(store.get(as_bytes(key_of(i))).value().has_value()) << i;
  }
  EXPECT_FALSE(store.get(as_bytes(key_of(written))).value().has_value());
}

/// `count` puts of empty values, as one record.
std::vector<std::byte> record_of(int count) {
  std::vector<std::byte> record;
  for (int i = 0; i < count; ++i) {
    const std::string key = key_of(i);
    store::WriteHeader header{};
    header.kind = static_cast<std::uint8_t>(store::EntryKind::kPut);
    header.key_bytes = static_cast<std::uint32_t>(key.size());
    const Bytes parts[] = {std::as_bytes(std::span(&header, 1)), as_bytes(key)};
    for (const Bytes part : parts) record.insert(record.end(), part.begin(), part.end());
  }
  return record;
}

// However much the machine has left, the batch is refused before it is durable, or gets through
// with what was set aside for it.
TEST_P(StoreMemoryTest, ALargeBatchIsRefusedOrCarriedThrough) {
  constexpr int kPuts = 100'000;
  const std::vector<std::byte> record = record_of(kPuts);
  ASSERT_OK_AND_ASSIGN(const auto core, store::StoreCore::open(path(), options(0)));
  MachineMemory machine;
  core->memory().set_source(machine.source());
  Status written;
  for (int blocks = 0; blocks < 1000; ++blocks) {
    machine.left_ = blocks;
    written = core->write_batch(record);
    if (written) break;
    ASSERT_THAT(written, has_code(ErrorCode::kNoSpace)) << blocks;
    ASSERT_FALSE(
        core->get(core->default_keyspace(), as_bytes(key_of(0)), store::kNewest)->has_value());
  }
  ASSERT_OK(written);
  EXPECT_EQ(machine.left_, 0) << "no more than it had to have";
  for (int i = 0; i < kPuts; i += 97) {
    ASSERT_TRUE(
        core->get(core->default_keyspace(), as_bytes(key_of(i)), store::kNewest)->has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreMemoryTest,
                         testing::Values(DomainRequest::kEmulated, DomainRequest::kBlock),
                         [](const auto& one) {
                           return one.param == DomainRequest::kBlock ? "block" : "emulated";
                         });

}  // namespace
}  // namespace nacre
