// What happens in a store while it flushes and merges.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "tests/lib/store/store_fault_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

class StoreBackgroundTest : public test::StoreFaultFixture {
 protected:
  void call_before_a_table_is_made(std::function<void()> call) {
    plan().before_each([this, call = std::move(call)](const FileEvent& event) {
      if (event.operation != FileOperation::kCreate || was_called_) return;
      if (event.path.string().find("/tables/") == std::string::npos) return;
      was_called_ = true;
      call();
    });
  }

  bool was_called_ = false;
};

// The files of the table were left behind until the store was opened again.
TEST_P(StoreBackgroundTest, DroppingAKeyspaceWhileItIsFlushedLeavesNothing) {
  open();
  ASSERT_OK_AND_ASSIGN(const Keyspace made, store_->create_keyspace("made"));
  ASSERT_OK(store_->put(made, as_bytes("key"), as_bytes("value")));
  call_before_a_table_is_made([&] { EXPECT_OK(store_->drop_keyspace(made)); });
  ASSERT_OK(store_->flush());
  EXPECT_TRUE(was_called_);
  EXPECT_THAT(store_->put(made, as_bytes("key"), {}), has_code(ErrorCode::kNotFound));
  EXPECT_EQ(table_files(), 0U);
  ASSERT_OK(put_some(3));
  reopen();
  EXPECT_EQ(store_->recovery().orphans_removed, 0U);
  expect_all_there();
}

// The merge said that there was no such keyspace, and so did closing the store later.
TEST_P(StoreBackgroundTest, DroppingAKeyspaceWhileItIsMergedIsNoErrorOfTheStore) {
  open();
  ASSERT_OK_AND_ASSIGN(const Keyspace made, store_->create_keyspace("made"));
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(store_->put(made, as_bytes("key"), as_bytes(std::to_string(i))));
    ASSERT_OK(store_->flush());
  }
  call_before_a_table_is_made([&] { EXPECT_OK(store_->drop_keyspace(made)); });
  executor_.run_all();
  EXPECT_TRUE(was_called_) << "four tables are merged in the background";
  EXPECT_EQ(table_files(), 0U);
  ASSERT_OK(put_some(3));
  reopen();
  EXPECT_EQ(store_->recovery().orphans_removed, 0U);
  expect_all_there();
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreBackgroundTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
