#pragma once

// What every Region promises, as one suite over every implementation of the seam:
//
//   INSTANTIATE_TEST_SUITE_P(Block, RegionContract, testing::Values(RegionSource{...}),
//   source_name);

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::pmem {

/// Where the regions under test come from.
struct RegionSource {
  std::string name;
  std::function<std::unique_ptr<Domain>()> make_domain;
  std::function<std::unique_ptr<FileSystem>()> make_file_system;
  bool on_tmpfs = false;
};

inline std::string source_name(const testing::TestParamInfo<RegionSource>& info) {
  return info.param.name;
}

class RegionContract : public testing::TestWithParam<RegionSource> {
 protected:
  static constexpr std::size_t kRegionBytes = 256 * 1024;

  RegionContract()
      : domain_(GetParam().make_domain()), file_system_(GetParam().make_file_system()) {}

  void SetUp() override {
    OpenOptions options = domain_->open_options();
    options.create = true;
    auto file = file_system_->open(path(), options);
    if (!file && file.error().code() == ErrorCode::kUnsupported) {
      GTEST_SKIP() << "the file system of " << path() << " refuses O_DIRECT";
    }
    ASSERT_OK(file);
    ASSERT_OK((*file)->preallocate(0, kRegionBytes));
  }

  std::filesystem::path path() const {
    return (GetParam().on_tmpfs ? memory_directory_ : disk_directory_).path() / "region";
  }

  Result<std::unique_ptr<Region>> map(MapContent content, std::size_t bytes = kRegionBytes) {
    auto file = file_system_->open(path(), domain_->open_options());
    if (!file) return std::move(file).error();
    return domain_->map(*std::move(file), bytes, content);
  }

  static Status commit(Region& region, std::size_t begin, std::size_t end) {
    const auto ticket = region.commit(begin, end);
    if (!ticket) return ticket.error();
    return region.wait(*ticket);
  }

  static std::vector<std::byte> some_bytes(std::size_t count, unsigned salt) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 31 + salt);
    return bytes;
  }

  static bool holds(const Region& region, std::size_t offset, Bytes expected) {
    return std::memcmp(region.data() + offset, expected.data(), expected.size()) == 0;
  }

 private:
  // Outlives the domain and its regions.
  const test::TempDirectory disk_directory_;
  const test::TempDirectory memory_directory_ = test::TempDirectory::on_tmpfs();

 protected:
  std::unique_ptr<Domain> domain_;
  std::unique_ptr<FileSystem> file_system_;
};

TEST_P(RegionContract, TellsItsSizeAndGranule) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  EXPECT_EQ(region->size(), kRegionBytes);
  EXPECT_TRUE(region->commit_granule() == 64 || region->commit_granule() == 4096);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region->data()) % 4096, 0u);
  EXPECT_FALSE(domain_->info().reason.empty());
  EXPECT_FALSE(domain_->info().copy_routine.empty());
}

TEST_P(RegionContract, ShowsAFreshlyPreallocatedFileAsZeros) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 0, std::vector<std::byte>(kRegionBytes)));
}

TEST_P(RegionContract, CommittedStreamIsThereAfterReopen) {
  const auto head = some_bytes(24, 1);
  const auto body = some_bytes(1000, 2);
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    region->stream(8192, head, body);
    region->fence();
    ASSERT_OK(commit(*region, 8192, 8192 + 1024));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 8192, head));
  EXPECT_TRUE(holds(*region, 8192 + 24, body));
}

TEST_P(RegionContract, StreamFillsItsLastLineWithZeros) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  const auto old = some_bytes(256, 9);
  region->copy(0, old);
  const auto head = some_bytes(24, 1);
  const auto body = some_bytes(50, 2);
  region->stream(0, head, body);
  region->fence();
  EXPECT_TRUE(holds(*region, 0, head));
  EXPECT_TRUE(holds(*region, 24, body));
  EXPECT_TRUE(holds(*region, 74, std::vector<std::byte>(128 - 74)));
  EXPECT_TRUE(holds(*region, 128, Bytes(old).subspan(128))) << "a line too many was written";
}

