#include "lib/io/buffer_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using testing::HasSubstr;

constexpr std::size_t kBytes = std::size_t{4} << 20;

/// Aligned, and all of it there.
void expect_usable(const BufferMemory& memory, std::size_t bytes) {
  ASSERT_EQ(memory.bytes().size(), bytes);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.bytes().data()) % BufferMemory::kAlignment, 0U);
  std::ranges::fill(memory.bytes(), std::byte{0x5a});
  EXPECT_EQ(std::ranges::count(memory.bytes(), std::byte{0x5a}),
            static_cast<std::ptrdiff_t>(bytes));
}

class BufferMemoryKinds : public testing::TestWithParam<BufferMemoryKind> {};

// A kind that this machine lacks is replaced; what it is then, and why, can be read.
TEST_P(BufferMemoryKinds, GivesWhatWasAskedForOrSaysWhyNot) {
  const test::TempDirectory directory;
  for (const std::size_t bytes : {kBytes, kBytes + 4096}) {
    ASSERT_OK_AND_ASSIGN(const BufferMemory memory,
                         BufferMemory::create(bytes, {GetParam(), directory.path()}));
    expect_usable(memory, bytes);
    EXPECT_EQ(memory.reason().empty(), memory.kind() == GetParam()) << memory.reason();
    if (memory.kind() != GetParam()) {
      EXPECT_EQ(memory.kind(), BufferMemoryKind::kPlain);
      EXPECT_THAT(memory.reason(), HasSubstr(buffer_memory_kind_name(GetParam())));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, BufferMemoryKinds,
                         testing::Values(BufferMemoryKind::kDefault, BufferMemoryKind::kHugePages,
                                         BufferMemoryKind::kDirectory, BufferMemoryKind::kPlain),
                         [](const auto& kind) {
                           return std::string(buffer_memory_kind_name(kind.param));
                         });

TEST(BufferMemory, MemkindSuppliesTheDefaultAndTheDirectory) {
  const test::TempDirectory directory = test::TempDirectory::on_tmpfs();
  for (const BufferMemoryKind kind : {BufferMemoryKind::kDefault, BufferMemoryKind::kDirectory}) {
    ASSERT_OK_AND_ASSIGN(const BufferMemory memory,
                         BufferMemory::create(kBytes, {kind, directory.path()}));
    EXPECT_EQ(memory.kind(), kind) << memory.reason();
  }
}

TEST(BufferMemory, LeavesNothingInItsDirectory) {
  const test::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(
      const BufferMemory memory,
      BufferMemory::create(kBytes, {BufferMemoryKind::kDirectory, directory.path()}));
  ASSERT_EQ(memory.kind(), BufferMemoryKind::kDirectory) << memory.reason();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(BufferMemory, ADirectoryThatIsNotThereIsNamedInTheReason) {
  const test::TempDirectory directory;
  const auto missing = directory.path() / "missing";
  ASSERT_OK_AND_ASSIGN(const BufferMemory memory,
                       BufferMemory::create(kBytes, {BufferMemoryKind::kDirectory, missing}));
  EXPECT_EQ(memory.kind(), BufferMemoryKind::kPlain);
  EXPECT_THAT(memory.reason(), HasSubstr(missing.string()));
  expect_usable(memory, kBytes);
}

/// As /proc/meminfo tells it.
std::size_t free_huge_pages() {
  std::ifstream lines("/proc/meminfo");
  for (std::string word; lines >> word;) {
    std::size_t count = 0;
    if (word == "HugePages_Free:" && lines >> count) return count;
  }
  return 0;
}

TEST(BufferMemory, HugePagesThatAreNotReservedAreNamedInTheReason) {
  const std::size_t pages = free_huge_pages() + 8;
  ASSERT_OK_AND_ASSIGN(
      const BufferMemory memory,
      BufferMemory::create(pages * BufferMemory::kAlignment, {BufferMemoryKind::kHugePages, {}}));
  if (memory.kind() == BufferMemoryKind::kHugePages) {
    GTEST_SKIP() << "this kernel reserves huge pages when they are asked for";
  }
  EXPECT_EQ(memory.kind(), BufferMemoryKind::kPlain);
  EXPECT_THAT(memory.reason(), HasSubstr("vm.nr_hugepages=" + std::to_string(pages)));
}

TEST(BufferMemory, MoreThanThereIsAddressSpaceIsNoSpace) {
  for (const BufferMemoryKind kind : {BufferMemoryKind::kDefault, BufferMemoryKind::kPlain}) {
    EXPECT_THAT(BufferMemory::create(std::size_t{1} << 50, {kind, {}}),
                test::has_code(ErrorCode::kNoSpace));
  }
}

}  // namespace
}  // namespace nacre
