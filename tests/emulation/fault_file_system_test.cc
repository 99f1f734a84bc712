#include "nacre/emulation/fault_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/lib/io/file_system_contract.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::content_of;
using test::FileSystemCase;
using test::FileSystemContract;
using test::FileSystemHarness;
using test::has_code;
using test::kCreate;
using test::kReadOnly;
using test::kWritable;

/// Over the kernel's files, with nothing planned.
class Harness final : public FileSystemHarness {
 public:
  explicit Harness(bool limited) {
    if (limited) faults_.set_free_bytes(1'000'000);
  }
  FileSystem& file_system() override { return faults_; }
  const std::filesystem::path& directory() const override { return directory_.path(); }

 private:
  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem faults_{posix_};
};

INSTANTIATE_TEST_SUITE_P(
    Fault, FileSystemContract,
    testing::Values(FileSystemCase{"Unlimited", [] { return std::make_unique<Harness>(false); }},
                    FileSystemCase{"WithRoom", [] { return std::make_unique<Harness>(true); }}),
    [](const auto& one) { return one.param.name; });

class FaultFileSystemTest : public testing::Test {
 protected:
  std::filesystem::path in_directory(std::string_view name) const {
    return directory_.path() / name;
  }
  std::unique_ptr<File> create(std::string_view name, std::string_view text = {}) {
    auto file = fs_.open(in_directory(name), kCreate);
    EXPECT_OK(file);
    EXPECT_OK((*file)->write_at(0, as_bytes(text)));
    return *std::move(file);
  }
  FaultPlan& plan() { return fs_.plan(); }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem fs_{posix_, {.seed = test::seed()}};
};

TEST_F(FaultFileSystemTest, AnErrorReadsLikeTheKernels) {
  const auto file = create("a", "text");
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO});
  const Status written = file->write_at(2, as_bytes("XX"));
  ASSERT_THAT(written, has_code(ErrorCode::kIo));
  EXPECT_EQ(written.error().sys_errno(), EIO);
  EXPECT_EQ(written.error().path(), in_directory("a").string());
  EXPECT_EQ(written.error().offset(), 2U);
  EXPECT_EQ(content_of(*file), "text");
  ASSERT_OK(file->write_at(2, as_bytes("XX")));
  EXPECT_EQ(content_of(*file), "teXX");
}

// Each operation of the seam can be failed, and only it.
TEST_F(FaultFileSystemTest, EveryKindOfOperationCanFail) {
  const auto file = create("a", "text");
  std::array<std::byte, 4> buffer{};
  using Operation = std::function<bool()>;
  const std::vector<std::pair<FileOperation, Operation>> operations = {
      {FileOperation::kOpen, [&] { return !!fs_.open(in_directory("a"), kReadOnly); }},
      {FileOperation::kCreate, [&] { return !!fs_.open(in_directory("a"), kCreate); }},
      {FileOperation::kRead, [&] { return !!file->read_at(0, buffer); }},
      {FileOperation::kWrite, [&] { return !!file->write_at(0, buffer); }},
      {FileOperation::kPreallocate, [&] { return !!file->preallocate(0, 8); }},
      {FileOperation::kResize, [&] { return !!file->resize(8); }},
      {FileOperation::kSyncData, [&] { return !!file->sync_data(); }},
      {FileOperation::kSync, [&] { return !!file->sync(); }},
      {FileOperation::kSize, [&] { return !!file->size(); }},
      {FileOperation::kLock, [&] { return !!file->lock_exclusive(); }},
      {FileOperation::kCreateDirectory, [&] { return !!fs_.create_directory(in_directory("d")); }},
      {FileOperation::kListDirectory, [&] { return !!fs_.list_directory(in_directory("")); }},
      {FileOperation::kStat, [&] { return !!fs_.stat(in_directory("a")); }},
      {FileOperation::kSyncDirectory, [&] { return !!fs_.sync_directory(in_directory("")); }},
      {FileOperation::kRename, [&] { return !!fs_.rename(in_directory("a"), in_directory("a")); }},
      {FileOperation::kRemove, [&] { return !!fs_.remove(in_directory("a")); }}};
  ASSERT_EQ(operations.size(), kFileOperationKinds);
  for (const auto& [kind, struck] : operations) {
    plan().clear();
    plan().add({.operation = kind, .sys_errno = EIO, .times = Fault::kAlways});
    for (const auto& [other, operation] : operations) {
      if (other == FileOperation::kRemove && kind != other) continue;
      EXPECT_EQ(operation(), other != kind)
          << file_operation_name(kind) << " struck, " << file_operation_name(other) << " tried";
    }
  }
  plan().clear();
  for (const auto& [kind, operation] : operations) EXPECT_TRUE(operation());
}

