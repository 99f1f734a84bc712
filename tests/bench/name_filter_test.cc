#include "bench/name_filter.h"

#include <gtest/gtest.h>

namespace nacre::bench {
namespace {

TEST(NameFilter, MatchesAnywhereInTheName) {
  const auto filter = NameFilter::create("^get(_miss)?/(1|10)M$");
  ASSERT_TRUE(filter.has_value());
  EXPECT_TRUE(filter->matches("get/1M"));
  EXPECT_TRUE(filter->matches("get_miss/10M"));
  EXPECT_FALSE(filter->matches("multi_get/1M"));
  EXPECT_TRUE(NameFilter::create(".").value().matches("put"));
}

TEST(NameFilter, AnExpressionThatIsNoneIsAnError) {
  const auto filter = NameFilter::create("put(");
  ASSERT_FALSE(filter.has_value());
  EXPECT_EQ(filter.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(filter.error().message().find("put("), std::string_view::npos);
}

}  // namespace
}  // namespace nacre::bench
