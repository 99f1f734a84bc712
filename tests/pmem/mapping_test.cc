#include "pmem/mapping.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::pmem {
namespace {

constexpr std::size_t kFileBytes = 64 * 1024;

class MappingTest : public testing::Test {
 protected:
  void SetUp() override {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(descriptor_, 0);
    ASSERT_EQ(ftruncate(descriptor_, kFileBytes), 0);
  }
  void TearDown() override { close(descriptor_); }

  test::TempDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "file";
  int descriptor_ = -1;
};

TEST_F(MappingTest, AnOrdinaryFileHasPageGranularityAndNoMapSync) {
  const PersistenceFacts facts = find_persistence_facts(descriptor_, kFileBytes);
  if (facts.map_sync_errno == 0) GTEST_SKIP() << "the temporary directory is persistent memory";
  EXPECT_EQ(facts.pmem2_granularity, StoreGranularity::kPage);
  EXPECT_EQ(facts.map_sync_errno, EOPNOTSUPP);
  EXPECT_FALSE(facts.device_dax);
  EXPECT_EQ(facts.proven_domain(), std::nullopt);
  EXPECT_EQ(count_unsafe_shutdowns(descriptor_), std::nullopt);
}

TEST_F(MappingTest, ForcedGranularityProvesNothing) {
  ASSERT_EQ(setenv("PMEM2_FORCE_GRANULARITY", "BYTE", 1), 0);
  const PersistenceFacts facts = find_persistence_facts(descriptor_, kFileBytes);
  ASSERT_EQ(unsetenv("PMEM2_FORCE_GRANULARITY"), 0);
  if (facts.map_sync_errno == 0) GTEST_SKIP() << "the temporary directory is persistent memory";
  EXPECT_EQ(facts.pmem2_granularity, StoreGranularity::kCacheLine)
      << "libpmem2 is not fooled any more, or we are";
  EXPECT_EQ(facts.proven_domain(), std::nullopt);
}

TEST(PersistenceFacts, GranularityAndMapSyncTogetherProveADomain) {
  PersistenceFacts facts;
  EXPECT_EQ(facts.proven_domain(), std::nullopt);
  facts.pmem2_granularity = StoreGranularity::kByte;
  EXPECT_EQ(facts.proven_domain(), DomainKind::kDurableCache);
  facts.pmem2_granularity = StoreGranularity::kCacheLine;
  EXPECT_EQ(facts.proven_domain(), DomainKind::kCacheLine);
  facts.pmem2_granularity = StoreGranularity::kPage;
  EXPECT_EQ(facts.proven_domain(), std::nullopt);
}

TEST(PersistenceFacts, DeviceDaxNeedsNoMapSync) {
  PersistenceFacts facts;
  facts.pmem2_granularity = StoreGranularity::kCacheLine;
  facts.map_sync_errno = EOPNOTSUPP;
  EXPECT_EQ(facts.proven_domain(), std::nullopt);
  facts.device_dax = true;
  EXPECT_EQ(facts.proven_domain(), DomainKind::kCacheLine);
}

TEST_F(MappingTest, PopulateReportsPagesTheFileDoesNotHave) {
  ASSERT_OK_AND_ASSIGN(const Mapping mapping, map_plain(descriptor_, kFileBytes, path_));
  ASSERT_OK(populate(mapping, path_));
  ASSERT_EQ(ftruncate(descriptor_, kFileBytes / 2), 0);
  EXPECT_THAT(populate(mapping, path_), test::has_code(ErrorCode::kNoSpace));
}

TEST_F(MappingTest, AMappingLargerThanTheAddressSpaceIsNoSpace) {
  EXPECT_THAT(map_plain(descriptor_, std::size_t{1} << 47, path_),
              test::has_code(ErrorCode::kNoSpace));
}

/// A device of the kernel's DAX driver, as in the virtual machine of tools/vm.
class DeviceDax : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = std::size_t{4} << 20;

  void SetUp() override {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/dev", none)) {
      if (entry.path().filename().string().starts_with("dax")) path_ = entry.path();
    }
    if (path_.empty()) GTEST_SKIP() << "no device DAX here";
    descriptor_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(descriptor_, 0);
  }
  void TearDown() override {
    if (descriptor_ >= 0) close(descriptor_);
  }

  std::filesystem::path path_;
  int descriptor_ = -1;
};

TEST_F(DeviceDax, IsProvenByItsDriver) {
  const PersistenceFacts facts = find_persistence_facts(descriptor_, kBytes);
  EXPECT_TRUE(facts.device_dax);
  EXPECT_TRUE(facts.pmem2_granularity == StoreGranularity::kCacheLine ||
              facts.pmem2_granularity == StoreGranularity::kByte)
      << facts.pmem2_message;
  EXPECT_NE(facts.proven_domain(), std::nullopt);
}

TEST_F(DeviceDax, KeepsWhatWasStored) {
  {
    ASSERT_OK_AND_ASSIGN(const Mapping mapping, map_persistent(descriptor_, kBytes, path_));
    ASSERT_EQ(mapping.size(), kBytes);
    ASSERT_OK(populate(mapping, path_));
    mapping.data()[kBytes - 1] = std::byte{42};
  }
  ASSERT_OK_AND_ASSIGN(const Mapping mapping, map_persistent(descriptor_, kBytes, path_));
  EXPECT_EQ(mapping.data()[kBytes - 1], std::byte{42});
}

TEST_F(DeviceDax, IsMappedInWholeUnitsOfTheDevice) {
  const auto mapping = map_persistent(descriptor_, 4096, path_);
  if (mapping) GTEST_SKIP() << "the device has small units";
  EXPECT_THAT(mapping, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(mapping.error().path(), path_.string());
}

TEST(Mapping, ADescriptorThatIsNoneIsAnErrorOfTheKernels) {
  const auto mapping = map_plain(-1, 4096, "nothing");
  ASSERT_THAT(mapping, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(mapping.error().sys_errno(), EBADF);
  const PersistenceFacts facts = find_persistence_facts(-1, 4096);
  EXPECT_EQ(facts.pmem2_granularity, std::nullopt);
  EXPECT_EQ(facts.map_sync_errno, EBADF);
}

TEST(Mapping, WhatCannotBeMappedIsUnsupported) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_THAT(map_plain(ends[0], 4096, "a pipe"), test::has_code(ErrorCode::kUnsupported));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(MappingTest, MovedMappingIsUnmappedOnce) {
  ASSERT_OK_AND_ASSIGN(Mapping mapping, map_plain(descriptor_, kFileBytes, path_));
  std::byte* const address = mapping.data();
  const Mapping moved(std::move(mapping));
  EXPECT_EQ(moved.data(), address);
  EXPECT_EQ(moved.size(), kFileBytes);
  EXPECT_EQ(moved.data()[0], std::byte{0});
}

}  // namespace
}  // namespace nacre::pmem
