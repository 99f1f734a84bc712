#include "bench/scratch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

namespace nacre::bench {
namespace {

TEST(BenchScratch, DirectoryGoesWithAllItHolds) {
  std::filesystem::path path;
  {
    Result<ScratchDirectory> directory = ScratchDirectory::create(testing::TempDir());
    ASSERT_TRUE(directory.has_value());
    path = directory->path();
    ASSERT_TRUE(create_written_file(path / "file", 10000).has_value());
    EXPECT_EQ(std::filesystem::file_size(path / "file"), 10000U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(BenchScratch, AChildGivesBackItsFigure) {
  const Result<double> figure = measure_in_child([]() -> Result<double> { return 42.5; });
  ASSERT_TRUE(figure.has_value());
  EXPECT_EQ(*figure, 42.5);
}

TEST(BenchScratch, AChildGivesBackItsError) {
  const Result<double> figure = measure_in_child(
      []() -> Result<double> { return Error(ErrorCode::kNoSpace, "nowhere to write"); });
  ASSERT_FALSE(figure.has_value());
  EXPECT_NE(figure.error().message().find("nowhere to write"), std::string::npos);
}

TEST(BenchScratch, AChildThatDiesIsAnError) {
  const Result<double> figure = measure_in_child([]() -> Result<double> { std::_Exit(7); });
  ASSERT_FALSE(figure.has_value());
  EXPECT_NE(figure.error().message().find("died"), std::string::npos);
}

}  // namespace
}  // namespace nacre::bench
