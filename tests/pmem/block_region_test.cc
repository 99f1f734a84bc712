#include "pmem/block_region.h"

#include "tests/pmem/region_contract.h"
#include "tests/pmem/stub_file_system.h"

namespace nacre::pmem {
namespace {

std::unique_ptr<Domain> block_domain(IoEngine engine = IoEngine::kAuto) {
  static PosixFileSystem file_system;
  return make_block_domain({.kind = DomainKind::kBlock,
                            .survives_power_loss = true,
                            .granularity_bytes = kBlockBytes,
                            .reason = "a test asked for it",
                            .copy_routine = {}},
                           file_system, {.engine = engine})
      .value();
}

INSTANTIATE_TEST_SUITE_P(Block, RegionContract,
                         testing::Values(RegionSource{
                             .name = "ordinary_file",
                             .make_domain = [] { return block_domain(); },
                             .make_file_system = [] { return std::make_unique<PosixFileSystem>(); },
                         }),
                         source_name);

class BlockRegionTest : public testing::Test {
 protected:
  static constexpr std::size_t kRegionBytes = 64 * 1024;

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto file, file_system_.open(path_, {.writable = true, .create = true}));
    ASSERT_OK(file->resize(kRegionBytes));
  }

  /// Over plain files, so that these tests run on every file system.
  Result<std::unique_ptr<Region>> map(MapContent content, std::size_t bytes = kRegionBytes) {
    auto file = file_system_.open(path_, {.writable = true});
    if (!file) return std::move(file).error();
    return domain_->map(*std::move(file), bytes, content);
  }

  test::TempDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "region";
  test::StubFileSystem file_system_;
  // io_uring would go by the descriptors of its files, past what it notes and injects.
  const std::unique_ptr<Domain> domain_ = block_domain(IoEngine::kPosix);
};

TEST_F(BlockRegionTest, WritesWholeBlocksAroundTheRange) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  ASSERT_OK(region->commit(4097, 8192));
  ASSERT_OK(region->commit(8192, 8193));
  ASSERT_OK(region->commit(0, 0));
  using Write = std::pair<std::uint64_t, std::size_t>;
  EXPECT_THAT(file_system_.faults().writes,
              testing::ElementsAre(Write{4096, 4096}, Write{8192, 4096}));
}

TEST_F(BlockRegionTest, AnythingButCommitWritesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  const std::byte bytes[100]{};
  region->copy(0, bytes);
  region->stream(64, bytes, bytes);
  region->store_u64(8, 1);
  region->flush(0, 4096);
  region->fence();
  EXPECT_TRUE(file_system_.faults().writes.empty());
  EXPECT_FALSE(region->synchronous());
}

TEST_F(BlockRegionTest, AFailedCommitRefusesAllLaterOnesWithTheFirstError) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  file_system_.faults().write = Error(ErrorCode::kIo, "the device failed").with_errno(5);
  EXPECT_THAT(region->commit(0, 4096), test::has_code(ErrorCode::kIo));

  file_system_.faults().write.reset();
  const auto second = region->commit(4096, 8192);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().message(), "the device failed");
  EXPECT_EQ(second.error().sys_errno(), 5);
  EXPECT_THAT(region->commit(0, 0), test::has_code(ErrorCode::kIo));
  EXPECT_EQ(file_system_.faults().writes.size(), 1u) << "a poisoned region wrote";
}

TEST_F(BlockRegionTest, AFullFileSystemPoisonsTooAndTheImageStaysReadable) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  region->store_u64(0, 77);
  file_system_.faults().write = Error(ErrorCode::kNoSpace, "full");
  EXPECT_THAT(region->commit(0, 4096), test::has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(region->data()[0], std::byte{77});
}

TEST_F(BlockRegionTest, AFreshRegionIsNotReadAndIsZero) {
  file_system_.faults().read = Error(ErrorCode::kIo, "must not be read");
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  EXPECT_EQ(region->data()[kRegionBytes - 1], std::byte{0});
}

TEST_F(BlockRegionTest, AFileThatCannotBeReadIsAnError) {
  file_system_.faults().read = Error(ErrorCode::kIo, "the device failed");
  EXPECT_THAT(map(MapContent::kKeep), test::has_code(ErrorCode::kIo));
}

TEST_F(BlockRegionTest, AFileThatBecomesShorterMeanwhileIsNamedWithItsEnd) {
  file_system_.faults().end = 4096 + 100;
  const auto region = map(MapContent::kKeep);
  ASSERT_THAT(region, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(region.error().path(), path_.string());
  EXPECT_EQ(region.error().offset(), 4096u + 100);
}

TEST_F(BlockRegionTest, IsMadeOfWholeBlocksThatTheFileHas) {
  for (const std::size_t bytes : {std::size_t{0}, kBlockBytes + 512, kRegionBytes + kBlockBytes}) {
    const auto region = map(MapContent::kFresh, bytes);
    EXPECT_THAT(region, test::has_code(ErrorCode::kInvalidArgument)) << bytes;
    EXPECT_EQ(region.error().path(), path_.string());
  }
}

TEST_F(BlockRegionTest, AnImageLargerThanTheAddressSpaceIsNoSpace) {
  constexpr std::size_t kHuge = std::size_t{1} << 47;
  // A sparse file in memory: few other file systems have files so large.
  const auto memory = test::TempDirectory::on_tmpfs();
  ASSERT_OK_AND_ASSIGN(
      auto file, file_system_.open(memory.path() / "huge", {.writable = true, .create = true}));
  ASSERT_OK(file->resize(kHuge));
  EXPECT_THAT(domain_->map(std::move(file), kHuge, MapContent::kFresh),
              test::has_code(ErrorCode::kNoSpace));
}

TEST_F(BlockRegionTest, KeepsFilesLargerThanOneRead) {
  constexpr std::size_t kLarge = (std::size_t{8} << 20) + 4096;
  {
    ASSERT_OK_AND_ASSIGN(auto file, file_system_.open(path_, {.writable = true}));
    ASSERT_OK(file->resize(kLarge));
    const std::byte last{42};
    ASSERT_OK(file->write_at(kLarge - 1, Bytes(&last, 1)));
    ASSERT_OK(file->write_at((std::size_t{8} << 20) - 1, Bytes(&last, 1)));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep, kLarge));
  EXPECT_EQ(region->data()[kLarge - 1], std::byte{42});
  EXPECT_EQ(region->data()[(std::size_t{8} << 20) - 1], std::byte{42});
}

}  // namespace
}  // namespace nacre::pmem
