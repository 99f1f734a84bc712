// A log with WalOptions::overwrite_protection, and without the keys it needs. That all else is as
// without it is for the suites of WAL, log and store, which run on it too.

#include <cstring>
#include <string>
#include <vector>

#include "nacre/wal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/stray_store.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;

class OverwriteProtection : public testing::Test {
 protected:
  static WalOptions options() {
    return {.segment_bytes = std::uint64_t{64} << 10,
            .domain = DomainRequest::kEmulated,
            .overwrite_protection = true,
            .environment = {}};
  }
  std::filesystem::path path() const { return directory_.path() / "wal"; }

  test::TempDirectory directory_;
};

TEST_F(OverwriteProtection, WithoutKeysTheLogIsNotOpenedAndSaysWhatToDo) {
  if (test::has_protection_keys()) GTEST_SKIP() << "there are protection keys";
  const auto wal = Wal::open(path(), options());
  ASSERT_THAT(wal, has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(wal.error().message(), testing::HasSubstr("open without overwrite_protection"));
  EXPECT_EQ(wal.error().path(), path().string());
  WalOptions without = options();
  without.overwrite_protection = false;
  EXPECT_OK(Wal::open(path(), without));
}

TEST_F(OverwriteProtection, ADomainThatWasGivenHasToProtect) {
  PosixFileSystem files;
  ASSERT_OK_AND_ASSIGN(const auto unprotected,
                       pmem::choose_domain(files, directory_.path(), DomainRequest::kEmulated));
  WalOptions given = options();
  given.environment.domain = unprotected.get();
  const auto wal = Wal::open(path(), given);
  ASSERT_THAT(wal, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(wal.error().message(), testing::HasSubstr("MappingOptions::overwrite_protection"));
}

TEST_F(OverwriteProtection, TheBlockDomainNeedsNone) {
  WalOptions block = options();
  block.domain = DomainRequest::kBlock;
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), block));
  ASSERT_OK(wal.lane(0).append(as_bytes("one")));
  EXPECT_FALSE(wal.domain().overwrite_protection);
}

class OverwriteProtectionDeathTest : public OverwriteProtection {
 protected:
  void SetUp() override {
    if (!test::has_protection_keys()) GTEST_SKIP() << "no protection keys";
  }
};

TEST_F(OverwriteProtectionDeathTest, AStrayStoreIntoARecordEndsTheProcessAndTheRecordStands) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  EXPECT_TRUE(wal.domain().overwrite_protection);
  ASSERT_OK(wal.lane(0).append(as_bytes("acknowledged")));
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader());
  ASSERT_OK(reader.next());
  const Bytes payload = reader.record().payload;
  EXPECT_EXIT(test::exit_with_fault([&] { test::store_at(payload.data()); }),
              testing::ExitedWithCode(SEGV_ACCERR), "");
  EXPECT_EQ(as_text(payload), "acknowledged");
}

TEST_F(OverwriteProtectionDeathTest, AWildStoreIntoAnythingThatIsMappedForStoresEndsTheProcess) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  // Beyond the first segment, so that there are old, new and spare ones.
  const std::vector<std::byte> record(10'000, std::byte{1});
  for (int i = 0; i < 20; ++i) ASSERT_OK(wal.lane(0).append(record));
  const auto views = test::mapped_for_stores(path());
  ASSERT_GE(views.size(), 3u);
  for (const auto view : views) {
    EXPECT_EXIT(test::exit_with_fault([&] { test::store_at(view.data() + 5000); }),
                testing::ExitedWithCode(SEGV_PKUERR), "");
  }
}

// A claim in the mapping would have to be open to the thread for as long as the claim is.
TEST_F(OverwriteProtectionDeathTest, AnOpenClaimOpensNothing) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(0).claim(1000));
  const auto views = test::mapped_for_stores(path());
  ASSERT_FALSE(views.empty());
  EXPECT_EXIT(test::exit_with_fault([&] { test::store_at(views.front().data() + 5000); }),
              testing::ExitedWithCode(SEGV_PKUERR), "");
  std::memcpy(claim.payload().data(), "claimed", 7);
  ASSERT_OK(claim.commit(7));
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader());
  ASSERT_OK(reader.next());
  EXPECT_EQ(as_text(reader.record().payload), "claimed");
}

TEST_F(OverwriteProtectionDeathTest, LargeClaimsAreCommittedAndDropped) {
  WalOptions large = options();
  large.segment_bytes = std::uint64_t{32} << 20;
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), large));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(0).claim(std::size_t{8} << 20));
    std::memset(claim.payload().data(), i, claim.payload().size());
    if (i == 1) continue;
    ASSERT_OK(claim.commit(claim.payload().size()));
  }
  int records = 0;
  ASSERT_OK(wal.replay([&](std::uint32_t, const RecordView& record) -> Status {
    EXPECT_EQ(record.payload[record.payload.size() / 2], static_cast<std::byte>(2 * records));
    ++records;
    return {};
  }));
  EXPECT_EQ(records, 2);
}

}  // namespace
}  // namespace nacre
