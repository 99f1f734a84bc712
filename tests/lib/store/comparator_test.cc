#include "nacre/comparator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

Comparator by_length() {
  return Comparator::custom("test.by_length", [](Bytes a, Bytes b) {
    if (a.size() != b.size()) return a.size() <=> b.size();
    return Comparator::bytewise()(a, b);
  });
}

TEST(Comparator, OrdersBytesAsUnsignedAndAPrefixFirst) {
  const Comparator order = Comparator::bytewise();
  EXPECT_TRUE(order(as_bytes(""), as_bytes("a")) < 0);
  EXPECT_TRUE(order(as_bytes("a"), as_bytes("aa")) < 0);
  EXPECT_TRUE(order(as_bytes("\x7f"), as_bytes("\x80")) < 0);
  EXPECT_TRUE(order(as_bytes("b"), as_bytes("b")) == 0);
  EXPECT_TRUE(order(as_bytes(std::string("a\0b", 3)), as_bytes("a")) > 0);
}

TEST(Comparator, ReverseIsTheOtherWayRound) {
  const Comparator order = Comparator::reverse_bytewise();
  EXPECT_TRUE(order(as_bytes("a"), as_bytes("aa")) > 0);
  EXPECT_TRUE(order(as_bytes("b"), as_bytes("a")) < 0);
  EXPECT_TRUE(order(as_bytes("b"), as_bytes("b")) == 0);
}

TEST(Comparator, HasANameAndAnOrderOfTheCallers) {
  EXPECT_EQ(Comparator::bytewise().name(), "nacre.bytewise");
  EXPECT_EQ(Comparator::reverse_bytewise().name(), "nacre.reverse_bytewise");
  EXPECT_EQ(by_length().name(), "test.by_length");
  EXPECT_TRUE(by_length()(as_bytes("b"), as_bytes("aa")) < 0);
}

TEST(Comparator, AHeadNeverContradictsTheOrder) {
  SeededRandom random(test::seed());
  const std::vector<Comparator> orders = {Comparator::bytewise(), Comparator::reverse_bytewise(),
                                          by_length()};
  for (int round = 0; round < 20000; ++round) {
    const std::string common(random.next_u64() % 5, 'c');
    const auto any = [&] {
      std::string key = common;
      for (std::size_t bytes = random.next_u64() % 12; bytes > 0; --bytes) {
        key.push_back(static_cast<char>(random.next_u64() % 3 == 0 ? 0 : random.next_u64() % 256));
      }
      return key;
    };
    const std::string a = any();
    const std::string b = any();
    for (const Comparator& order : orders) {
      const auto head_a = order.head(as_bytes(a), common.size());
      const auto head_b = order.head(as_bytes(b), common.size());
      if (head_a == head_b) continue;
      EXPECT_EQ(head_a < head_b, order(as_bytes(a), as_bytes(b)) < 0) << order.name();
    }
  }
}

}  // namespace
}  // namespace nacre
