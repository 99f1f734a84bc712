#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "nacre/types.h"

namespace nacre {
namespace {

TEST(Uuid, PrintsTheUsualForm) {
  Uuid uuid;
  EXPECT_EQ(uuid.to_string(), "00000000-0000-0000-0000-000000000000");
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(0x11 * i);
  }
  EXPECT_EQ(uuid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
}

}  // namespace
}  // namespace nacre
