// Store::repair and who else has the store open: it reads what nobody writes meanwhile.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nacre/store.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Asks somebody, when the log is looked at, and perhaps lets nothing be written in the store.
class RepairedFileSystem final : public test::ForwardingFileSystem {
 public:
  RepairedFileSystem(std::filesystem::path store, bool is_writable)
      : store_(std::move(store)), is_writable_(is_writable) {}

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    if (!is_writable_ && options.writable && path.parent_path() == store_) {
      return Error(ErrorCode::kIo, "read-only file system").with_path(path.string());
    }
    return ForwardingFileSystem::open(path, options);
  }
  Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) override {
    if (path == store_ / "segments") meanwhile();
    return ForwardingFileSystem::list_directory(path);
  }
  std::function<void()> meanwhile = [] {};

 private:
  const std::filesystem::path store_;
  const bool is_writable_;
};

class RepairLockTest : public testing::Test {
 protected:
  static StoreOptions options() {
    return {.segment_bytes = std::uint64_t{256} << 10, .domain = DomainRequest::kEmulated};
  }
  Result<Store> open() { return Store::open(path_, options()); }
  Result<RepairReport> repair() { return Store::repair(path_, saved_, options()); }
  void fill() {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
  }
  void expect_saved() {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(saved_, options()));
    ASSERT_OK_AND_ASSIGN(const auto value, store.get(as_bytes("key")));
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(as_text(value->bytes()), "value");
  }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  std::filesystem::path path_ = directory_.path() / "store";
  std::filesystem::path saved_ = directory_.path() / "saved";
};

// It read what somebody was writing, and said of half of it that it was lost.
TEST_F(RepairLockTest, AStoreThatSomebodyHasOpenIsRefused) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
  const auto refused = repair();
  ASSERT_THAT(refused, has_code(ErrorCode::kBusy));
  EXPECT_EQ(refused.error().path(), (path_ / "LOCK").string());
  EXPECT_FALSE(std::filesystem::exists(saved_));
  ASSERT_OK(store.close());
  ASSERT_OK(repair());
  expect_saved();
}

TEST_F(RepairLockTest, NobodyOpensTheStoreMeanwhile) {
  fill();
  RepairedFileSystem file_system(path_, /*is_writable=*/true);
  StoreOptions watched = options();
  watched.environment.file_system = &file_system;
  bool was_asked = false;
  file_system.meanwhile = [&] {
    was_asked = true;
    EXPECT_THAT(open(), has_code(ErrorCode::kBusy));
  };
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Store::repair(path_, saved_, watched));
  EXPECT_TRUE(was_asked);
  EXPECT_THAT(report.notes, IsEmpty());
  ASSERT_OK(open());
}

TEST_F(RepairLockTest, AStoreOnMediaThatCannotBeWrittenToIsSavedAllTheSame) {
  fill();
  RepairedFileSystem file_system(path_, /*is_writable=*/false);
  StoreOptions watched = options();
  watched.environment.file_system = &file_system;
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Store::repair(path_, saved_, watched));
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("read-only file system")));
  EXPECT_THAT(report.losses, IsEmpty());
  expect_saved();
}

}  // namespace
}  // namespace nacre
