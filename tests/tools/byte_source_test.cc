#include "tools/byte_source.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <cstdlib>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "nacre/types.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::tools {
namespace {

using test::has_code;

std::string path_of(int descriptor) { return "/dev/fd/" + std::to_string(descriptor); }

TEST(InputFile, ReadsAFileAndKnowsItsSize) {
  const test::TempDirectory directory;
  const std::string path = directory.path() / "in";
  std::ofstream(path) << "hello";
  ASSERT_OK_AND_ASSIGN(InputFile file, InputFile::open(path));
  EXPECT_EQ(file.size_bytes(), 5U);
  std::array<std::byte, 16> buffer{};
  ASSERT_OK_AND_ASSIGN(const std::size_t count, file.read(buffer));
  EXPECT_EQ(as_text(Bytes(buffer).first(count)), "hello");
  ASSERT_OK_AND_ASSIGN(const std::size_t at_end, file.read(buffer));
  EXPECT_EQ(at_end, 0U);
}

TEST(InputFile, SaysWhatIsWrongWithAName) {
  const test::TempDirectory directory;
  EXPECT_THAT(InputFile::open(directory.path() / "missing"), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(InputFile::open(directory.path()), has_code(ErrorCode::kInvalidArgument));
}

// A writer behind a pipe may pause for hours: what it has sent must be settled meanwhile.
TEST(InputFile, AnnouncesThatItIsGoingToWait) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_OK_AND_ASSIGN(InputFile file, InputFile::open(path_of(ends[0])));
  int announced = 0;
  file.set_before_waiting([&]() -> Status {
    ++announced;
    EXPECT_EQ(::write(ends[1], "late", 4), 4);
    return {};
  });
  ASSERT_EQ(::write(ends[1], "soon", 4), 4);
  std::array<std::byte, 4> buffer{};
  ASSERT_OK(file.read(buffer));
  EXPECT_EQ(announced, 0);
  ASSERT_OK(file.read(buffer));
  EXPECT_EQ(announced, 1);
  EXPECT_EQ(as_text(buffer), "late");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(InputFile, FailsWithWhatTheAnnouncementFailedWith) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_OK_AND_ASSIGN(InputFile file, InputFile::open(path_of(ends[0])));
  file.set_before_waiting([]() -> Status { return Error(ErrorCode::kNoSpace, "full"); });
  std::array<std::byte, 4> buffer{};
  EXPECT_THAT(file.read(buffer), has_code(ErrorCode::kNoSpace));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace nacre::tools
