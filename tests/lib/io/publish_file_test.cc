#include "lib/io/publish_file.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lib/io/posix_backend.h"
#include "nacre/emulation/fault_device.h"
#include "nacre/emulation/fault_file_system.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::has_code;
using test::TempDirectory;

constexpr std::size_t kBytes = 64 * 1024;

class PublishFileTest : public testing::Test {
 protected:
  Status publish(std::uint64_t seed) {
    const AlignedBytes content(kBytes, seed);
    auto file = faults_.open(temporary_, {.writable = true, .create = true});
    if (!file) return file.error();
    const IoFile io_file(scheduler_.backend(), **file);
    FilePublication publication{.file = &io_file, .temporary = temporary_, .target = target_};
    publication.content.push_back(IoBuffer::borrow(content.span().first(kBytes / 2)));
    publication.content.push_back(IoBuffer::borrow(content.span().subspan(kBytes / 2)));
    Status outcome;
    const auto ended = std::make_shared<std::atomic<bool>>(false);
    publish_file(scheduler_, std::move(publication), [&outcome, ended](IoCompletion completion) {
      EXPECT_EQ(completion.buffers.size(), 2U);
      outcome = std::move(completion.status);
      ended->store(true);
      ended->notify_all();
    });
    ended->wait(false);
    return outcome;
  }
  std::string target_text() { return test::file_content(target_); }

  PosixFileSystem files_;
  FaultFileSystem faults_{files_};
  SystemClock clock_;
  TempDirectory directory_;
  std::filesystem::path temporary_ = directory_.path() / "table.tmp";
  std::filesystem::path target_ = directory_.path() / "table";
  IoScheduler scheduler_{std::make_unique<PosixBackend>(faults_, PosixBackend::Options{}), clock_};
};

TEST_F(PublishFileTest, TheFileAppearsWhole) {
  ASSERT_OK(publish(1));
  EXPECT_EQ(target_text(), AlignedBytes(kBytes, 1).text());
  EXPECT_FALSE(std::filesystem::exists(temporary_));
  ASSERT_OK(publish(2));
  EXPECT_EQ(target_text(), AlignedBytes(kBytes, 2).text());
}

TEST_F(PublishFileTest, NothingHalfNamedIsLeftWhicheverStepFails) {
  ASSERT_OK(publish(1));
  for (const FileOperation operation : {FileOperation::kPreallocate, FileOperation::kWrite,
                                        FileOperation::kSync, FileOperation::kRename}) {
    const std::size_t fault = faults_.plan().add({.operation = operation});
    EXPECT_THAT(publish(2), has_code(ErrorCode::kIo)) << file_operation_name(operation);
    EXPECT_EQ(faults_.plan().hits(fault), 1U);
    EXPECT_EQ(target_text(), AlignedBytes(kBytes, 1).text());
    EXPECT_FALSE(std::filesystem::exists(temporary_));
  }
}

TEST_F(PublishFileTest, AFullDiskLeavesNothingBehind) {
  faults_.set_free_bytes(kBytes / 2);
  EXPECT_THAT(publish(1), has_code(ErrorCode::kNoSpace));
  EXPECT_FALSE(std::filesystem::exists(temporary_));
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_EQ(faults_.free_bytes(), kBytes / 2);
  // Full in the middle: the allocation says it has been done.
  faults_.plan().add({.operation = FileOperation::kPreallocate, .effect = FaultEffect::kSkip});
  EXPECT_THAT(publish(1), has_code(ErrorCode::kNoSpace));
  EXPECT_FALSE(std::filesystem::exists(temporary_));
  EXPECT_EQ(faults_.free_bytes(), kBytes / 2);
}

TEST_F(PublishFileTest, AFailedSyncOfTheDirectoryLeavesTheFileWhole) {
  faults_.plan().add({.operation = FileOperation::kSyncDirectory});
  EXPECT_THAT(publish(1), has_code(ErrorCode::kIo));
  EXPECT_EQ(target_text(), AlignedBytes(kBytes, 1).text());
  EXPECT_FALSE(std::filesystem::exists(temporary_));
}

// The undo finds no temporary any more: what has its name keeps it.
TEST_F(PublishFileTest, CalledBackAfterTheRenameTheFileIsWhole) {
  ASSERT_OK(publish(1));
  auto backend = std::make_unique<FaultDevice>(
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.threads = 0}), faults_);
  FaultDevice& device = *backend;
  IoScheduler scheduler(std::move(backend), clock_, {.own_thread = false});
  faults_.plan().add({.operation = FileOperation::kSyncDirectory, .effect = FaultEffect::kStuck});
  const AlignedBytes content(kBytes, 2);
  const auto file = faults_.open(temporary_, {.writable = true, .create = true}).value();
  const IoFile io_file(scheduler.backend(), *file);
  FilePublication publication{.file = &io_file, .temporary = temporary_, .target = target_};
  publication.content.push_back(IoBuffer::borrow(content.span()));
  std::optional<Status> outcome;
  const IoTicket ticket =
      publish_file(scheduler, std::move(publication),
                   [&](IoCompletion completion) { outcome = std::move(completion.status); });
  EXPECT_TRUE(scheduler.drive([&] {
    if (device.stuck() > 0) scheduler.cancel(ticket);
    return outcome.has_value();
  }));
  EXPECT_THAT(*outcome, has_code(ErrorCode::kCancelled));
  EXPECT_EQ(target_text(), content.text());
  EXPECT_FALSE(std::filesystem::exists(temporary_));
}

TEST_F(PublishFileTest, AClosedSchedulerRemovesTheTemporary) {
  scheduler_.close();
  EXPECT_THAT(publish(1), has_code(ErrorCode::kClosed));
  EXPECT_FALSE(std::filesystem::exists(temporary_));
}

}  // namespace
}  // namespace nacre
