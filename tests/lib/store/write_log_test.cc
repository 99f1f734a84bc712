#include "lib/store/write_log.h"

#include <gtest/gtest.h>

#include <utility>

#include "nacre/store.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "wal/lane_set.h"

namespace nacre::store {
namespace {

// In the block domain a snapshot went by the one lane that is appended to there. Of a store whose
// earlier writer, in a memory domain, had used other lanes, iterators showed nothing of those.
TEST(WriteLog, ASnapshotSeesWhatEarlierWritersHadOnOtherLanes) {
  const test::TempDirectory directory;
  const auto path = directory.path() / "store";
  {
    // Which lane a thread takes is by its identity; of so many it is hardly ever the first.
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path, {.write_lanes = kMaxWriteLanes,
                                                         .segment_bytes = std::uint64_t{64} << 10,
                                                         .domain = DomainRequest::kEmulated}));
    ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
    ASSERT_OK(store.close());
  }
  auto store = Store::open(path, {.write_lanes = 1, .domain = DomainRequest::kAuto});
  if (!store && store.error().code() == ErrorCode::kUnsupported) GTEST_SKIP() << "no such domain";
  ASSERT_OK(store);
  const Snapshot snapshot = store->snapshot();
  StoreIterator each = store->iterate({.snapshot = &snapshot});
  each.seek_first();
  ASSERT_TRUE(each.valid());
  EXPECT_EQ(as_text(each.value()), "value");
}

// A bulk load had passed its barrier and not taken it away yet: a snapshot was still of before it.
// A merge that came in between keeps nothing for such a snapshot, which was not there when the
// merge asked; so it saw an older load, or nothing.
TEST(WriteLog, ASnapshotIsNeverOfBeforeABarrierThatWasPassed) {
  const test::TempDirectory directory;
  StoreOptions options{.segment_bytes = std::uint64_t{64} << 10,
                       .domain = DomainRequest::kEmulated};
  ASSERT_OK_AND_ASSIGN(auto set,
                       wal::LaneSet::open(directory.path() / "log", lane_set_options(options)));
  WriteLog log(std::move(set), 1);
  const Lsn last{log.newest().value + 1};
  const Sequence moment = Sequence::through(last);
  {
    WriteLog::Barrier barrier(log);
    log.raise(last);
    barrier.decide(moment);
    EXPECT_LT(log.snapshot(), moment);
    barrier.pass();
    EXPECT_GE(log.snapshot(), moment);
  }
  EXPECT_GE(log.snapshot(), moment);
  ASSERT_OK(log.close());
}

}  // namespace
}  // namespace nacre::store
