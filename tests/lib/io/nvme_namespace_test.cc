#include "lib/io/nvme_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "lib/base/endian.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using testing::HasSubstr;

/// What a device answers, byte by byte as the specification has it.
class Answers {
 public:
  Answers() { blocks(1 << 20).format(0, 9, 0); }

  Answers& blocks(std::uint64_t count) { return put(namespace_, 0, le64(count)); }
  Answers& format(std::size_t index, unsigned exponent, unsigned metadata_bytes) {
    put(namespace_, 128 + 4 * index, le16(static_cast<std::uint16_t>(metadata_bytes)));
    namespace_[128 + 4 * index + 2] = static_cast<std::byte>(exponent);
    return *this;
  }
  Answers& in_use(unsigned flbas, unsigned count_less_one) {
    namespace_[26] = static_cast<std::byte>(flbas);
    namespace_[25] = static_cast<std::byte>(count_less_one);
    return *this;
  }
  Answers& max_transfer(unsigned exponent) {
    controller_[77] = static_cast<std::byte>(exponent);
    return *this;
  }
  Result<NvmeNamespace> parsed() const { return parse_nvme_namespace(7, namespace_, controller_); }

 private:
  template <class Field>
  Answers& put(std::array<std::byte, kNvmeIdentifyBytes>& into, std::size_t at, Field field) {
    std::memcpy(into.data() + at, &field, sizeof(field));
    return *this;
  }

  std::array<std::byte, kNvmeIdentifyBytes> namespace_{};
  std::array<std::byte, kNvmeIdentifyBytes> controller_{};
};

TEST(NvmeNamespace, HasTheSizeAndTheBlockThatTheDeviceSays) {
  const auto small = Answers().parsed();
  ASSERT_OK(small);
  EXPECT_EQ(small->id, 7U);
  EXPECT_EQ(small->block_bytes, 512U);
  EXPECT_EQ(small->bytes(), std::uint64_t{1} << 29);
  const auto large = Answers().blocks(3).format(2, 12, 0).in_use(2, 3).parsed();
  ASSERT_OK(large);
  EXPECT_EQ(large->block_bytes, 4096U);
  EXPECT_EQ(large->bytes(), 3U * 4096);
}

TEST(NvmeNamespace, FormatsFromTheSeventeenthOnAreCountedByTwoMoreBits) {
  Answers answers;
  answers.format(0x15, 12, 0).format(5, 9, 8);
  EXPECT_EQ(answers.in_use(0x25, 31).parsed()->block_bytes, 4096U);
  // Of a device that has no such formats the bits say nothing.
  EXPECT_THAT(answers.in_use(0x25, 15).parsed(), test::has_code(ErrorCode::kUnsupported));
}

TEST(NvmeNamespace, ACommandCarriesWhatDeviceAndKernelTake) {
  EXPECT_EQ(Answers().parsed()->max_command_bytes, 128U << 10);
  EXPECT_EQ(Answers().max_transfer(1).parsed()->max_command_bytes, 8U << 10);
  EXPECT_EQ(Answers().max_transfer(5).parsed()->max_command_bytes, 128U << 10);
  EXPECT_EQ(Answers().max_transfer(7).parsed()->max_command_bytes, 128U << 10);
  EXPECT_EQ(Answers().max_transfer(255).parsed()->max_command_bytes, 128U << 10);
}

TEST(NvmeNamespace, WhatCannotBeUsedIsRefusedByName) {
  const auto with_metadata = Answers().format(0, 9, 8).parsed();
  ASSERT_THAT(with_metadata, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(with_metadata.error().message(), HasSubstr("8 bytes of metadata"));
  for (const unsigned exponent : {0U, 8U, 13U, 255U}) {
    const auto odd = Answers().format(0, exponent, 0).parsed();
    ASSERT_THAT(odd, test::has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(odd.error().message(), HasSubstr("2^" + std::to_string(exponent)));
  }
  const auto empty = Answers().blocks(0).parsed();
  ASSERT_THAT(empty, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(empty.error().message(), HasSubstr("no blocks"));
}

TEST(NvmeNamespace, CommandsCountInBlocks) {
  const NvmeNamespace space{
      .id = 3, .block_bytes = 4096, .blocks = std::uint64_t{1} << 40, .max_command_bytes = 1 << 17};
  const nvme_uring_cmd read = nvme_read(space, std::uint64_t{0x1234567890} * 4096, 1 << 17);
  EXPECT_EQ(read.opcode, 2U);
  EXPECT_EQ(read.nsid, 3U);
  EXPECT_EQ(read.cdw10, 0x34567890U);
  EXPECT_EQ(read.cdw11, 0x12U);
  EXPECT_EQ(read.cdw12, 31U);
  EXPECT_EQ(read.data_len, 1U << 17);
  EXPECT_EQ(nvme_write(space, 4096, 4096, /*durable=*/false).opcode, 1U);
  EXPECT_EQ(nvme_write(space, 4096, 4096, /*durable=*/false).cdw10, 1U);
  EXPECT_EQ(nvme_write(space, 4096, 4096, /*durable=*/false).cdw12, 0U);
  const nvme_uring_cmd flush = nvme_flush(space);
  EXPECT_EQ(flush.opcode, 0U);
  EXPECT_EQ(flush.nsid, 3U);
  EXPECT_EQ(flush.data_len, 0U);
}

// No device of the virtual machine's tells a durable write from any other.
TEST(NvmeNamespace, ADurableWriteCarriesForceUnitAccess) {
  const NvmeNamespace space{.id = 1, .block_bytes = 512, .blocks = 8, .max_command_bytes = 4096};
  EXPECT_EQ(nvme_write(space, 0, 1024, /*durable=*/true).cdw12, 0x40000001U);
}

TEST(NvmeNamespace, AStatusIsNamed) {
  const Error lost = nvme_error(0x4281, "read the namespace", "/dev/ng0n1");
  EXPECT_EQ(lost.code(), ErrorCode::kIo);
  EXPECT_EQ(lost.sys_errno(), ENODATA);
  EXPECT_EQ(lost.path(), "/dev/ng0n1");
  EXPECT_THAT(lost.message(), HasSubstr("0x281, unrecovered read error"));
  EXPECT_EQ(nvme_error(0x81, "write", "x").code(), ErrorCode::kNoSpace);
  EXPECT_EQ(nvme_error(0x82, "write", "x").code(), ErrorCode::kBusy);
  EXPECT_THAT(nvme_error(0x2e0, "write", "x").message(), HasSubstr("0x2e0, of the media"));
  EXPECT_THAT(nvme_error(0x7c1, "write", "x").message(), HasSubstr("of the vendor's own"));
}

TEST(NvmeNamespace, TheDeviceSaysWhetherToTryAgain) {
  EXPECT_TRUE(nvme_may_retry(0x82));
  EXPECT_FALSE(nvme_may_retry(0x4082));
}

}  // namespace
}  // namespace nacre
