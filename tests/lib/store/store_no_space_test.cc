// What a store does when there is no room: writes are refused, reads go on, nothing that was
// acknowledged is lost, and it goes on when there is room again.

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "tests/lib/store/store_fault_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

class StoreNoSpaceTest : public test::StoreFaultFixture {
 protected:
  /// Behind what made room.
  void expect_to_go_on() {
    files_.set_free_bytes(std::nullopt);
    ASSERT_OK(put_some(30));
    ASSERT_OK(store_->flush());
    expect_all_there();
    reopen();
    EXPECT_EQ(store_->recovery().orphans_removed, 0U);
    expect_all_there();
  }
};

TEST_P(StoreNoSpaceTest, CreationLeavesNothingInTheWay) {
  for (std::uint64_t room = 0; room < 300'000; room += 7'000) {
    files_.set_free_bytes(room);
    auto store = Store::open(path(), options());
    if (!store) {
      EXPECT_EQ(store.error().code(), ErrorCode::kNoSpace) << store.error().to_string();
    }
  }
  files_.set_free_bytes(std::nullopt);
  open();
  expect_to_go_on();
}

TEST_P(StoreNoSpaceTest, RefusesWritesThatTheLogHasNoRoomFor) {
  open();
  ASSERT_OK(put_some(2));
  files_.set_free_bytes(100);
  EXPECT_THAT(put_some(1000), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(put_some(1), has_code(ErrorCode::kNoSpace));
  WriteBatch batch;
  batch.put(as_bytes("a"), as_bytes(std::string(3000, 'b')));
  batch.put(as_bytes("b"), as_bytes(std::string(3000, 'b')));
  EXPECT_THAT(store_->write(batch), has_code(ErrorCode::kNoSpace));
  expect_all_there();
  EXPECT_THAT(store_->flush(), has_code(ErrorCode::kNoSpace));
  expect_all_there();
  expect_to_go_on();
}

// What had been written of a failed flush stayed, and each further attempt added to it: of two
// keyspaces the first had its table every time, until not even that had room.
TEST_P(StoreNoSpaceTest, AFlushThatHasNoRoomTakesNone) {
  open();
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store_->create_keyspace("other"));
  ASSERT_OK(put_some(3));
  ASSERT_OK(store_->put(other, as_bytes("large"), as_bytes(std::string(40'000, 'v'))));
  // Enough for the first of the two tables.
  constexpr std::uint64_t kRoom = 35'000;
  for (int attempt = 0; attempt < 4; ++attempt) {
    files_.set_free_bytes(kRoom);
    EXPECT_THAT(store_->flush(), has_code(ErrorCode::kNoSpace));
    EXPECT_EQ(table_files(), 0U) << "after attempt " << attempt;
    EXPECT_EQ(files_.free_bytes(), kRoom);
    expect_all_there();
  }
  ASSERT_OK(put_some(1));
  expect_to_go_on();
}

TEST_P(StoreNoSpaceTest, AMergeThatHasNoRoomTakesNone) {
  open();
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(put_some(5));
    ASSERT_OK(put("same", 5000));
    ASSERT_OK(store_->flush());
  }
  for (const std::uint64_t room : {std::uint64_t{0}, std::uint64_t{6000}}) {
    files_.set_free_bytes(room);
    EXPECT_THAT(store_->compact(), has_code(ErrorCode::kNoSpace));
    EXPECT_EQ(table_files(), 2U);
    EXPECT_EQ(files_.free_bytes(), room);
    expect_all_there();
  }
  files_.set_free_bytes(std::nullopt);
  ASSERT_OK(store_->compact());
  EXPECT_EQ(table_files(), 1U);
  expect_to_go_on();
}

TEST_P(StoreNoSpaceTest, KeyspacesThatTheManifestHasNoRoomForAreRefused) {
  open();
  ASSERT_OK(put_some(3));
  files_.set_free_bytes(0);
  std::vector<std::string> made = {"default"};
  std::optional<Error> refused;
  while (!refused) {
    const std::string name = std::to_string(made.size()) + std::string(200, 'n');
    const auto created = store_->create_keyspace(name);
    if (created) {
      made.push_back(name);
    } else {
      refused = created.error();
    }
  }
  EXPECT_EQ(refused->code(), ErrorCode::kNoSpace) << refused->to_string();
  EXPECT_TRUE(store_->keyspaces() == made);
  // What says less may still fit.
  Status dropped;
  for (; dropped; made.pop_back()) {
    dropped = store_->drop_keyspace(store_->keyspace(made.back()).value());
    if (!dropped) break;
  }
  EXPECT_EQ(dropped.error().code(), ErrorCode::kNoSpace) << dropped.error().to_string();
  EXPECT_TRUE(store_->keyspaces() == made);
  ASSERT_OK(put_some(3));
  // For the table, but not for another segment of the manifest.
  files_.set_free_bytes(40'000);
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(store_->flush(), has_code(ErrorCode::kNoSpace));
    EXPECT_EQ(table_files(), 0U);
    expect_all_there();
  }
  expect_to_go_on();
  EXPECT_TRUE(store_->keyspaces() == made);
}

// Memtables are sealed while none of them can be flushed, until there are as many as there may be.
TEST_P(StoreNoSpaceTest, WritersAreNotStuckBehindMemtablesThatCannotBeFlushed) {
  open();
  // Nothing but tables has no room.
  plan().add({.operation = FileOperation::kWrite,
              .sys_errno = ENOSPC,
              .path_contains = "/tables/",
              .times = Fault::kAlways});
  Status refused;
  while (refused) refused = put("key " + std::to_string(100000 + puts_++), 30'000);
  EXPECT_EQ(refused.error().code(), ErrorCode::kNoSpace) << refused.error().to_string();
  EXPECT_EQ(table_files(), 0U);
  EXPECT_GT(acknowledged_.size(), 60U);
  expect_all_there();
  plan().clear();
  // The write that finds out may still be told of the attempt before it.
  static_cast<void>(put_some(1));
  expect_to_go_on();
}

TEST_P(StoreNoSpaceTest, AFullDiskDoesNotKeepAStoreFromBeingOpenedAndRead) {
  open();
  ASSERT_OK(put_some(5));
  ASSERT_OK(store_->flush());
  ASSERT_OK(put_some(5));
  ASSERT_OK(store_->close());
  store_.reset();
  plan().add({.operation = FileOperation::kPreallocate,
              .sys_errno = ENOSPC,
              .path_contains = "",
              .times = Fault::kAlways});
  for (const char* file : {".nacre-probe", "LOCK", "/tables/"}) {
    plan().add({.operation = FileOperation::kWrite, .sys_errno = ENOSPC, .path_contains = file});
  }
  open();
  expect_all_there();
  plan().clear();
  expect_to_go_on();
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreNoSpaceTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
