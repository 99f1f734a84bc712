#include "mmap/file_view.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "nacre/emulation/fault_file_system.h"
#include "pmem/media_guard.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

/// With a descriptor to map, and without one.
class FileViewTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < 3 * 4096; ++i) content_ += static_cast<char>(i * 7);
    test::write_content(path(), content_);
  }
  std::filesystem::path path() const { return directory_.path() / "file"; }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_, {.pass_native_handle = GetParam()}};
  std::string content_;
};

INSTANTIATE_TEST_SUITE_P(Backing, FileViewTest, testing::Bool(),
                         [](const auto& one) { return one.param ? "Mapped" : "Read"; });

TEST_P(FileViewTest, ShowsTheFirstBytesOfTheFile) {
  for (const ViewAccess access : {ViewAccess::kOnDemand, ViewAccess::kWhole}) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{5000}, content_.size()}) {
      ASSERT_OK_AND_ASSIGN(const auto view, FileView::open(files_, path(), bytes, access));
      EXPECT_EQ(as_text(view->bytes()), content_.substr(0, bytes));
    }
  }
}

TEST_P(FileViewTest, AShorterFileIsCorrupt) {
  const auto view = FileView::open(files_, path(), content_.size() + 1, ViewAccess::kOnDemand);
  ASSERT_THAT(view, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(view.error().path(), path().string());
}

TEST_P(FileViewTest, NoFileIsNotFound) {
  EXPECT_THAT(FileView::open(files_, directory_.path() / "none", 1, ViewAccess::kOnDemand),
              has_code(ErrorCode::kNotFound));
}

TEST_P(FileViewTest, StaysWhenTheNameIsGone) {
  ASSERT_OK_AND_ASSIGN(const auto view,
                       FileView::open(files_, path(), content_.size(), ViewAccess::kOnDemand));
  ASSERT_OK(files_.remove(path()));
  EXPECT_EQ(as_text(view->bytes()), content_);
}

TEST_P(FileViewTest, AnErrorOfTheFileIsPassedOn) {
  files_.plan().add({.operation = FileOperation::kSize, .sys_errno = EIO});
  EXPECT_THAT(FileView::open(files_, path(), 1, ViewAccess::kOnDemand), has_code(ErrorCode::kIo));
  if (GetParam()) return;
  files_.plan().add({.operation = FileOperation::kRead, .sys_errno = EIO});
  EXPECT_THAT(FileView::open(files_, path(), 1, ViewAccess::kOnDemand), has_code(ErrorCode::kIo));
}

TEST_P(FileViewTest, AViewOfAFileThatIsCutShortFaultsOnlyWhereItIsMapped) {
  ASSERT_OK_AND_ASSIGN(const auto view,
                       FileView::open(files_, path(), content_.size(), ViewAccess::kOnDemand));
  std::filesystem::resize_file(path(), 4096);
  volatile char last = 0;
  const std::byte* fault = pmem::catch_media_fault(
      view->bytes(), [&]() noexcept { last = static_cast<char>(view->bytes().back()); });
  EXPECT_EQ(fault != nullptr, GetParam());
}

}  // namespace
}  // namespace nacre
