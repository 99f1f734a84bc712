#include "lib/io/write_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "tests/lib/io/fake_io_backend.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::NoFile;

TEST(WriteOrder, KnowsWhatTouchesAndWhatOverlaps) {
  const NoFile file;
  const NoFile other;
  WriteOrder order;
  WriteRange one{.file = &file, .offset = 100, .bytes = 50};
  order.insert(one);
  EXPECT_TRUE(order.overlaps({.file = &file, .offset = 149, .bytes = 1}));
  EXPECT_TRUE(order.overlaps({.file = &file, .offset = 0, .bytes = 1000}));
  EXPECT_FALSE(order.overlaps({.file = &file, .offset = 150, .bytes = 1}));
  EXPECT_FALSE(order.overlaps({.file = &file, .offset = 0, .bytes = 100}));
  EXPECT_FALSE(order.overlaps({.file = &other, .offset = 100, .bytes = 50}));
  EXPECT_EQ(order.after({.file = &file, .offset = 90, .bytes = 10}), &one);
  EXPECT_EQ(order.before({.file = &file, .offset = 150, .bytes = 1}), &one);
  EXPECT_EQ(order.after({.file = &other, .offset = 90, .bytes = 10}), nullptr);
  EXPECT_EQ(order.before({.file = &file, .offset = 151, .bytes = 1}), nullptr);
  order.erase(one);
  EXPECT_FALSE(order.overlaps({.file = &file, .offset = 0, .bytes = 1000}));
}

TEST(WriteOrder, AgreesWithALookAtAll) {
  std::mt19937_64 random(test::seed());
  const std::vector<NoFile> files(3);
  WriteOrder order;
  std::vector<std::unique_ptr<WriteRange>> model;
  for (int step = 0; step < 20'000; ++step) {
    const WriteRange range{.file = &files[random() % files.size()],
                           .offset = random() % 200,
                           .bytes = 1 + random() % 20};
    const auto find = [&](auto matches) {
      const auto at = std::ranges::find_if(model, [&](const auto& m) { return matches(*m); });
      return at == model.end() ? nullptr : at->get();
    };
    const bool overlaps = find([&](const WriteRange& m) { return m.overlaps(range); }) != nullptr;
    ASSERT_EQ(order.overlaps(range), overlaps);
    if (!overlaps) {
      ASSERT_EQ(order.after(range), find([&](const WriteRange& m) {
                  return m.file == range.file && m.offset == range.end();
                }));
      ASSERT_EQ(order.before(range), find([&](const WriteRange& m) {
                  return m.file == range.file && m.end() == range.offset;
                }));
      model.push_back(std::make_unique<WriteRange>(range));
      order.insert(*model.back());
    } else if (random() % 2 == 0) {
      const auto at = model.begin() + static_cast<std::ptrdiff_t>(random() % model.size());
      order.erase(**at);
      model.erase(at);
    }
  }
}

}  // namespace
}  // namespace nacre