TEST_P(RegionContract, StreamReachesTheLastLine) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  const auto body = some_bytes(40, 3);
  region->stream(kRegionBytes - 64, {}, body);
  region->fence();
  EXPECT_TRUE(holds(*region, kRegionBytes - 64, body));
}

TEST_P(RegionContract, CommittedCopyAtAnyOffsetIsThereAfterReopen) {
  const auto bytes = some_bytes(5000, 4);
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    region->copy(12345, bytes);
    region->fence();
    ASSERT_OK(commit(*region, 12345, 12345 + bytes.size()));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 12345, bytes));
}

TEST_P(RegionContract, CommittedWordIsThereAfterReopen) {
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    region->store_u64(4096 + 8, 0x0123456789abcdef);
    region->fence();
    ASSERT_OK(commit(*region, 4096 + 8, 4096 + 16));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  std::uint64_t value = 0;
  std::memcpy(&value, region->data() + 4096 + 8, sizeof value);
  EXPECT_EQ(value, 0x0123456789abcdef);
}

TEST_P(RegionContract, CommittedPlainStoresAreThereAfterReopen) {
  const auto bytes = some_bytes(300, 5);
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    if (!region->takes_plain_stores()) GTEST_SKIP() << "it takes no plain stores";
    std::memcpy(region->data() + 100, bytes.data(), bytes.size());
    region->flush(100, bytes.size());
    region->fence();
    ASSERT_OK(commit(*region, 100, 400));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 100, bytes));
}

TEST_P(RegionContract, CommitRoundsOutToWholeGranules) {
  const auto bytes = some_bytes(64, 6);
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    region->copy(64, bytes);
    region->copy(8192 - 64, bytes);
    region->fence();
    // One byte of the first granule to one byte of the last: both go out whole.
    ASSERT_OK(commit(*region, 127, 8192 - 63));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 64, bytes));
  EXPECT_TRUE(holds(*region, 8192 - 64, bytes));
}

TEST_P(RegionContract, CommitsAnEmptyRange) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  EXPECT_OK(commit(*region, 4096, 4096));
  EXPECT_OK(commit(*region, kRegionBytes, kRegionBytes));
}

TEST_P(RegionContract, CommitLeavesOtherGranulesOfAKeptFile) {
  const auto first = some_bytes(4096, 7);
  const auto second = some_bytes(4096, 8);
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
    region->copy(0, first);
    ASSERT_OK(commit(*region, 0, 4096));
  }
  {
    ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
    region->copy(4096, second);
    ASSERT_OK(commit(*region, 4096, 8192));
  }
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kKeep));
  EXPECT_TRUE(holds(*region, 0, first));
  EXPECT_TRUE(holds(*region, 4096, second));
}

TEST_P(RegionContract, ThreadsWriteAndCommitDisjointRanges) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kShareBytes = kRegionBytes / kThreads;
  ASSERT_OK_AND_ASSIGN(const auto region, map(MapContent::kFresh));
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&region, &failures, t] {
      for (std::size_t at = 0; at < kShareBytes; at += 8192) {
        const auto bytes = some_bytes(8192, static_cast<unsigned>(t));
        region->stream(t * kShareBytes + at, {}, bytes);
        region->fence();
        if (!commit(*region, t * kShareBytes + at, t * kShareBytes + at + 8192)) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  ASSERT_OK_AND_ASSIGN(const auto reopened, map(MapContent::kKeep));
  for (std::size_t t = 0; t < kThreads; ++t) {
    const auto bytes = some_bytes(8192, static_cast<unsigned>(t));
    for (std::size_t at = 0; at < kShareBytes; at += 8192) {
      ASSERT_TRUE(holds(*reopened, t * kShareBytes + at, bytes)) << t << " at " << at;
    }
  }
}

TEST_P(RegionContract, RefusesAFileShorterThanTheRegion) {
  EXPECT_THAT(map(MapContent::kKeep, 2 * kRegionBytes),
              test::has_code(ErrorCode::kInvalidArgument));
}

TEST_P(RegionContract, RefusesARegionOfNoOrOddSize) {
  EXPECT_THAT(map(MapContent::kKeep, 0), test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(map(MapContent::kKeep, 1000), test::has_code(ErrorCode::kInvalidArgument));
}

}  // namespace nacre::pmem
