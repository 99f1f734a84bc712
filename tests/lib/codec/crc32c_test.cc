#include "lib/codec/crc32c.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

std::uint32_t usual(Bytes bytes) { return ~crc32c(~0U, bytes); }

std::array<std::byte, 32> thirty_two(int first, int step) {
  std::array<std::byte, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(first + step * static_cast<int>(i));
  }
  return bytes;
}

/// Straight from the definition: one bit at a time.
std::uint32_t reference(std::uint32_t crc, Bytes bytes) {
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return crc;
}

std::vector<std::byte> random_bytes(RandomSource& random, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next_u64());
  return bytes;
}

// RFC 3720, appendix B.4, and the check value of the usual catalogues.
TEST(Crc32c, KnowsThePublishedAnswers) {
  EXPECT_EQ(usual(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(usual(thirty_two(0, 0)), 0x8a9136aaU);
  EXPECT_EQ(usual(thirty_two(0xff, 0)), 0x62a8ab43U);
  EXPECT_EQ(usual(thirty_two(0, 1)), 0x46dd794eU);
  EXPECT_EQ(usual(thirty_two(31, -1)), 0x113fdb5cU);
}

TEST(Crc32c, NothingChangesNothing) {
  EXPECT_EQ(crc32c(0x12345678U, Bytes()), 0x12345678U);
  EXPECT_EQ(crc32c(0, Bytes()), 0U);
}

// ISA-L takes other paths by length and alignment; every one must agree with the definition.
TEST(Crc32c, AgreesWithTheDefinitionAtEveryLengthAndAlignment) {
  SeededRandom random(test::seed());
  const std::vector<std::byte> bytes = random_bytes(random, 9000);
  for (std::size_t length = 0; length <= 600; ++length) {
    const Bytes part = Bytes(bytes).subspan(length % 17, length);
    const auto seed = static_cast<std::uint32_t>(random.next_u64());
    ASSERT_EQ(crc32c(seed, part), reference(seed, part)) << length;
  }
  for (const std::size_t length : {1024U, 3071U, 3072U, 3073U, 4096U, 8191U, 8999U}) {
    const Bytes part = Bytes(bytes).subspan(1, length);
    ASSERT_EQ(crc32c(7, part), reference(7, part)) << length;
  }
}

TEST(Crc32c, ChainsOverAnySplitFromAnySeed) {
  SeededRandom random(test::seed());
  const std::vector<std::byte> bytes = random_bytes(random, 5000);
  for (int i = 0; i < 500; ++i) {
    const auto seed = static_cast<std::uint32_t>(random.next_u64());
    const std::size_t split = uniform_below(random, bytes.size() + 1);
    const Bytes all(bytes);
    ASSERT_EQ(crc32c(crc32c(seed, all.first(split)), all.subspan(split)), crc32c(seed, all));
  }
}

TEST(Crc32c, TheSeedCounts) {
  const std::array<std::byte, 32> bytes = thirty_two(0, 1);
  EXPECT_NE(crc32c(1, bytes), crc32c(2, bytes));
}

// ISA-L counts in int: more than it can count must not be taken for a negative length.
TEST(Crc32c, TakesMoreThanTwoGibibytes) {
  constexpr std::size_t kBytes = (std::size_t{1} << 31) + 4096 + 5;
  void* zeros =
      mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  const Bytes all(static_cast<const std::byte*>(zeros), kBytes);
  const std::size_t third = kBytes / 3;
  const std::uint32_t in_thirds = crc32c(
      crc32c(crc32c(~0U, all.first(third)), all.subspan(third, third)), all.subspan(2 * third));
  EXPECT_EQ(crc32c(~0U, all), in_thirds);
  munmap(zeros, kBytes);
}

}  // namespace
}  // namespace nacre
