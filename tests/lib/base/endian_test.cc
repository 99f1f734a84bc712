#include "lib/base/endian.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace nacre {
namespace {

// Laid out without padding although nothing in it is aligned.
struct Format {
  std::uint8_t kind;
  le64 length;
  le16 flags;
  le32 checksum;
};
static_assert(sizeof(Format) == 15 && alignof(Format) == 1);

TEST(LittleEndian, PutsTheLowByteFirst) {
  const Format format{.kind = 7,
                      .length = std::uint64_t{0x1122334455667788},
                      .flags = std::uint16_t{0x99aa},
                      .checksum = std::uint32_t{0xbbccddee}};
  const std::array<unsigned char, 15> expected = {7,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22,
                                                  0x11, 0xaa, 0x99, 0xee, 0xdd, 0xcc, 0xbb};
  EXPECT_EQ(std::memcmp(&format, expected.data(), sizeof(format)), 0);
}

TEST(LittleEndian, ReadsBackFromAnyAddress) {
  alignas(8) std::array<std::byte, 16> memory{};
  memory[1] = std::byte{0x34};
  memory[2] = std::byte{0x12};
  le32 value;
  std::memcpy(&value, &memory[1], sizeof(value));
  EXPECT_EQ(value, 0x1234U);
  value = 0xffffffffU;
  EXPECT_EQ(value, 0xffffffffU);
}

constexpr std::uint64_t round_trip(std::uint64_t value) { return le64(value); }
static_assert(round_trip(0x0123456789abcdef) == 0x0123456789abcdef);

}  // namespace
}  // namespace nacre
