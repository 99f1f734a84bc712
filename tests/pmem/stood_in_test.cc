// What no machine here has, or does at will: a DIMM that counts its unsafe shutdowns, and a kernel
// that fails to bring in pages. The two functions are stood in for, in this program.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <libpmem2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "pmem/mapping.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace {

std::optional<std::uint64_t> unsafe_shutdowns;
/// What bringing in pages fails with, one after the other; then it is the kernel's turn.
std::vector<int> populate_errors;

}  // namespace

extern "C" int pmem2_source_device_usc(const pmem2_source*, std::uint64_t* count) {
  if (!unsafe_shutdowns) return PMEM2_E_NOSUPP;
  *count = *unsafe_shutdowns;
  return 0;
}

extern "C" int madvise(void* address, std::size_t bytes, int advice) noexcept {
  if (advice == MADV_POPULATE_WRITE && !populate_errors.empty()) {
    errno = populate_errors.front();
    populate_errors.erase(populate_errors.begin());
    return -1;
  }
  return static_cast<int>(syscall(SYS_madvise, address, bytes, advice));
}

namespace nacre::pmem {
namespace {

class StoodIn : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 4096;

  void SetUp() override {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(descriptor_, 0);
    ASSERT_EQ(ftruncate(descriptor_, kBytes), 0);
  }
  void TearDown() override { close(descriptor_); }

  test::TempDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "file";
  int descriptor_ = -1;
};

TEST_F(StoodIn, UnsafeShutdownsAreThoseThatTheDimmsCount) {
  unsafe_shutdowns = std::nullopt;
  EXPECT_EQ(count_unsafe_shutdowns(descriptor_), std::nullopt);
  unsafe_shutdowns = 3;
  EXPECT_EQ(count_unsafe_shutdowns(descriptor_), 3u);
  EXPECT_EQ(count_unsafe_shutdowns(-1), std::nullopt);
}

TEST_F(StoodIn, BringingInPagesGoesOnAfterASignalAndNamesAnyOtherError) {
  ASSERT_OK_AND_ASSIGN(const Mapping mapping, map_plain(descriptor_, kBytes, path_));
  populate_errors = {EINTR, EAGAIN};
  EXPECT_OK(populate(mapping, path_));
  EXPECT_TRUE(populate_errors.empty());
  populate_errors = {EINVAL};
  EXPECT_OK(populate(mapping, path_)) << "as a kernel that does not know the advice says";
  populate_errors = {EHWPOISON};
  const Status failed = populate(mapping, path_);
  ASSERT_THAT(failed, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(failed.error().sys_errno(), EHWPOISON);
  EXPECT_EQ(failed.error().path(), path_.string());
}

}  // namespace
}  // namespace nacre::pmem