TEST_F(FaultFileSystemTest, ARefusedDirectOpenIsUnsupported) {
  plan().add({.operation = FileOperation::kCreate, .sys_errno = EINVAL});
  EXPECT_THAT(
      fs_.open(in_directory("a"), OpenOptions{.writable = true, .create = true, .direct = true}),
      has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(posix_.stat(in_directory("a")), has_code(ErrorCode::kNotFound));
}

TEST_F(FaultFileSystemTest, ASyncMayFailOnceAndThenSucceed) {
  const auto file = create("a", "text");
  plan().add({.operation = FileOperation::kSyncData});
  EXPECT_THAT(file->sync_data(), has_code(ErrorCode::kIo));
  EXPECT_OK(file->sync_data());
}

TEST_F(FaultFileSystemTest, ASyncThatFailsMayHaveLostWhatItWasFor) {
  plan().add({.operation = FileOperation::kSync, .effect = FaultEffect::kLostUnsynced, .nth = 2});
  const auto file = create("a", "0123");
  ASSERT_OK(file->sync());
  ASSERT_OK(file->write_at(0, as_bytes("abcd")));
  ASSERT_OK(file->write_at(2, as_bytes("CDEF")));
  EXPECT_EQ(content_of(*file), "abCDEF");
  EXPECT_THAT(file->sync(), has_code(ErrorCode::kIo));
  EXPECT_OK(file->sync());
  // The size is not data.
  EXPECT_EQ(content_of(*file), std::string("0123\0\0", 6));
}

TEST_F(FaultFileSystemTest, ATornWriteLeavesItsHeadAndFails) {
  const auto file = create("a", "0123456789");
  plan().add({.effect = FaultEffect::kTornWrite, .torn_bytes = 3});
  EXPECT_THAT(file->write_at(2, as_bytes("ABCDEF")), has_code(ErrorCode::kIo));
  EXPECT_EQ(content_of(*file), "01ABC56789");
}

TEST_F(FaultFileSystemTest, ATornWriteMayClaimSuccess) {
  const auto file = create("a", "0123456789");
  plan().add({.effect = FaultEffect::kTornWrite, .sys_errno = 0, .torn_bytes = 3});
  EXPECT_OK(file->write_at(2, as_bytes("ABCDEF")));
  EXPECT_EQ(content_of(*file), "01ABC56789");
}

TEST_F(FaultFileSystemTest, ADirectWriteTearsAtAnyByte) {
  struct alignas(4096) Blocks {
    std::array<char, 8192> text;
  };
  const auto blocks = std::make_unique<Blocks>();
  create("a", std::string(8192, 'o'));
  const auto direct = fs_.open(in_directory("a"), OpenOptions{.writable = true, .direct = true});
  if (!direct) GTEST_SKIP() << direct.error().to_string();
  blocks->text.fill('n');
  plan().add({.effect = FaultEffect::kTornWrite, .torn_bytes = 4096 + 700});
  EXPECT_THAT((*direct)->write_at(0, std::as_bytes(std::span(blocks->text))),
              has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(auto file, fs_.open(in_directory("a"), kReadOnly));
  EXPECT_EQ(content_of(*file), std::string(4096 + 700, 'n') + std::string(4096 - 700, 'o'));
}

TEST_F(FaultFileSystemTest, ALostWriteClaimsSuccess) {
  const auto file = create("a", "old");
  plan().add({.effect = FaultEffect::kSkip});
  EXPECT_OK(file->write_at(0, as_bytes("new")));
  EXPECT_EQ(content_of(*file), "old");
}

TEST_F(FaultFileSystemTest, ASyncMayLie) {
  const auto file = create("a", "text");
  plan().add({.operation = FileOperation::kSync, .effect = FaultEffect::kSkip});
  EXPECT_OK(file->sync());
  EXPECT_TRUE(plan().trace().back().injected);
}

TEST_F(FaultFileSystemTest, AMisdirectedWriteLandsElsewhere) {
  const auto file = create("a", "0123456789");
  plan().add({.effect = FaultEffect::kMisdirectedWrite, .times = 2, .misdirect_bytes = 4});
  EXPECT_OK(file->write_at(2, as_bytes("AB")));
  EXPECT_EQ(content_of(*file), "012345AB89");
  plan().clear();
  plan().add({.effect = FaultEffect::kMisdirectedWrite, .misdirect_bytes = -100});
  EXPECT_OK(file->write_at(2, as_bytes("CD")));
  EXPECT_EQ(content_of(*file), "CD2345AB89");
}

int differing_bits(std::string_view a, std::string_view b) {
  int bits = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    bits += std::popcount(static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return bits;
}

TEST_F(FaultFileSystemTest, AFlippedBitStaysUntilItIsRewritten) {
  const std::string text(1000, 'a');
  const auto file = create("a", text);
  plan().add({.operation = FileOperation::kRead, .effect = FaultEffect::kFlippedBit});
  const std::string rotten = content_of(*file);
  EXPECT_EQ(differing_bits(rotten, text), 1);
  EXPECT_EQ(content_of(*file), rotten);
  ASSERT_OK_AND_ASSIGN(auto again, fs_.open(in_directory("a"), kReadOnly));
  EXPECT_EQ(content_of(*again), rotten);

  ASSERT_OK(fs_.rename(in_directory("a"), in_directory("b")));
  ASSERT_OK_AND_ASSIGN(auto renamed, fs_.open(in_directory("b"), kWritable));
  EXPECT_EQ(content_of(*renamed), rotten);
  ASSERT_OK(renamed->write_at(0, as_bytes(text)));
  EXPECT_EQ(content_of(*renamed), text);
}

TEST_F(FaultFileSystemTest, TheFlippedBitFollowsFromSeedAndOffset) {
  const std::string text(1000, 'a');
  create("a", text);
  const auto rotten_from = [&](std::uint64_t seed) {
    FaultFileSystem faults(posix_, {.seed = seed});
    faults.plan().add({.operation = FileOperation::kRead, .effect = FaultEffect::kFlippedBit});
    const auto file = faults.open(in_directory("a"), kReadOnly);
    return content_of(**file);
  };
  EXPECT_EQ(rotten_from(1), rotten_from(1));
  EXPECT_NE(rotten_from(1), rotten_from(2));
}

TEST_F(FaultFileSystemTest, RotStrikesTheByteItIsTold) {
  const auto file = create("dir_a", "0000");
  fs_.rot(in_directory("dir_a"), 2, 0x01);
  EXPECT_EQ(content_of(*file), "0010");
  // A second strike at the same place must not mend it.
  fs_.rot(in_directory("./dir_a"), 2, 0x01);
  EXPECT_EQ(content_of(*file), "0010");
  ASSERT_OK(file->write_at(1, as_bytes("00")));
  EXPECT_EQ(content_of(*file), "0000");
}

TEST_F(FaultFileSystemTest, RotGoesWithItsFileAndMovesWithItsDirectory) {
  ASSERT_OK(fs_.create_directory(in_directory("d")));
  create("d/a", "0000");
  create("d_not_below", "0000");
  fs_.rot(in_directory("d/a"), 0, 0x01);
  fs_.rot(in_directory("d_not_below"), 0, 0x01);
  ASSERT_OK(fs_.rename(in_directory("d"), in_directory("e")));
  ASSERT_OK_AND_ASSIGN(auto moved, fs_.open(in_directory("e/a"), kReadOnly));
  EXPECT_EQ(content_of(*moved), "1000");
  ASSERT_OK_AND_ASSIGN(auto beside, fs_.open(in_directory("d_not_below"), kReadOnly));
  EXPECT_EQ(content_of(*beside), "1000");
  ASSERT_OK(fs_.remove(in_directory("e/a")));
  EXPECT_EQ(content_of(*create("e/a", "0000")), "0000");
}

TEST_F(FaultFileSystemTest, AFullDeviceTakesWhatFitsAndResumesWithRoom) {
  const auto file = create("a", "0123");
  fs_.set_free_bytes(3);
  const Status written = file->write_at(4, as_bytes("456789"));
  ASSERT_THAT(written, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(written.error().sys_errno(), ENOSPC);
  EXPECT_EQ(content_of(*file), "0123456");
  EXPECT_EQ(fs_.free_bytes(), 0U);
  // What was allocated already can still be rewritten.
  EXPECT_OK(file->write_at(0, as_bytes("ABCD")));
  EXPECT_THAT(file->preallocate(0, 8), has_code(ErrorCode::kNoSpace));
  EXPECT_OK(file->preallocate(0, 7));
  EXPECT_THAT(file->resize(8), has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(file->size().value(), 7U);

  fs_.set_free_bytes(10);
  EXPECT_OK(file->write_at(7, as_bytes("789")));
  EXPECT_EQ(fs_.free_bytes(), 7U);
  EXPECT_OK(file->preallocate(0, 12));
  EXPECT_EQ(fs_.free_bytes(), 5U);
  fs_.set_free_bytes(std::nullopt);
  EXPECT_OK(file->resize(1000));
  EXPECT_EQ(fs_.free_bytes(), std::nullopt);
}

TEST_F(FaultFileSystemTest, WhatGoesGivesItsRoomBack) {
  const auto a = create("a", "0123456789");
  create("b", "01234");
  create("c", "012");
  fs_.set_free_bytes(0);
  ASSERT_OK(a->resize(4));
  EXPECT_EQ(fs_.free_bytes(), 6U);
  ASSERT_OK(fs_.remove(in_directory("b")));
  EXPECT_EQ(fs_.free_bytes(), 11U);
  ASSERT_OK(fs_.rename(in_directory("a"), in_directory("c")));
  EXPECT_EQ(fs_.free_bytes(), 14U);
  EXPECT_THAT(fs_.remove(in_directory("b")), has_code(ErrorCode::kNotFound));
  EXPECT_EQ(fs_.free_bytes(), 14U);
}

TEST_F(FaultFileSystemTest, ThreadsShareOneBudget) {
  fs_.set_free_bytes(1000);
  std::atomic<int> refused{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      const auto file = create("file" + std::to_string(i));
      for (std::uint64_t at = 0; at < 500; at += 10) {
        refused += !file->write_at(at, as_bytes("0123456789"));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(refused, 100);
  EXPECT_EQ(fs_.free_bytes(), 0U);
}

TEST_F(FaultFileSystemTest, ReadOnlyRefusesEveryChangeAndStillReads) {
  const auto file = create("a", "text");
  fs_.set_read_only(true);
  const Status written = file->write_at(0, as_bytes("new"));
  ASSERT_THAT(written, has_code(ErrorCode::kIo));
  EXPECT_EQ(written.error().sys_errno(), EROFS);
  EXPECT_THAT(written.error().message(), testing::HasSubstr("read-only"));
  EXPECT_FALSE(file->preallocate(0, 100));
  EXPECT_FALSE(file->resize(0));
  EXPECT_FALSE(fs_.open(in_directory("a"), kWritable));
  EXPECT_FALSE(fs_.open(in_directory("b"), kCreate));
  EXPECT_FALSE(fs_.rename(in_directory("a"), in_directory("b")));
  EXPECT_FALSE(fs_.remove(in_directory("a")));
  EXPECT_FALSE(fs_.create_directory(in_directory("d")));
  ASSERT_OK_AND_ASSIGN(auto reader, fs_.open(in_directory("a"), kReadOnly));
  EXPECT_EQ(content_of(*reader), "text");
  fs_.set_read_only(false);
  EXPECT_OK(file->write_at(0, as_bytes("new")));
}

TEST_F(FaultFileSystemTest, TheTraceShowsTheOrderOfANewName) {
  const auto file = create("a.tmp", "text");
  ASSERT_OK(file->sync());
  ASSERT_OK(fs_.rename(in_directory("a.tmp"), in_directory("a")));
  ASSERT_OK(fs_.sync_directory(in_directory("")));
  static_cast<void>(fs_.stat(in_directory("missing")));

  const std::vector<FileEvent> trace = plan().trace();
  std::vector<FileOperation> kinds;
  for (const FileEvent& event : trace) kinds.push_back(event.operation);
  EXPECT_EQ(kinds, (std::vector{FileOperation::kCreate, FileOperation::kWrite, FileOperation::kSync,
                                FileOperation::kRename, FileOperation::kSyncDirectory,
                                FileOperation::kStat}));
  EXPECT_EQ(trace[1].bytes, 4U);
  EXPECT_TRUE(trace[1].options.writable);
  EXPECT_EQ(trace[3].target, in_directory("a"));
  EXPECT_EQ(trace[4].error, std::nullopt);
  EXPECT_FALSE(trace[4].injected);
  EXPECT_EQ(trace[5].error, ErrorCode::kNotFound);
}

// A stuck request is a hook that waits; everything else goes on meanwhile.
TEST_F(FaultFileSystemTest, AHookMayHoldOneOperationWhileOthersRun) {
  const auto file = create("a", "text");
  std::atomic<bool> stuck{false};
  std::atomic<bool> released{false};
  plan().before_each([&](const FileEvent& event) {
    if (event.operation != FileOperation::kSync) return;
    stuck = true;
    stuck.notify_all();
    released.wait(false);
  });
  std::thread syncing([&] { EXPECT_OK(file->sync()); });
  stuck.wait(false);
  EXPECT_OK(file->write_at(0, as_bytes("more")));
  EXPECT_EQ(content_of(*file), "more");
  released = true;
  released.notify_all();
  syncing.join();
}

TEST_F(FaultFileSystemTest, FilesShowOrHideTheirDescriptor) {
  EXPECT_GE(create("a")->native_handle(), 0);
  FaultFileSystem hidden(posix_, {.pass_native_handle = false});
  ASSERT_OK_AND_ASSIGN(auto file, hidden.open(in_directory("a"), kReadOnly));
  EXPECT_EQ(file->native_handle(), -1);
}

}  // namespace
}  // namespace nacre
